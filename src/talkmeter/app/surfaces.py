"""The ways in: a tuple, not a scan. A new surface is one folder and one line here."""

from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talkmeter.accounts.settings import Settings
from talkmeter.app.sockets import socket_door, upgrade_required
from talkmeter.app.wiring import Application
from talkmeter.conversation.gateway.allowed import GatewayOptions
from talkmeter.conversation.gateway.requests import Requests
from talkmeter.metering.cost import plain_dollars
from talkmeter.surfaces.openai import services as openai
from talkmeter.surfaces.openai.door import PREFIX, OpenAIDoor
from talkmeter.surfaces.web.guard import GuardLimits, guarded_protocol
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.surface import web_surface


def build_surfaces(application: Application, sockets_port: int = 0) -> ASGIApp:
    """What answers requests: programs below /v1/, the page, and sockets, for which alone `sockets_port` is."""
    # Only the page is told whom a proxy on this machine speaks for: a program that comes through one needs a key.
    trusted: Any = web_surface(services_of(application))
    page: Any = ProxyHeadersMiddleware(trusted, trusted_hosts=["127.0.0.1", "::1"])
    door = programs(application)
    sockets = socket_door(application, requests_of(application), sockets_port)

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await sockets(scope, receive, send)
        elif sockets_port and scope["type"] == "http" and scope["server"][1] == sockets_port:
            await upgrade_required(send)
        elif scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await door(scope, receive, send)
        else:
            await page(scope, receive, send)

    return choose


def programs(application: Application) -> ASGIApp:
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
        entry_of_answer=application.passing.entry_of_answer,
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
        upstreams=application.registry,
        settings=accounts.settings,
        sessions=accounts.sessions,
        passwords=accounts.passwords,
        users=accounts.users,
        keys=accounts.keys,
        providers=accounts.providers,
        routes=accounts.routes,
        calls=store,
        check_store=store.check,
        ledger_sums=store.ledger_sums,
    )


def protocol(application: Application) -> type[HttpToolsProtocol]:
    """The guarded HTTP protocol, with the limits of the settings."""
    get = application.accounts.settings.get
    return guarded_protocol(
        GuardLimits(
            header_bytes=get("header_bytes"),
            header_count=get("header_count"),
            header_seconds=get("header_seconds"),
            body_idle_seconds=get("body_idle_seconds"),
            connections_per_address=get("connections_per_address"),
        )
    )
