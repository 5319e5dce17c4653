"""The ways in: a tuple, not a scan. A new surface is one folder and one line here."""

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talkmeter.accounts.settings import Settings
from talkmeter.app.wiring import Application
from talkmeter.metering.cost import plain_dollars
from talkmeter.surfaces.ask import services as ask_door
from talkmeter.surfaces.ask.door import AskDoor, is_for_ask
from talkmeter.surfaces.openai import services as openai
from talkmeter.surfaces.openai.door import OpenAIDoor
from talkmeter.surfaces.openai.heads import PREFIX
from talkmeter.surfaces.web.guard import GuardLimits, guarded_protocol
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.static import STATIC
from talkmeter.surfaces.web.surface import web_surface


def build_surfaces(application: Application, door: OpenAIDoor) -> ASGIApp:
    """What answers HTTP requests: programs below /v1/ by their door and at /ask, and the page."""
    # Only the page is told whom a proxy on this machine speaks for: a program that comes through one needs a key.
    trusted: Any = web_surface(services_of(application))
    page: Any = ProxyHeadersMiddleware(trusted, trusted_hosts=["127.0.0.1", "::1"])
    ask = AskDoor(ask_services_of(application))

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await door(scope, receive, send)
        elif scope["type"] == "http" and is_for_ask(scope["path"]):
            await ask(scope, receive, send)
        else:
            await page(scope, receive, send)

    return choose


def programs(application: Application) -> OpenAIDoor:
    """The door for programs alone."""
    return OpenAIDoor(gateway_services_of(application))


def gateway_services_of(application: Application) -> openai.Services:
    accounts = application.accounts
    options = gateway_options(accounts.settings)  # none of them changes while the server runs
    return openai.Services(
        gateway=application.gateway,
        options=options,
        entrance=application.entrance,
        whose=application.callers.whose,
        models=application.offered_models,
        entry_of_answer=application.passing.answers.entry_of,
        price_of=plain_dollars,
    )


def ask_services_of(application: Application) -> ask_door.Services:
    async def models() -> list[str]:
        return [model["id"] for model in await application.offered_models()]

    return ask_door.Services(
        talks=application.talks,
        entrance=application.entrance,
        models=models,
        body_bytes=application.accounts.settings.get("body_bytes"),
        docs=STATIC / "docs",
    )


def gateway_options(settings: Settings) -> openai.GatewayOptions:
    get = settings.get
    return openai.GatewayOptions(
        groups=frozenset(get("gateway_endpoints")),
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
        hosts=application.hosts,
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
