"""One answer on its way in: the parser puts its pieces here, the caller takes them."""

import asyncio
import math
import re
from typing import Protocol

from talkmeter.completions import Sink, UpstreamBroke, UpstreamSilent, header_lines
from talkmeter.errors import UpstreamError
from talkmeter.providers.http.heads import HEAD_BYTES, Malformed
from talkmeter.providers.http.plain import Plain
from talkmeter.providers.http.shapes import Shape
from talkmeter.providers.http.timeouts import Timeouts

_NOWHERE: dict[bytes, int] = {}


class Line(Protocol):
    """What an answer needs of its connection."""

    def wake_at(self, seconds: float) -> None: ...

    def until_news(self, seconds: float) -> asyncio.Future[None]: ...

    def taken(self) -> None: ...

    def abort(self) -> None: ...


class HttpAnswer:
    """Implements completions.Answer. The methods named on_… are the parser's.

    line: the connection while the answer still comes over it; None afterwards, when it may serve somebody else.
    """

    __slots__ = (
        "_at",
        "_found",
        "_headers",
        "_pieces",
        "_room",
        "_shape",
        "_sink",
        "_trailers",
        "_waiter",
        "arrived",
        "complete",
        "failure",
        "has_head",
        "line",
        "method",
        "on_body",
        "parsed",
        "reason",
        "status",
        "timeouts",
    )

    def __init__(self, line: Line, method: str, timeouts: Timeouts) -> None:
        self.line: Line | None = line
        self.status = 0
        self.reason = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._shape: Shape | None = None  # of a head that was read as a whole; then its values are here
        self._found: re.Match[bytes] | None = None
        self._at = _NOWHERE
        self.parsed = False  # the parser has seen a head
        self.has_head = False  # and it is in order
        self.complete = False
        self.failure: UpstreamError | None = None
        self.arrived = False  # any of the body
        self.method = method
        self.timeouts = timeouts
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append
        self._trailers = 0
        self._waiter: asyncio.Future[None] | None = None
        self._sink: Sink | None = None
        self._room = True  # in the sink

    def __repr__(self) -> str:
        return f"HttpAnswer({self.status})"

    # --- for the caller

    @property
    def ended(self) -> bool:
        return self.complete and not self._pieces

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        if self._found is not None and self._shape is not None and not self._headers:
            self._headers = list(zip(self._shape.names, self._found.groups(), strict=True))
        return self._headers

    def header(self, name: bytes) -> bytes | None:
        found = self._found
        if found is not None:
            at = self._at.get(name)
            return None if at is None else found[at]
        for one, value in self._headers:
            if one.lower() == name:
                return value
        return None

    def header_lines(self, without: frozenset[bytes]) -> bytes:
        if self._found is not None and self._shape is not None:
            return self._shape.lines(self._found, without)
        return header_lines(self._headers, without)

    async def read(self) -> bytes:
        pieces = self._pieces
        while not pieces:
            if self.complete:
                return b""
            if self.failure is not None:
                raise self.failure
            await self._more()
        return self._take()

    async def stream_to(self, sink: Sink) -> bytes:
        self._sink, self._room = sink, True
        try:
            while True:
                if not self._room:
                    await sink.room()
                    self._room = True
                elif self._pieces:
                    data = self._take()
                    if self.complete:
                        return data
                    self._room = sink.take(data)
                elif self.complete:
                    return b""
                elif self.failure is not None:
                    raise self.failure
                else:
                    await self._more()
        finally:
            self._sink = None

    def _more(self) -> asyncio.Future[None]:
        return self._news_within(self.timeouts.silence if self.arrived else self.timeouts.until_body)

    def _take(self) -> bytes:
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.arrived = True
        if self.line is not None:
            self.line.taken()
        return data

    def close(self) -> None:
        line, self.line = self.line, None
        self._pieces.clear()
        if line is not None:
            line.abort()
            self.fail(UpstreamBroke("stream", "it was closed"))

    # --- for the connection

    def take(self, plain: Plain) -> None:
        """All of it at once."""
        self.status, self.reason, self._headers, body = plain
        self.parsed = self.has_head = self.complete = True
        if body:
            self._pieces.append(body)

    def take_alike(self, shape: Shape, found: re.Match[bytes]) -> None:
        """As take; found: by shape, in all that came."""
        self.status, self.reason = shape.status, shape.reason
        self._shape, self._found, self._at = shape, found, shape.at
        self.parsed = self.has_head = self.complete = True
        if body := found.string[found.end() :]:
            self._pieces.append(body)

    def begun(self) -> asyncio.Future[None]:
        """Of a request that was written as a whole just now: done when the head is there, or `failure`."""
        assert self.line is not None
        waiter = self._waiter = self.line.until_news(self.timeouts.headers)
        return waiter

    async def head(self, upload: asyncio.Task[None]) -> None:
        """Returns when the head is there. Raises UpstreamSilent or UpstreamBroke, and what the upload raises.

        The clock for the head starts when the upload is done.
        """
        uploading = True
        while not self.has_head:
            if self.failure is not None:
                raise self.failure
            if uploading and upload.done():
                upload.result()
                uploading = False
            await self._news_within(math.inf if uploading else self.timeouts.headers)

    def _news_within(self, seconds: float) -> asyncio.Future[None]:
        assert not self.awaited, "one reader at a time"
        assert self.line is not None
        waiter = self._waiter = self.line.until_news(seconds)
        return waiter

    @property
    def awaited(self) -> bool:
        return self._waiter is not None and not self._waiter.done()

    def wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def news(self) -> None:
        """Wakes the reader if there is something to read; bytes between the chunks are nothing.

        A reader with a sink sleeps on: the sink gets what came. It wakes for the end, and to wait for room.
        """
        waiter = self._waiter
        if waiter is None or waiter.done() or not (self._pieces or self.complete):
            return
        if self._sink is None or self.complete:
            self.wake()
        else:
            self._give(self._sink, waiter, self._take())

    def give(self, data: bytes) -> bool:
        """Straight to a sink that has taken all there was before. False: there is none now; nothing was done."""
        waiter = self._waiter
        if self._sink is None or waiter is None or waiter.done() or self._pieces:
            return False
        self.arrived = True
        self._give(self._sink, waiter, data)
        return True

    def _give(self, sink: Sink, waiter: asyncio.Future[None], data: bytes) -> None:
        try:
            self._room = sink.take(data)
        except Exception as error:  # noqa: BLE001 - told to who streams; here it would be taken for the upstream's
            if not waiter.done():  # else it has ended it all before
                waiter.set_exception(error)
            return
        if not self._room:
            self.wake()
        elif self.line is not None:  # unless the sink has ended it all
            self.line.wake_at(self.timeouts.silence)

    @property
    def waiting(self) -> int:
        """Pieces that were not taken yet."""
        return len(self._pieces)

    def begin_again(self) -> None:
        """That was an interim head; the real one follows."""
        self._headers = []
        self.reason = b""
        self.parsed = self.complete = False

    def fail(self, failure: UpstreamError) -> None:
        self.line = None
        self.complete = False
        self.failure = failure
        self.wake()

    def silent(self) -> UpstreamSilent:
        """The error for a time-out now."""
        if not self.has_head:
            return UpstreamSilent("headers", self.timeouts.headers)
        if self.arrived:
            return UpstreamSilent("silence", self.timeouts.silence)
        return UpstreamSilent("first_token", self.timeouts.until_body)

    # --- for the parser

    def on_message_begin(self) -> None:
        if self.complete:  # a second answer that nobody asked for
            raise Malformed

    def on_status(self, reason: bytes) -> None:
        self.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.parsed:
            self._headers.append((name, value))
            return
        self._trailers += len(name) + len(value)
        if self._trailers > HEAD_BYTES:
            raise Malformed

    def on_headers_complete(self) -> None:
        self.parsed = True

    def on_message_complete(self) -> None:
        self.complete = True
