"""The writer of a process that does not write itself: it hands its changes to the one that does.

What is submitted between two turns of the event loop travels as one piece, and the answers come back in pieces, in
the order of the submissions. If the other process is gone nothing can be opened, so `lost` has to end this one.
"""

import asyncio
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from msgspec import Struct

from talkmeter.store import faults, wire
from talkmeter.store.groups import Results
from talkmeter.store.writer import Quiet


class RemoteWriter(asyncio.Protocol):
    """As writer.Writer, for one event loop. lost: called when the process that writes is gone."""

    def __init__(self, kinds: Mapping[type, object], about: str, lost: Callable[[], object]) -> None:
        self._kinds = kinds
        self._about = about
        self._lost = lost
        self._read = wire.Reader(wire.RESULTS)
        self._frames = wire.Frames()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._out: list[Any] = []
        self._waiting: deque[asyncio.Future[Results] | Quiet] = deque()
        self._closed = False
        self._done = threading.Event()  # closed, and nothing is under way
        self.broken: str | None = None
        self.commits = 0
        self.transactions = 0  # the other process's affair

    @classmethod
    async def connect(
        cls, connected: socket.socket, kinds: Mapping[type, object], about: str, lost: Callable[[], object]
    ) -> "RemoteWriter":
        """connected: to a Submissions of the process that writes."""
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(lambda: cls(kinds, about, lost), sock=connected)
        return made

    # As writer.Writer

    def submit(self, changes: tuple[Struct, ...]) -> asyncio.Future[Results]:
        self.check(changes)
        future: asyncio.Future[Results] = self._loop.create_future()
        try:
            job = wire.tagged(changes, self._about)
        except Exception as error:  # noqa: BLE001 (what cannot be encoded could not be stored either)
            future.set_exception(error)
            return future
        self._put(job, future)
        return future

    def submit_quietly(self, changes: tuple[Struct, ...], failed: Callable[[BaseException], object]) -> None:
        try:
            job = wire.tagged(changes, self._about)
        except Exception as error:  # noqa: BLE001 (a settlement's failure is its caller's to hear, whatever it is)
            self._loop.call_soon(failed, error)
            return
        self._put(job, Quiet(self._loop, failed))

    def check(self, changes: Sequence[Struct]) -> None:
        for change in changes:
            if type(change) not in self._kinds:
                raise TypeError(f"The store does not know the change {type(change).__name__}.")

    def waiting(self) -> int:
        return len(self._waiting)

    def close(self) -> None:
        """Waits until everything submitted has been answered. Idempotent; blocks, so not for the event loop."""
        self._loop.call_soon_threadsafe(self._close)
        self._done.wait()

    def _close(self) -> None:
        self._closed = True
        self._end_if_done()

    def _end_if_done(self) -> None:
        if self._closed and not self._waiting and not self._done.is_set():
            self._done.set()
            if self._transport is not None:
                self._transport.close()

    def _put(self, job: Any, waiter: asyncio.Future[Results] | Quiet) -> None:
        if self._closed:
            raise faults.closed(self._about)
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(job)
        self._waiting.append(waiter)

    def _flush(self) -> None:
        out, self._out = self._out, []
        if self._transport is not None and out:
            self._transport.write(wire.frames(out))

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            for answer in wire.answers(frame):
                self._answer(answer)
        self._end_if_done()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._transport = None
        expected, self._closed = self._done.is_set(), True
        while self._waiting:
            self._fail(self._waiting.popleft(), wire.lost(self._about))
        self._done.set()
        if not expected:
            self._lost()

    def _answer(self, answer: Any) -> None:
        waiter = self._waiting.popleft()
        if isinstance(answer, dict):
            self._fail(waiter, wire.error(answer, self._about))
            return
        self.commits += 1
        if isinstance(waiter, asyncio.Future) and not waiter.done():  # its caller may have been cancelled
            waiter.set_result(self._read.values(answer) if answer else ())

    def _fail(self, waiter: asyncio.Future[Results] | Quiet, error: BaseException) -> None:
        if isinstance(waiter, Quiet):
            waiter.failed(error)
        elif not waiter.done():
            waiter.set_exception(error)
