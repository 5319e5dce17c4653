"""Answers as ASGI messages, each with what a browser of any origin must be told."""

import logging
from typing import Any

import msgspec
from msgspec import Struct

from talkmeter.surfaces.ask.services import DOOR

log = logging.getLogger(__name__)

Headers = list[tuple[bytes, bytes]]

PROBES = ("/health",)  # asked every few seconds by whoever watches: no line of the log each time

RATE_HEADERS = [
    f"X-RateLimit-{what}-{kind}" for kind in ("Requests", "Tokens") for what in ("Limit", "Remaining", "Reset")
]
# Any page may ask with a key of its own, and read the answer; cookies are never sent along, and would open nothing.
CORS: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", ", ".join(["Retry-After", "X-Request-Id", "Location", *RATE_HEADERS]).encode()),
]
PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, DELETE"),
    (
        b"access-control-allow-headers",
        b"Authorization, Content-Type, Accept, Idempotency-Key, Last-Event-ID, X-Talkmeter-Tags, X-Request-Id",
    ),
    (b"access-control-max-age", b"600"),
]
SECURE: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
]


class Whole(Struct, frozen=True):
    """An answer in one piece. value: anything that JSON can hold; None: no body."""

    value: Any
    status: int = 200
    headers: Headers = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ARG002
        body = b"" if self.value is None else msgspec.json.encode(self.value)
        headers = [(b"cache-control", b"no-store"), *self.headers]
        if self.value is not None:
            headers.append((b"content-type", b"application/json; charset=utf-8"))
        if self.status != 204:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


class Sending:
    """Sends on, with the headers that every answer has; remembers what was sent."""

    def __init__(self, send: Any, request_id: str, *, open_to_all: bool) -> None:
        self._send = send
        self._request_id = request_id
        self._added = [(b"x-request-id", request_id.encode()), *(CORS if open_to_all else [])]
        self.status: int | None = None
        self.bytes = 0

    async def __call__(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            names = {name for name, _ in message["headers"]}
            secure = [pair for pair in SECURE if pair[0] not in names]
            message = {**message, "headers": [*message["headers"], *self._added, *secure]}
        else:
            self.bytes += len(message.get("body", b""))
        await self._send(message)

    def note(self, scope: Any, seconds: float) -> None:
        status = self.status or 499  # the client left before there was an answer
        quiet = logging.DEBUG if scope["path"] in PROBES else logging.INFO
        log.log(
            quiet if status < 500 else logging.ERROR,
            "request",
            extra={
                "request_id": self._request_id,
                "surface": DOOR,
                "principal": None,
                **scope.get("talkmeter.about", {}),
                "method": scope["method"][:16],
                "path": scope["path"][:200],
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
                "bytes": self.bytes,
            },
        )
