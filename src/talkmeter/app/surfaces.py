"""The ways in: a tuple, not a scan. A new surface is one folder and one line here."""

from collections.abc import Callable, Collection
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talkmeter.accounts.keys import Keys
from talkmeter.accounts.principals import Principal
from talkmeter.accounts.settings import Settings
from talkmeter.accounts.users import Users
from talkmeter.app.wiring import Application
from talkmeter.metering.admission import RateLimit, Whose
from talkmeter.metering.cost import plain_dollars
from talkmeter.surfaces.openai import services as openai
from talkmeter.surfaces.openai.door import OpenAIDoor
from talkmeter.surfaces.openai.heads import PREFIX
from talkmeter.surfaces.web.guard import GuardLimits, guarded_protocol
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.surface import web_surface


def build_surfaces(application: Application, door: OpenAIDoor) -> ASGIApp:
    """What answers HTTP requests: programs below /v1/ by their door, and the page."""
    # Only the page is told whom a proxy on this machine speaks for: a program that comes through one needs a key.
    trusted: Any = web_surface(services_of(application))
    page: Any = ProxyHeadersMiddleware(trusted, trusted_hosts=["127.0.0.1", "::1"])

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await door(scope, receive, send)
        else:
            await page(scope, receive, send)

    return choose


def programs(application: Application) -> OpenAIDoor:
    """The door for programs alone."""
    return OpenAIDoor(gateway_services_of(application))


def gateway_services_of(application: Application) -> openai.Services:
    accounts = application.accounts
    options = gateway_options(accounts.settings, hosts_of(application))  # none of them changes while the server runs
    return openai.Services(
        gateway=application.gateway,
        options=options,
        principal=accounts.keys.principal,
        whose=whose_of(accounts.users, accounts.keys),
        models=application.offered_models,
        entry_of_answer=application.passing.answers.entry_of,
        price_of=plain_dollars,
    )


def whose_of(users: Users, keys: Keys) -> Callable[[Principal, tuple[str, ...]], Whose]:
    """What budgets and limits go by: the user, and the key from which a rotated one was made."""

    def whose(principal: Principal, tags: tuple[str, ...]) -> Whose:
        key = principal.key
        if key is None:
            return Whose(user_id=principal.user_id, tags=tags)
        key_id, user = keys.first_id(key), users.get(key.user_id)
        rates = tuple(
            RateLimit(id_, one.rpm, one.tpm)
            for id_, one in ((key_id, key), (user.id, user))
            if one.rpm is not None or one.tpm is not None
        )
        return Whose(user_id=user.id, key_id=key_id, tags=tags, rates=rates)

    return whose


def hosts_of(application: Application) -> tuple[str, ...]:
    """By which names the server may be called, besides those of this machine: as set, and as its certificate says."""
    named = tuple(host.strip().lower() for host in application.accounts.settings.get("allowed_hosts"))
    return named if application.tls is None else (*named, *application.tls.facts.hosts)


def gateway_options(settings: Settings, hosts: Collection[str]) -> openai.GatewayOptions:
    get = settings.get
    return openai.GatewayOptions(
        local=get("gateway_local"),
        groups=frozenset(get("gateway_endpoints")),
        hosts=frozenset(hosts),
        members_share=get("gateway_members_share"),
        body_bytes=get("gateway_body_bytes"),
    )


def services_of(application: Application) -> Services:
    accounts, store = application.accounts, application.store
    return Services(
        conversation=application.conversation,
        rooms=application.rooms,
        runs=application.runs,
        receipts=application.receipts,
        images=application.images,
        prices=application.prices,
        budgets=application.budgets,
        upstreams=application.registry,
        settings=accounts.settings,
        preferences=accounts.preferences,
        sessions=accounts.sessions,
        passwords=accounts.passwords,
        users=accounts.users,
        keys=accounts.keys,
        providers=accounts.providers,
        routes=accounts.routes,
        calls=store,
        uploads=application.uploads,
        check_store=store.check,
        ledger_sums=store.ledger_sums,
        hosts=hosts_of(application),
    )


def protocol(application: Application, door: OpenAIDoor | None) -> type[HttpToolsProtocol]:
    """The guarded HTTP protocol, with the limits of the settings. door: None if this process hands /v1 to others."""
    get = application.accounts.settings.get
    return guarded_protocol(
        GuardLimits(
            header_bytes=get("header_bytes"),
            header_count=get("header_count"),
            header_seconds=get("header_seconds"),
            body_idle_seconds=get("body_idle_seconds"),
            connections_per_address=get("connections_per_address"),
        ),
        door,
    )
