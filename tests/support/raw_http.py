"""An HTTP/1.1 client that shows what is on the wire: every chunk as it was framed, and how the body ended."""

import asyncio
import contextlib
import json
import socket
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit


@dataclass
class Answer:
    """ended: complete · fin (closed too early) · rst · open (the client left). status 0: no answer came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] = field(default_factory=list)
    ended: str = "open"

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[bytes]:
        """The data of every event that is there with its blank line."""
        return complete_events(self.body)

    @property
    def payloads(self) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self.events if data != b"[DONE]"]

    @property
    def named(self) -> list[tuple[str, dict[str, Any]]]:
        """Name and data of every event of a stream whose events have names."""
        found = []
        for block in self.body.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]:
            first, _, second = block.partition(b"\n")
            found.append((first.removeprefix(b"event: ").decode(), json.loads(second.removeprefix(b"data: "))))
        return found

    @property
    def text(self) -> str:
        return text_of(self.events)


def complete_events(body: bytes) -> list[bytes]:
    """Read a stream of events as plainly as possible, so that it can serve as an oracle."""
    blocks = body.replace(b"\r\n", b"\n").split(b"\n\n")[:-1]
    return [block.removeprefix(b"data: ") for block in blocks]


def text_of(events: list[bytes]) -> str:
    """What the content deltas say; an event that is not JSON says nothing."""
    text = ""
    for data in events:
        with contextlib.suppress(ValueError):
            for choice in json.loads(data).get("choices", []):
                text += choice.get("delta", {}).get("content") or ""
    return text


class RawConnection:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self._host = host
        self.answer = Answer()

    @classmethod
    async def open(cls, url: str, receive_buffer: int | None = None) -> "RawConnection":
        """Connect. receive_buffer: bytes that the kernel and this process hold unread, roughly."""
        parts = urlsplit(url)
        raw = socket.create_connection((parts.hostname, parts.port))
        if receive_buffer is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        reader, writer = await asyncio.open_connection(sock=raw, limit=receive_buffer or 32 << 20)
        return cls(reader, writer, parts.netloc)

    async def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        fields = {"Host": self._host, "Content-Length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await self._writer.drain()
        self.answer = Answer()

    async def write(self, data: bytes) -> None:
        """Bytes as they are."""
        self._writer.write(data)
        await self._writer.drain()

    async def next(self) -> Answer:
        """The next answer, to its end."""
        self.answer = Answer()
        return await self.rest()

    async def head(self) -> Answer:
        """Read the status line and the headers."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        self.answer.status = int(head[0].split(" ")[1])
        pairs = (line.split(": ", 1) for line in head[1:] if line)
        self.answer.headers = {name.lower(): value for name, value in pairs}
        return self.answer

    async def chunk(self) -> bytes:
        """Read one chunk; empty at the end of the body."""
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        data = await self._reader.readexactly(size)
        await self._reader.readexactly(2)
        if size:
            self.answer.chunks.append(data)
        else:
            self.answer.ended = "complete"
        return data

    async def rest(self) -> Answer:
        """Read to the end, however it comes."""
        try:
            if not self.answer.status:
                await self.head()
            if self.answer.status in (204, 304):
                self.answer.ended = "complete"
            elif "content-length" in self.answer.headers:
                size = int(self.answer.headers["content-length"])
                self.answer.chunks.append(await self._reader.readexactly(size))
                self.answer.ended = "complete"
            while self.answer.ended == "open":
                await self.chunk()
        except asyncio.IncompleteReadError:
            self.answer.ended = "fin"
        except ConnectionResetError:
            self.answer.ended = "rst"
        return self.answer

    def abort(self) -> None:
        """Leave at once; what the other side has written is of no interest."""
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()


async def exchange(
    url: str, body: Any = None, *, method: str | None = None, headers: dict[str, str] | None = None
) -> Answer:
    """Send one request on a connection of its own and read the answer to its end. body: JSON or bytes."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    parts = urlsplit(url)
    connection = await RawConnection.open(url)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        chosen = method or ("GET" if body is None else "POST")
        await connection.send(chosen, path, raw, {"Content-Type": "application/json", **(headers or {})})
        return await connection.rest()
    finally:
        await connection.close()
