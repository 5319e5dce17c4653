"""The ways in: a tuple, not a scan. A new surface is one folder and one line here."""

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talkmeter.accounts.settings import Settings
from talkmeter.app.sockets import socket_door, upgrade_required
from talkmeter.app.wiring import Application
from talkmeter.conversation.budget_scopes import BudgetScopes
from talkmeter.conversation.gateway.allowed import GatewayOptions
from talkmeter.conversation.gateway.requests import Requests
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


def build_surfaces(application: Application, door: OpenAIDoor, sockets_port: int = 0) -> ASGIApp:
    """What answers: programs below /v1/ by their door and at /ask, the page, and sockets. sockets_port: is for these
    alone; 0: there is none.
    """
    # Only the page is told whom a proxy on this machine speaks for: a program that comes through one needs a key.
    trusted: Any = web_surface(services_of(application))
    page: Any = ProxyHeadersMiddleware(trusted, trusted_hosts=["127.0.0.1", "::1"])
    ask = AskDoor(ask_services_of(application))
    sockets = socket_door(application, requests_of(application), sockets_port)

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await sockets(scope, receive, send)
        elif sockets_port and scope["type"] == "http" and scope["server"][1] == sockets_port:
            await upgrade_required(send)
        elif scope["type"] == "http" and scope["path"].startswith(PREFIX):
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
    return openai.Services(
        gateway=application.gateway,
        requests=requests_of(application),
        entrance=application.entrance,
        models=application.offered_models,
        price_of=plain_dollars,
    )


def requests_of(application: Application) -> Requests:
    return Requests(
        options=gateway_options(application.accounts.settings),  # none of them changes while the server runs
        whose=application.callers.whose,
        entry_of_answer=application.passing.answers.entry_of,
    )


def ask_services_of(application: Application) -> ask_door.Services:
    return ask_door.Services(
        talks=application.talks,
        entrance=application.entrance,
        body_bytes=application.accounts.settings.get("body_bytes"),
        docs=STATIC / "docs",
    )


def gateway_options(settings: Settings) -> GatewayOptions:
    get = settings.get
    return GatewayOptions(
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
        budget_scopes=BudgetScopes(accounts.users, accounts.keys, store, accounts.providers.names),
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
