"""One request as it came over HTTP."""

import re
from collections.abc import Mapping
from typing import Any

from talkmeter.errors import BadInput, TooLarge
from talkmeter.ids import new_id
from talkmeter.surfaces.ask.answers import PREFLIGHT, Whole
from talkmeter.surfaces.ask.reading import read_query

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{8,64}")


class ClientLeft(Exception):
    """Nobody waits for an answer any more."""


class Request:
    """One request, as it came. about: what is known of it, for its line in the log."""

    def __init__(self, scope: Any, receive: Any, body_bytes: int) -> None:
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.raw_path: bytes = scope.get("raw_path") or self.path.encode()
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.query = read_query(scope["query_string"])
        self.client = scope.get("client")
        self.about: dict[str, str] = scope.setdefault("talkmeter.about", {})
        self._receive = receive
        self._most = body_bytes

    async def body(self) -> bytes:
        """Raises TooLarge."""
        parts = bytearray()
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            parts += message.get("body", b"")
            if len(parts) > self._most:
                raise TooLarge(
                    f"The body is larger than {self._most:,} bytes.",
                    f"요청 본문이 {self._most:,}바이트보다 큽니다.",
                    code="body_too_large",
                    details={"limit": self._most},
                )
            if not message.get("more_body"):
                return bytes(parts)

    async def left(self) -> None:
        """Returns once the client has."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


def request_id_of(headers: Any) -> str:
    """The caller's own, so that both sides can name the request, where it is one that a log can hold."""
    return next(
        (value.decode() for name, value in headers if name == b"x-request-id" and _REQUEST_ID.fullmatch(value)),
        None,
    ) or new_id("req")


def other_method(request: Request, methods: tuple[str, ...]) -> Whole | None:
    """The answer to a method that is not among these: to OPTIONS what there is, else none. Raises 405."""
    if request.method in methods or (request.method == "HEAD" and "GET" in methods):
        return None
    allow = ", ".join([*methods, *(["HEAD"] if "GET" in methods else []), "OPTIONS"])
    if request.method == "OPTIONS":
        return Whole(None, 204, [(b"allow", allow.encode()), *PREFLIGHT])
    raise BadInput(
        f"{request.method[:16]} cannot be used here; use {allow}.",
        f"{request.method[:16]} 메서드는 여기서 쓸 수 없습니다. 사용 가능: {allow}.",
        code="wrong_method",
        status=405,
        details={"allow": allow},
    )
