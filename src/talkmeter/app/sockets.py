"""The WebSocket door's wiring. What it stands on is only imported with the first socket: a start has no use for it."""

import asyncio
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from talkmeter.accounts.principals import Principal
from talkmeter.app.wiring import Application
from talkmeter.conversation.gateway.requests import Requests
from talkmeter.surfaces.web.cookies import cookie_of

if TYPE_CHECKING:
    from talkmeter.surfaces.websocket.services import Services


class SocketProtocol:
    """Makes the protocol of a WebSocket's connection, with the limits of the settings. For `uvicorn.Config(ws=…)`."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._kind: type[asyncio.Protocol] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> asyncio.Protocol:
        if self._kind is None:
            from talkmeter.surfaces.websocket.protocol import SocketLimits, socket_protocol

            get = self._application.accounts.settings.get
            self._kind = socket_protocol(
                SocketLimits(message_bytes=get("websocket_message_bytes"), stall_seconds=get("websocket_stall_seconds"))
            )
        return self._kind(*args, **kwargs)


def socket_door(application: Application, requests: Requests, port: int) -> ASGIApp:
    """What answers sockets. port: the one for nothing else; 0: there is none."""
    made: ASGIApp | None = None

    async def door(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal made
        if made is None:
            from talkmeter.surfaces.websocket.door import WebSocketDoor

            made = WebSocketDoor(_services_of(application, requests, port))
        await made(scope, receive, send)

    return door


def _services_of(application: Application, requests: Requests, port: int) -> "Services":
    from talkmeter.surfaces.websocket.services import Services, SocketOptions

    accounts = application.accounts
    get = accounts.settings.get

    async def browser(scope: Scope) -> Principal | None:
        session = await accounts.sessions.find(cookie_of(HTTPConnection(scope)))
        return None if session is None else Principal(user_id=session.principal, role=session.role)

    return Services(
        entrance=application.entrance,
        browser=browser,
        user_end=accounts.users.end_of,
        talks=application.talks,
        gateway=application.gateway,
        requests=requests,
        options=SocketOptions(
            port=port,
            end_mark=get("websocket_end_mark"),
            idle_seconds=get("websocket_idle_seconds"),
            session_seconds=get("websocket_session_seconds"),
            remembered_bytes=8 * get("websocket_message_bytes"),
        ),
        hosts=frozenset(application.hosts),
    )


async def upgrade_required(send: Send) -> None:
    """To a request on the port where only sockets are answered."""
    body = b"Only WebSockets are answered here.\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"upgrade", b"websocket"),
        (b"connection", b"upgrade"),
    ]
    await send({"type": "http.response.start", "status": 426, "headers": headers})
    await send({"type": "http.response.body", "body": body})
