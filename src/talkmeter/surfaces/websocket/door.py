"""The door itself: which path speaks what, who may come in, and one session for each socket."""

import logging
from typing import Any, get_args
from urllib.parse import parse_qs

from talkmeter.conversation.gateway.problems import problem
from talkmeter.errors import BadInput, NotFound, TalkmeterError
from talkmeter.surfaces.websocket.asking import Asking
from talkmeter.surfaces.websocket.dialects import Dialect
from talkmeter.surfaces.websocket.protocol import EXTENSION, Socket
from talkmeter.surfaces.websocket.responding import Responding
from talkmeter.surfaces.websocket.services import Services
from talkmeter.surfaces.websocket.session import Receive, Session
from talkmeter.surfaces.websocket.visitor import DOOR, RESPONSES_DOORS, Visitor

log = logging.getLogger(__name__)

DIALECTS_PATH, RESPONSES_PATH = "/ws", "/v1/responses"
_BARE: dict[str, Dialect] = {"v0": "v0", "v1": "v1"}
_DIALECTS: tuple[Dialect, ...] = get_args(Dialect)

Send = Any


class WebSocketDoor:
    """ASGI, for scopes of type `websocket` on connections of `protocol.Socket`."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await receive()  # `websocket.connect`
        try:
            spoken = self._spoken(scope)
            visitor = Visitor(scope, self._services, RESPONSES_DOORS if spoken is None else (DOOR,))
            principal = await visitor.come_in()
            visitor.tags()
        except TalkmeterError as error:
            log.info("websocket_refused", extra={"path": scope["path"][:200], "code": error.code})
            await _refuse(send, error)
            return
        await send({"type": "websocket.accept"})
        socket: Socket = scope["extensions"][EXTENSION]
        session: Session
        if spoken is None:
            session = Responding(socket, visitor, self._services, scope["headers"])
        else:
            session = Asking(socket, visitor, self._services, bare=spoken)
        await session.run(receive, principal)

    def _spoken(self, scope: Any) -> Dialect | None:
        """The dialect of a bare text; None: the Responses mode. Raises NotFound, BadInput."""
        path, options = scope["path"], self._services.options
        if path == RESPONSES_PATH and "responses" in self._services.requests.options.groups:
            return None
        server = scope.get("server")
        beside = options.port != 0 and server is not None and server[1] == options.port
        if not beside and path != DIALECTS_PATH:
            raise NotFound(
                f"There is no WebSocket at {path!r:.100}.",
                f"{path!r:.100}에는 WebSocket이 없습니다.",
                code="unknown_url",
                hint=f"Connect to {DIALECTS_PATH} or {RESPONSES_PATH}.",
                hint_ko=f"{DIALECTS_PATH} 또는 {RESPONSES_PATH}에 연결하십시오.",
            )
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("dialect", [""])[0]
        if asked and asked not in _DIALECTS:
            raise BadInput(
                f"There is no dialect {asked!r:.40}.",
                f"{asked!r:.40} 방언은 없습니다.",
                code="unknown_dialect",
                param="dialect",
                hint=f"There are {', '.join(_DIALECTS)}; docs/websocket.md says how they differ.",
                hint_ko=f"쓸 수 있는 방언: {', '.join(_DIALECTS)}. 차이는 docs/websocket.md에 있습니다.",
            )
        return _BARE.get(asked, "v1" if options.end_mark else "v0")


async def _refuse(send: Send, error: TalkmeterError) -> None:
    status, headers, body = problem(error)
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
