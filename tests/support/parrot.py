"""An upstream that repeats the key it was given, in every place where an answer, an error or an exception could carry
it on. Bytes by hand: a well-behaved server would not send most of them.
"""

import asyncio
import gzip
import json
from collections.abc import Callable
from types import TracebackType
from typing import Self


def _error(key: str) -> bytes:
    words = f"Incorrect API key provided: {key}. You sent Authorization: Bearer {key}"
    return json.dumps({"error": {"message": words, "type": key, "code": "invalid_api_key"}}).encode()


def _answer(status: str, body: bytes, kind: str = "application/json", *headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _stream(key: str, *, whole: bool = True) -> bytes:
    said = b'data: {"choices":[{"delta":{"content":"hello"}}]}\n\n'
    body = said + b"data: " + _error(key) + (b"\n\ndata: [DONE]\n\n" if whole else b"")
    head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    return head.encode() + body


# What is answered to any request, by the first part of the path.
SAYS: dict[str, Callable[[str], bytes]] = {
    "json-401": lambda key: _answer("401 Unauthorized", _error(key)),
    "escaped-401": lambda key: _answer("401 Unauthorized", _error(key).replace(b"/", b"\\/")),
    "text-403": lambda key: _answer("403 Forbidden", f"go away, {key}".encode(), "text/plain"),
    "gzip-401": lambda key: _answer(
        "401 Unauthorized", gzip.compress(_error(key)), "application/json", "Content-Encoding: gzip"
    ),
    "html-500": lambda key: _answer("500 Oops", f"<h1>Authorization: Bearer {key}</h1>".encode(), "text/html"),
    "reason": lambda key: _answer(f"401 {key}", b"{}", "application/json", f"X-Echo: {key}", f"Retry-After: {key}"),
    "redirect": lambda key: _answer("302 Found", b"", "text/plain", f"Location: http://127.0.0.1:1/?key={key}"),
    "status-line": lambda key: f"HTTP/{key} 200\r\n\r\n".encode(),
    "header-line": lambda key: f"HTTP/1.1 200 OK\r\n{key}\r\n\r\n".encode(),
    "no-http": lambda key: f"{key}\r\n".encode() * 3,
    "bad-length": lambda key: f"HTTP/1.1 200 OK\r\nContent-Length: {key}\r\n\r\n".encode(),
    "bad-chunk": lambda key: f"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{key}\r\n".encode(),
    "stream-error": _stream,
    "stream-cut": lambda key: _stream(key, whole=False),
    "json-200": lambda key: _answer("200 OK", _error(key)),
    "usage": lambda key: _answer("200 OK", json.dumps({"choices": [], "usage": {"prompt_tokens": key}}).encode()),
}


class Parrot:
    """`async with Parrot() as parrot`. heard: the keys that really came with requests."""

    def __init__(self) -> None:
        self.heard: set[str] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def url(self, kind: str) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/{kind}/v1"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        fields = dict(line.split(": ", 1) for line in head.rstrip().split("\r\n")[1:])
        await reader.readexactly(int(fields.get("Content-Length", "0")))
        key = fields["Authorization"].removeprefix("Bearer ")
        self.heard.add(key)
        writer.write(SAYS[head.split("/")[1]](key))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
