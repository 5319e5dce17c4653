"""Who speaks plain HTTP to a port with TLS is told so; a browser is sent to the right address."""

import asyncio
import re
from typing import cast

from talkmeter.surfaces.web.problems import JSON_TYPE, problem_bytes

SECONDS = 5.0  # for the head of the request
LONGEST_HEAD = 16_384

_LINE = re.compile(rb"(GET|HEAD) (/[!-~]*) HTTP/1\.[01]")
_HOST = re.compile(rb"(?im)^host: *((?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?) *\r?$")
_CARRIES_SECRETS = re.compile(rb"(?im)^(?:authorization|cookie|x-api-key) *:")


class PlainHttp(asyncio.Protocol):
    """Answers one request and closes; what is no HTTP is closed without an answer."""

    def __init__(self) -> None:
        self._head = b""
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(SECONDS, transport.close)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._head += data
        head, end, _ = self._head.partition(b"\r\n\r\n")
        if end:
            transport.write(answer_to(head))
            transport.close()
        elif len(self._head) > LONGEST_HEAD or not _may_be_http(self._head):
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        if self._timer is not None:
            self._timer.cancel()


def answer_to(head: bytes) -> bytes:
    """The whole answer. Pure. Only a page that is looked at is sent on: a key that went unencrypted once should not
    go unnoticed again and again.
    """
    line = _LINE.match(head)
    host = _HOST.findall(head)
    if line is not None and len(host) == 1 and not _CARRIES_SECRETS.search(head):
        where = b"https://" + host[0] + line[2]
        return _response(b"307 Temporary Redirect", b"", b"location: " + where + b"\r\n")
    body = problem_bytes(
        "tls_wanted",
        "This port speaks TLS: use https:// instead of http://.",
        "이 포트는 TLS로만 통신합니다. http:// 대신 https:// 를 쓰십시오.",
    )
    return _response(b"400 Bad Request", body, b"content-type: " + JSON_TYPE.encode() + b"\r\n")


def _response(status: bytes, body: bytes, header: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\ncache-control: no-store\r\nconnection: close\r\n\r\n%b" % (
        status,
        header,
        len(body),
        body,
    )


def _may_be_http(begin: bytes) -> bool:
    """Whether it begins with what may be a method."""
    method = begin.partition(b" ")[0]
    return len(method) <= 16 and method.isascii() and method.isalpha()
