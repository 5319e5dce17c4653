"""Server-sent events as an answer: pieces as they come, and a comment when nothing does. For any surface over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing, suppress
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

HEARTBEAT = b":\n\n"
HEARTBEAT_SECONDS = 15.0
FIRST_SECONDS = 1.0  # how long the head waits for the first event, so that a missing run is still a 404
HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
)
END_KINDS = frozenset({"finished", "stopped", "failed", "interrupted"})


def encode_event(seq: int, kind: str, data: Mapping[str, Any]) -> bytes:
    """One event. JSON has no raw line breaks, so `data` is always a single line."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, kind.encode("ascii"), msgspec.json.encode(data))


class EventStream:
    """A response that writes pieces as they come and a comment when nothing does.

    Each piece waits until the reader has taken the one before (the server's write buffer is bounded), so a slow
    reader slows nobody else; one that takes nothing for long is disconnected by the guard. An error that comes
    before anything has been written is raised, so that it can still be answered as one. until: ends it when done.
    headers: what there is besides its own, asked for when the head is sent.
    """

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        first_seconds: float = FIRST_SECONDS,
        until: "asyncio.Future[None] | None" = None,
        headers: Callable[[], Iterable[tuple[bytes, bytes]]] = tuple,
    ) -> None:
        self._pieces = pieces
        self._until = until
        self._heartbeat_seconds = heartbeat_seconds
        self._first_seconds = first_seconds
        self._written = 0.0
        self._headers = headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await self._start(send)
        else:
            left = asyncio.create_task(_wait_until_left(receive))
            writing = asyncio.create_task(self._write(send))
            try:
                ends: set[asyncio.Future[None]] = {writing, left}
                if self._until is not None:
                    ends.add(self._until)  # many streams may wait for it: it is not ours to cancel
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                if writing.done():
                    writing.result()
            finally:
                await _cancel(writing)
                await _cancel(left)
        await send({"type": "http.response.body", "body": b""})

    async def _start(self, send: Send) -> None:
        headers = [*HEADERS, *self._headers()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _write(self, send: Send) -> None:
        # The generator's own clean-up must run now, not when it is collected.
        async with aclosing(_closable(self._pieces)) as pieces:
            first = asyncio.create_task(_next(pieces))
            try:
                await asyncio.wait({first}, timeout=self._first_seconds)
                if first.done():
                    first.result()
                await self._start(send)
                await self._write_all(first, pieces, send)
            finally:
                await _cancel(first)

    async def _write_all(self, first: "asyncio.Task[bytes | None]", pieces: AsyncIterator[bytes], send: Send) -> None:
        clock = asyncio.get_running_loop().time
        self._written = clock()
        heart = asyncio.create_task(self._beat(send))  # beside it: a task for each piece would double its cost
        try:
            piece = await first
            while piece is not None:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                self._written = clock()
                piece = await anext(pieces, None)
        finally:
            await _cancel(heart)

    async def _beat(self, send: Send) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._written + self._heartbeat_seconds - clock())
            if clock() >= self._written + self._heartbeat_seconds:
                await send({"type": "http.response.body", "body": HEARTBEAT, "more_body": True})
                self._written = clock()


async def _wait_until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _next(pieces: AsyncIterator[bytes]) -> bytes | None:
    return await anext(pieces, None)


async def _cancel(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await task


def _closable(pieces: AsyncIterator[bytes]) -> Any:
    return pieces
