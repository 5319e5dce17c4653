"""The other end of a RemoteWriter: puts the changes of another process into the one writer, and answers it.

It also remembers which entries that process has opened and not settled. When the process is gone, those are what is
to be settled in its place; nobody else can know whether they are still under way.
"""

import asyncio
import logging
import socket
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, cast

import msgspec
from msgspec import Struct

from talkmeter.errors import StoreError
from talkmeter.metering.ledger import OpenEntry, SettleEntry
from talkmeter.store import wire
from talkmeter.store.groups import Outcome
from talkmeter.store.writer import Writer

log = logging.getLogger(__name__)


class Submissions(asyncio.Protocol):
    """One process's. gone: done once it has ended and all that it had submitted has been decided; what it left open."""

    def __init__(self, writer: Writer, kinds: Iterable[type], about: str) -> None:
        self._writer = writer
        self._about = about
        self._read = wire.Reader({kind.__name__: kind for kind in kinds})
        self._frames = wire.Frames()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out: list[Any] = []
        self._under_way = 0
        self._ended = False
        self._open: set[str] = set()
        self.gone: asyncio.Future[frozenset[str]] = self._loop.create_future()

    @classmethod
    async def accept(
        cls, connected: socket.socket, writer: Writer, kinds: Mapping[type, Any], about: str
    ) -> "Submissions":
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(writer, kinds, about), sock=connected)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._frames.feed(data):
                for job in wire.jobs(frame):
                    self._submit(self._read.values(job))
        except (msgspec.MsgspecError, KeyError):
            log.exception("submission_unreadable")
            self._break_off()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        self._ended = True
        self._end_if_done()

    def _break_off(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _submit(self, changes: tuple[Struct, ...]) -> None:
        opened = [change.id for change in changes if isinstance(change, OpenEntry)]
        settled = [change.id for change in changes if isinstance(change, SettleEntry)]
        self._under_way += 1
        tell = partial(self._told, opened, settled)
        try:
            self._writer.submit_telling(changes, tell)
        except StoreError:  # closed: nothing can be answered in its turn any more
            self._under_way -= 1
            self._break_off()

    def _told(self, opened: list[str], settled: list[str], came: Outcome) -> None:
        self._under_way -= 1
        if isinstance(came, tuple):
            self._open.update(opened)
            self._open.difference_update(settled)
        if self._transport is not None:
            if not self._out:
                self._loop.call_soon(self._flush)
            self._out.append(wire.outcome(came, self._about))
        self._end_if_done()

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None:
            self._transport.write(wire.frames(out))

    def _end_if_done(self) -> None:
        if self._ended and not self._under_way and not self.gone.done():
            self.gone.set_result(frozenset(self._open))
