"""A client for the web surface's tests that speaks raw bytes over real sockets."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import uvicorn


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json()["error"]["code"]


class Served:
    """A running server."""

    def __init__(self, port: int, server: uvicorn.Server) -> None:
        self.port = port
        self.server = server

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        return f"http://{self.host}"

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def raw(self, data: bytes) -> Answer | None:
        """Sends bytes on a connection of its own and reads one answer; None if the connection was just closed."""
        reader, writer = await self.open()
        try:
            writer.write(data)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            return await read_answer(reader)
        finally:
            await close(writer)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        cookie: str | None = None,
        host: str | None = None,
        origin: str | None = "own",
        content: bytes | None = None,
    ) -> Answer:
        """One request as the page would send it, on a connection of its own. Header values of "" leave it out."""
        payload = content if content is not None else (b"" if body is None else json.dumps(body).encode())
        given = {"Host": host or self.host, "Connection": "close"}
        if method not in ("GET", "HEAD", "OPTIONS"):
            given |= {"Content-Type": "application/json", "Content-Length": str(len(payload))}
            if origin is not None:
                given["Origin"] = self.origin if origin == "own" else origin
        if cookie is not None:
            given["Cookie"] = cookie
        given |= headers or {}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value), "", ""]
        answer = await self.raw("\r\n".join(lines).encode() + payload)
        assert answer is not None, "the connection was closed without an answer"
        return answer


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader, *, head: bool = False) -> Answer | None:
    async with asyncio.timeout(60):
        try:
            section = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        first, *lines = section.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split(" ")[1])
        if head or status in (204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            body = await read_chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(status, headers, body)


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).strip(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body


Serve = Callable[..., Awaitable[Served]]
