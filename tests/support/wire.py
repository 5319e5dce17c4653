"""A wire between two HTTP speakers that remembers every byte: what was asked, what was answered, and in which order."""

import asyncio
import contextlib
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date"}


@dataclass
class Message:
    """One request or answer: its first line, its headers as they stand (names in lower case), its body unframed."""

    first: str
    headers: list[tuple[str, str]]
    body: bytes
    whole: bool = True

    def header(self, name: str) -> str | None:
        return next((value for known, value in self.headers if known == name), None)

    @property
    def end_to_end(self) -> list[tuple[str, str]]:
        """Headers that are not about one connection, nor about how the body is framed on it."""
        return sorted((name, value) for name, value in self.headers if name not in HOP_BY_HOP)


class Wire:
    """`async with Wire(base_url) as wire`: relays to there; `wire.base_url` stands in for it."""

    def __init__(self, base_url: str) -> None:
        self._target = urlsplit(base_url)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._lines: list[tuple[bytearray, bytearray]] = []
        self.base_url = ""

    @property
    def requests(self) -> list[Message]:
        """In order of their connections."""
        return [one for up, _ in self._lines for one in messages(bytes(up))]

    @property
    def answers(self) -> list[Message]:
        return [one for _, down in self._lines for one in messages(bytes(down))]

    @property
    def exchanges(self) -> list[tuple[Message, Message]]:
        """Each request that was answered, with its answer."""
        return [
            pair for up, down in self._lines for pair in zip(messages(bytes(up)), messages(bytes(down)), strict=False)
        ]

    @property
    def sent(self) -> bytes:
        """Everything that went towards the target."""
        return b"".join(bytes(up) for up, _ in self._lines)

    def forget(self) -> None:
        """What was said so far is of no interest; connections go on."""
        for up, down in self._lines:
            up.clear()
            down.clear()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        line = (bytearray(), bytearray())
        self._lines.append(line)
        with contextlib.suppress(OSError), contextlib.closing(writer):
            up_reader, up_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
            up = asyncio.create_task(_pump(reader, up_writer, line[0]))
            try:
                await _pump(up_reader, writer, line[1])
            finally:
                up.cancel()
                up_writer.transport.abort()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}{self._target.path}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
    """Until either side ends; a client's end is passed on by breaking off."""
    try:
        while data := await reader.read(1 << 16):
            kept += data
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    writer.transport.abort() if kept and not writer.can_write_eof() else writer.close()


def messages(data: bytes) -> list[Message]:
    """Every message in the bytes of one direction; the last one may be cut short."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        if not end:
            break
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        names = dict(headers)
        if names.get("transfer-encoding") == "chunked":
            body, data, whole = _unchunked(data)
        else:
            size = int(names.get("content-length", "0"))
            body, data, whole = data[:size], data[size:], len(data) >= size
        found.append(Message(first, headers, body, whole))
    return found


def _unchunked(data: bytes) -> tuple[bytes, bytes, bool]:
    """The body, what follows it, and whether it came to its end."""
    parts, at = [], 0
    while True:
        end = data.find(b"\r\n", at)
        if end == -1:
            return b"".join(parts), b"", False
        size, start = int(data[at:end], 16), end + 2
        if size == 0:
            return b"".join(parts), data[start:].removeprefix(b"\r\n"), data.startswith(b"\r\n", start)
        parts.append(data[start : start + size])
        at = start + size + 2
        if len(data) < at:
            return b"".join(parts), b"", False
