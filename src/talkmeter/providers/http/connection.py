"""One connection to an upstream: writes a request, reads its answer, serves the next. One call at a time."""

import asyncio
import math
import select
from collections.abc import AsyncIterable
from typing import Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from talkmeter.completions import UpstreamBroke
from talkmeter.errors import UpstreamError
from talkmeter.providers.http.answer import HttpAnswer
from talkmeter.providers.http.chunks import read_chunks
from talkmeter.providers.http.failures import NOT_HTTP, reason_of
from talkmeter.providers.http.heads import HEAD_BYTES, MOST_INTERIM, Framing, Malformed, could_begin, frame
from talkmeter.providers.http.plain import read_plain
from talkmeter.providers.http.shapes import Key, Shape, key_of, shape_of
from talkmeter.providers.http.timeouts import Timeouts
from talkmeter.providers.http.uploads import Upload

READ_AHEAD_BYTES = 65_536  # of a body that nobody has taken yet; then the upstream has to wait

_END = b"\r\n\r\n"


class Keeper(Protocol):
    """Who looks after a connection between its calls."""

    def free(self, connection: "Connection") -> None: ...

    def gone(self, connection: "Connection") -> None: ...


class Connection(asyncio.Protocol):
    """fileno: of the socket, to ask whether the upstream has closed it. keeper: hears when it is free, or gone."""

    def __init__(self, keeper: Keeper, fileno: int) -> None:
        self._keeper = keeper
        self._fileno = fileno
        self._poll = select.poll() if hasattr(select, "poll") else None
        if self._poll is not None:
            self._poll.register(fileno, select.POLLIN)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self.gone = False
        self._answer: HttpAnswer | None = None
        self._parser: HttpResponseParser | None = None
        self._framing = Framing.NONE
        self._between_chunks = False  # the parser has seen none of the body yet, and we whole chunks only
        self._keep = False
        self._upload: Upload | None = None
        # Of the head that is coming in: its bytes so far, and how far they were searched for its end.
        self._head = bytearray()
        self._searched = 0
        self._interim = 0
        # What the last answers of the plainest form looked like.
        self._seen: Key | None = None
        self._shape: Shape | None = None
        # Of the body: bytes that wait, and bytes since the last one of the body.
        self._waiting = 0
        self._overhead = 0
        self._paused = False
        # One timer for all time-outs; it stays as long as it rings early enough, and then looks what is due.
        self._deadline = self._rings_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._unsent = 0

    def __repr__(self) -> str:
        return f"Connection({'gone' if self.gone else 'idle' if self._answer is None else 'busy'})"

    # --- calls

    def send(self, method: str, head: bytes, body: bytes, timeouts: Timeouts) -> HttpAnswer:
        """Writes a request, whole. The answer's head has to be awaited, and the answer closed, whatever comes."""
        answer = self._begin(method, timeouts)
        self._transport.write(head + body if body else head)
        return answer

    async def upload(
        self, method: str, head: bytes, body: AsyncIterable[bytes], length: int | None, timeouts: Timeouts
    ) -> HttpAnswer:
        """The answer, its head read. Raises UpstreamSilent, UpstreamBroke and what the body raises."""
        answer = self._begin(method, timeouts)
        self._upload = Upload(self._transport, answer, body, length)
        try:
            await self._upload.run(head, timeouts)
        except BaseException:
            answer.close()
            raise
        return answer

    def _begin(self, method: str, timeouts: Timeouts) -> HttpAnswer:
        self._interim = self._overhead = self._waiting = self._unsent = 0
        answer = self._answer = HttpAnswer(self, method, timeouts)
        return answer

    @property
    def usable(self) -> bool:
        """Whether a request may be written: nothing has come since the last answer, neither bytes nor the end."""
        if self.gone or self._transport.is_closing():
            return False
        if self._poll is not None:
            return not self._poll.poll(0)
        return not select.select([self._fileno], [], [], 0)[0]

    def abort(self) -> None:
        """Ends it at once, and the call under way with it."""
        self._answer = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._upload is not None:
            self._upload.stop()
        if not self.gone:
            self.gone = True
            self._transport.abort()
            self._keeper.gone(self)

    def fail(self, reason: str) -> None:
        """Ends it; a call under way hears why."""
        self._lose(self._broken(reason))

    # --- for the answer, and the pool

    def until_news(self, seconds: float) -> asyncio.Future[None]:
        """For whoever waits: the answer wakes it when something has come, or when it has failed for want of it."""
        self.wake_at(seconds)
        return self._loop.create_future()

    def wake_at(self, seconds: float) -> None:
        self._deadline = self._loop.time() + seconds
        if self._deadline < self._rings_at:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._rings_at = self._deadline
        self._timer = self._loop.call_at(self._deadline, self._ring)

    def taken(self) -> None:
        self._waiting = 0
        if self._paused:
            self._paused = False
            if not self.gone and not self._transport.is_closing():
                self._transport.resume_reading()

    # --- for the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:
            self.abort()  # nobody has asked for anything
            return
        if self._between_chunks:
            content, size = read_chunks(data)
            if size == len(data) and answer.give(content):
                return
        if not answer.has_head and not self._head and answer.method != "HEAD" and self._read_plain(answer, data):
            self._keep = True
            answer.wake()
            self._finish(answer)
            return
        try:
            if not answer.has_head:
                rest = self._read_head(answer, data)
                if rest is None:
                    return
                answer.wake()
                data = rest
            if data:
                self._feed(answer, data)
        except (HttpParserError, HttpParserUpgrade, Malformed):
            if not answer.complete or not answer.has_head:
                self.fail(NOT_HTTP)
                return
            self._keep = False  # more than was asked for
        if answer.complete:
            self._finish(answer)
        elif self._waiting > READ_AHEAD_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        answer.news()

    def eof_received(self) -> bool:
        self._end(None)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(exc)

    def pause_writing(self) -> None:
        if self._upload is not None:
            self._upload.pause()

    def resume_writing(self) -> None:
        if self._upload is not None:
            self._upload.resume()

    # --- reading

    def _read_plain(self, answer: HttpAnswer, data: bytes) -> bool:
        """Takes an answer that is here as a whole and of the plainest form, quickest if it is like the one before."""
        shape = self._shape
        if shape is not None and (found := shape.read(data)) is not None:
            answer.take_alike(shape, found)
            return True
        plain = read_plain(data)
        if plain is None:
            return False
        key = key_of(plain)
        if key == self._seen:
            self._shape = shape_of(key)
        self._seen = key
        answer.take(plain)
        return True

    def _read_head(self, answer: HttpAnswer, data: bytes) -> bytes | None:
        """What follows the head, or None while it is not whole. Raises Malformed or HttpParserError."""
        held = self._head
        if held:
            held += data
            data = b""
        while True:
            source = held or data
            end = source.find(_END, self._searched)
            if end < 0:
                if len(source) > HEAD_BYTES or not could_begin(source) or source.find(b"\n\n", self._searched) >= 0:
                    raise Malformed
                if not held:
                    held += data
                self._searched = max(0, len(held) - 3)
                return None
            end += 4
            if end > HEAD_BYTES:
                raise Malformed
            head, data = bytes(source[:end]), bytes(source[end:])
            held.clear()
            self._searched = 0
            self._parse_head(answer, head)
            if answer.has_head:
                return data
            self._interim += 1
            if self._interim > MOST_INTERIM:
                raise Malformed
            answer.begin_again()
            if not data:
                return None

    def _parse_head(self, answer: HttpAnswer, head: bytes) -> None:
        parser = self._parser = HttpResponseParser(answer)
        parser.feed_data(head)
        if not answer.parsed:
            raise Malformed
        answer.status = status = parser.get_status_code()
        framing, self._keep = frame(head, answer.method, status, answer.headers)
        if status < 200:
            return
        if answer.complete and framing is Framing.CONNECTION:
            raise Malformed
        if framing is Framing.NONE and not answer.complete:
            answer.complete = True
            self._keep = False  # the parser waits for a body that does not come
        self._framing = framing
        self._between_chunks = framing is Framing.CHUNKED
        answer.has_head = True

    def _feed(self, answer: HttpAnswer, data: bytes) -> None:
        assert self._parser is not None
        before = answer.waiting
        if self._between_chunks:
            content, size = read_chunks(data)
            if size:
                answer.on_body(content)
                self._waiting += size
            if size == len(data):
                return
            data = data[size:]
            self._between_chunks = False
        self._parser.feed_data(data)
        self._waiting += len(data)
        if answer.waiting > before or answer.complete:
            self._overhead = 0
            return
        self._overhead += len(data)
        if self._overhead > HEAD_BYTES:
            raise Malformed

    def _finish(self, answer: HttpAnswer) -> None:
        """The answer is here as a whole; it needs this connection no more."""
        self._answer = self._parser = answer.line = None
        self._between_chunks = False
        if self._paused:
            self.taken()
        sent = (self._upload is None or self._upload.done) and not self._transport.get_write_buffer_size()
        if self._keep and sent and not self.gone:
            self._upload = None
            self._keeper.free(self)
        else:
            self.abort()

    def _end(self, error: Exception | None) -> None:
        """The upstream has closed the connection, or it broke."""
        answer = self._answer
        if answer is not None and error is None and answer.has_head and self._framing is Framing.CONNECTION:
            answer.complete = True
            self._finish(answer)
            answer.news()
            return
        self._lose(self._broken(reason_of(error, begun=answer is not None and answer.has_head)))

    def _broken(self, reason: str) -> UpstreamBroke:
        begun = self._answer is not None and self._answer.has_head
        return UpstreamBroke("stream" if begun else "headers", reason)

    def _lose(self, failure: UpstreamError) -> None:
        answer = self._answer
        self.abort()
        if answer is not None:
            answer.fail(failure)

    # --- time

    def _ring(self) -> None:
        self._timer = None
        self._rings_at = math.inf
        answer = self._answer
        if self._deadline == math.inf or (answer is not None and not answer.awaited):
            return  # nobody waits for it; the next to wait sets it again
        if self._loop.time() < self._deadline:
            self._set_timer()
            return
        if answer is None:
            self.abort()
            return
        unsent = 0 if answer.has_head else self._transport.get_write_buffer_size()
        if unsent and unsent != self._unsent:  # the request is still going out; the clock is for the answer
            self._unsent = unsent
            self.wake_at(answer.timeouts.headers)
        else:
            self._lose(answer.silent())
