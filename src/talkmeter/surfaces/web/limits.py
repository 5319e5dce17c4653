"""The gate in front of the page: unknown hosts, foreign origins and too large bodies are turned away here, every
request gets an id, the security headers and one line in the log. Pure ASGI; of paths it knows those of probes alone.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from talkmeter.errors import BadInput, Forbidden, TalkmeterError, TooLarge
from talkmeter.ids import new_id
from talkmeter.surfaces.web.headers import secured
from talkmeter.surfaces.web.problems import internal_error, problem_response

log = logging.getLogger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PROBES = frozenset({"healthz", "readyz", "metrics"})  # asked every few seconds by whoever watches
UNDER_ANY_NAME = frozenset({"/healthz", "/readyz"})  # probes call by an address, and learn nothing of anybody
LOOPBACK_NAMES = frozenset({"127.0.0.1", "[::1]", "localhost"})

_REQUEST_ID = re.compile(rb"[A-Za-z0-9_.:-]{8,64}")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?")

Observe = Callable[[str, str, int, float], None]  # route, method, status, seconds


class GateLimits(Struct, frozen=True, kw_only=True):
    """hosts: further names by which the page may be called, without a port. body_bytes: the largest body anywhere.

    hsts_seconds: how long browsers are to keep to HTTPS; 0: nothing is said of it.
    """

    hosts: tuple[str, ...] = ()
    hsts_seconds: int = 0
    body_bytes: int = 20_000_000


class Gate:
    def __init__(self, app: ASGIApp, limits: GateLimits, observe: Observe | None = None) -> None:
        self._app = app
        self._hosts = LOOPBACK_NAMES | {host.strip().lower() for host in limits.hosts}
        self._body_bytes = limits.body_bytes
        self._hsts = b"max-age=%d" % limits.hsts_seconds if limits.hsts_seconds else b""
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":  # no route here is one, and a handshake knows no Origin check
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        scope["request_id"] = _request_id(scope["headers"])
        answer = _Answer(send, scope["request_id"], self._hsts if scope["scheme"] == "https" else b"")
        try:
            check_request(scope, self._hosts, self._body_bytes)
            await self._app(scope, _limited(receive, self._body_bytes), answer)
        except TalkmeterError as error:
            await answer.refuse(scope, receive, error)
        except Exception:
            log.exception("request_failed", extra={"request_id": scope["request_id"]})
            await answer.refuse(scope, receive, internal_error())
        finally:
            self._note(scope, answer, time.perf_counter() - began)

    def _note(self, scope: Scope, answer: "_Answer", seconds: float) -> None:
        route = scope.get("route_name", "none")
        status = answer.status or 499  # the client left before there was an answer
        if self._observe is not None:
            self._observe(route, scope["method"], status, seconds)
        quiet = logging.DEBUG if route in PROBES else logging.INFO
        log.log(
            quiet if status < 500 else logging.ERROR,
            "request",
            extra={
                "request_id": scope["request_id"],
                "surface": "web",
                "principal": scope.get("principal"),
                "method": scope["method"][:16],
                "path": scope["path"][:200],
                "route": route,
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
                "bytes": answer.bytes,
            },
        )


class _Answer:
    """Sends on, adding headers; remembers what was sent."""

    def __init__(self, send: Send, request_id: str, hsts: bytes = b"") -> None:
        self._send = send
        self._hsts = hsts
        self._request_id = request_id
        self.status: int | None = None
        self.bytes = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = secured(message.get("headers", ()), self._request_id)
            if self._hsts:
                headers.append((b"strict-transport-security", self._hsts))
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            self.bytes += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, scope: Scope, receive: Receive, error: TalkmeterError) -> None:
        """Answers with the error; an answer that has begun cannot be changed any more and is broken off."""
        if self.status is not None:
            raise error
        await problem_response(error, self._request_id)(scope, receive, self)


def check_request(scope: Scope, hosts: Iterable[str], body_bytes: int) -> None:
    """Host first, then the origin of what changes something, then the size of the body. Raises TalkmeterError."""
    safe = scope["method"] in SAFE_METHODS
    host = "" if safe and scope["path"] in UNDER_ANY_NAME else check_host(_all(scope, b"host"), hosts)
    if not safe:
        check_origin(_one(scope, b"origin"), _one(scope, b"sec-fetch-site"), host)
    length = _one(scope, b"content-length")
    if length is not None and (not length.isascii() or not length.isdigit() or int(length[:19]) > body_bytes):
        raise too_large(body_bytes)


def check_host(given: list[str], allowed: Iterable[str]) -> str:
    """The Host as it was sent. Raises BadInput (421) for any name that is not ours: rebinding ends here."""
    host = given[0].strip().lower() if len(given) == 1 else ""
    match = _HOST.fullmatch(host)
    if match is None or match[1].removesuffix(".") not in allowed:
        raise _unknown_host(None if match is None else match[1])
    return host


def _unknown_host(name: str | None) -> BadInput:
    """name: as it was tried, without a port; None: it is no name."""
    if name is None:
        return BadInput(
            "The request has no host name that can be read.",
            "요청에 읽을 수 있는 호스트 이름이 없습니다.",
            code="unknown_host",
            status=421,
            hint="Send one Host header, such as Host: localhost.",
            hint_ko="Host: localhost 처럼 Host 헤더를 하나 보내십시오.",
        )
    name = name[:200]
    return BadInput(
        f"This server does not answer to the host name {name}.",
        f"이 서버는 호스트 이름 {name}(으)로 응답하지 않습니다.",
        code="unknown_host",
        status=421,
        hint=f"Open http://localhost, or start it with --allowed-hosts {name} (the setting allowed_hosts).",
        hint_ko=f"http://localhost 로 열거나 --allowed-hosts {name} (설정 allowed_hosts)을(를) 지정해 시작하십시오.",
    )


def check_origin(origin: str | None, fetch_site: str | None, host: str) -> None:
    """Raises Forbidden unless the browser says that the request comes from a page of ours."""
    ours = origin is not None and urlsplit(_safe(origin)).scheme in ("http", "https") and _netloc(origin) == host
    if fetch_site is not None and fetch_site not in ("same-origin", "none"):
        ours = False
    elif origin is None:
        ours = fetch_site is not None
    if not ours:
        raise Forbidden(
            "This request does not come from Talkmeter's own page.",
            "Talkmeter 자신의 페이지에서 온 요청이 아닙니다.",
            code="foreign_origin",
            hint="These routes belong to the page; send its Origin.",
            hint_ko="이 경로는 페이지 전용입니다. 페이지의 Origin을 보내야 합니다.",
        )


def too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"The body is larger than {limit:,} bytes.",
        f"요청 본문이 {limit:,}바이트보다 큽니다.",
        code="body_too_large",
        details={"limit": limit},
    )


def _limited(receive: Receive, limit: int) -> Receive:
    """Counts what really arrives: a chunked body states no length."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise too_large(limit)
        return message

    return counted


def _request_id(headers: list[tuple[bytes, bytes]]) -> str:
    """The caller's own, so that both sides can name the request, where it is one that a log can hold."""
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode("ascii")
    return new_id("req")


def _all(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _one(scope: Scope, name: bytes) -> str | None:
    """The header's only value; several values are one that nothing will match."""
    found = _all(scope, name)
    return ", ".join(found) if found else None


def _safe(origin: str) -> str:
    return origin if re.fullmatch(r"https?://[A-Za-z0-9._:\[\]-]+", origin) else ""


def _netloc(origin: str) -> str:
    return urlsplit(_safe(origin)).netloc.lower()
