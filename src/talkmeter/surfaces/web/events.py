"""Server-sent events: a run's log as `text/event-stream`. A reader that leaves ends the following, never the run."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, suppress
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from talkmeter.errors import BadInput

HEARTBEAT = b":\n\n"
HEARTBEAT_SECONDS = 15.0
FIRST_SECONDS = 1.0  # how long the head waits for the first event, so that a missing run is still a 404
END_KINDS = frozenset({"finished", "stopped", "failed", "interrupted"})

_SEQ = re.compile(r"[0-9]{1,15}")


def encode_event(seq: int, kind: str, data: Mapping[str, Any]) -> bytes:
    """One event. JSON has no raw line breaks, so `data` is always a single line."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, kind.encode("ascii"), msgspec.json.encode(data))


def resume_after(request: Request) -> int:
    """The seq the reader has seen: what the browser remembers before what the address says. Raises BadInput."""
    given = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
    if not _SEQ.fullmatch(given, 0):
        raise BadInput("after must be the number of an event.", "after 값은 이벤트 번호여야 합니다.", param="after")
    return int(given)


class EventStream:
    """A response that writes pieces as they come and a comment when nothing does.

    Each piece waits until the reader has taken the one before (the server's write buffer is bounded), so a slow
    reader slows nobody else; one that takes nothing for long is disconnected by the guard. An error that comes
    before anything has been written is raised, so that it can still be answered as one.
    """

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        first_seconds: float = FIRST_SECONDS,
    ) -> None:
        self._pieces = pieces
        self._heartbeat_seconds = heartbeat_seconds
        self._first_seconds = first_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await _start(send)
        else:
            left = asyncio.create_task(_wait_until_left(receive))
            try:
                await self._write(left, send)
            finally:
                await _cancel(left)
        await send({"type": "http.response.body", "body": b""})

    async def _write(self, left: asyncio.Task[None], send: Send) -> None:
        # The generator's own clean-up must run now, not when it is collected.
        async with aclosing(_closable(self._pieces)) as pieces:
            coming = asyncio.create_task(_next(pieces))
            try:
                await asyncio.wait({coming, left}, timeout=self._first_seconds, return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    coming.result()
                await _start(send)
                while not left.done():
                    if coming.done():
                        piece = coming.result()
                        if piece is None:
                            return
                        coming = asyncio.create_task(_next(pieces))
                    else:
                        piece = HEARTBEAT
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    await asyncio.wait(
                        {coming, left}, timeout=self._heartbeat_seconds, return_when=asyncio.FIRST_COMPLETED
                    )
            finally:
                await _cancel(coming)


async def _start(send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


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
