"""Putting events on a real connection, byte by byte if need be, and breaking it off on demand."""

import asyncio
import os
import socket
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from talkmeter.simulator.dialect import Channel, Event
from talkmeter.simulator.faults import Fault

if TYPE_CHECKING:
    from aiohttp import web

_GZIP = 31  # zlib: a gzip header and the largest window
_REACTION = 0.05  # seconds that a client gets to act on what has arrived


class BrokenOff(Exception):
    """The simulator has broken the connection off, as it was told to."""


class Sent:
    """What is on the wire: body bytes, and of events that are there completely text, usage and images."""

    def __init__(self) -> None:
        self.status: int | None = None
        self.bytes = 0
        self.characters = 0
        self.images = 0
        self.usage: dict[str, Any] | None = None
        self.finished = False
        self._texts: dict[Channel, list[str]] = {}

    @property
    def texts(self) -> list[str]:
        """The text of each channel."""
        for channel, parts in self._texts.items():
            if len(parts) > 1:
                self._texts[channel] = ["".join(parts)]
        return [parts[0] for parts in self._texts.values()]

    def complete(self, event: Event) -> None:
        if event.text:
            self._texts.setdefault(event.channel, []).append(event.text)
            self.characters += len(event.text)
        self.images += event.images
        if event.usage is not None:
            self.usage = event.usage
        self.finished = self.finished or event.last


class Wire:
    """Writes one response. `sent` is kept true at every moment."""

    def __init__(self, request: "web.Request", response: "web.StreamResponse", fault: Fault, sent: Sent) -> None:
        self._request = request
        self._response = response
        self._fault = fault
        self._sent = sent
        self._limit = fault.after_bytes if fault.is_any("cut", "reset") else None
        self._zip = None
        if fault.gzip and "gzip" in request.headers.get("Accept-Encoding", ""):
            self._zip = zlib.compressobj(wbits=_GZIP)
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Vary"] = "Accept-Encoding"

    async def open(self) -> None:
        """Send the status and the headers."""
        await self._response.prepare(self._request)
        self._sent.status = self._response.status
        if transport := self._request.transport:
            # Written then means: taken by the kernel, not lying in a buffer of ours.
            transport.set_write_buffer_limits(high=0)
        await self._break_off_if_due()

    async def send(self, event: Event) -> None:
        """Write one event. Raises ConnectionError if the client has left, BrokenOff at the cut."""
        whole = data = self._packed(event)
        if self._limit is not None:
            data = data[: self._limit - self._sent.bytes]
        for part in _parts(data, self._fault):
            # Lets the loop see a client that has left, and everybody else have a turn.
            await asyncio.sleep(0)
            await self._write(part)
        if len(data) == len(whole):
            # At once: the client may have the event and leave before this task runs again.
            self._sent.complete(event)
        await self._break_off_if_due()
        if event.then == "settle":
            await self._arrived()
            await asyncio.sleep(_REACTION)

    async def close(self) -> None:
        """End the body."""
        if self._zip is not None:
            await self._write(self._zip.flush(zlib.Z_FINISH))
        await self._response.write_eof()

    def _packed(self, event: Event) -> bytes:
        """The event's bytes, compressed if that was agreed; each event can be read when it has arrived."""
        if self._zip is None:
            return event.data
        return self._zip.compress(event.data) + self._zip.flush(zlib.Z_SYNC_FLUSH)

    async def _write(self, part: bytes) -> None:
        await self._response.write(part)
        if self._request.protocol.writing_paused:
            await self._request.writer.drain()
            if self._request.transport is None:
                raise ConnectionResetError("The client has left.")
        self._sent.bytes += len(part)

    async def _break_off_if_due(self) -> None:
        if self._limit is None or self._sent.bytes < self._limit:
            return
        await self._arrived()
        if self._fault.is_any("reset"):
            # A reset can overtake what the peer's program has not read yet.
            await asyncio.sleep(_REACTION)
            reset(self._request.transport)
        elif self._request.transport is not None:
            self._request.transport.close()
        raise BrokenOff

    async def _arrived(self) -> None:
        """Wait until the peer's kernel has everything that was written, at most a second."""
        await self._request.writer.drain()
        for _ in range(1000):
            transport = self._request.transport
            if transport is None or _unacknowledged(transport) == 0:
                return
            await asyncio.sleep(0.001)


def reset(transport: asyncio.Transport | None) -> None:
    """Close with RST instead of FIN."""
    if transport is None:
        return
    file = transport.get_extra_info("socket").fileno()
    # The options belong to the connection, so they can be set through a copy of its descriptor.
    with socket.socket(fileno=os.dup(file)) as copy:
        copy.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes in the kernel that the peer has not acknowledged; 0 where the system cannot say."""
    try:
        import fcntl
        import termios
    except ImportError:  # Windows
        return 0
    answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0" * 4)
    return int.from_bytes(answer, "little")


def _parts(data: bytes, fault: Fault) -> Iterator[bytes]:
    """The writes that an event is made of."""
    if fault.is_any("one-byte"):
        yield from (data[index : index + 1] for index in range(len(data)))
    elif fault.is_any("split-utf8"):
        start = 0
        for index in range(1, len(data)):
            # Between the first byte of a character and the ones that belong to it.
            if data[index - 1] >= 0xC0:
                yield data[start:index]
                start = index
        if start < len(data):
            yield data[start:]
    elif data:
        yield data
