"""The client of one request, for who answers it without an application in between: whether it is still there, and its
answer written straight to the connection. What a header may hold and how a body ends is as strict here as in uvicorn.
"""

import math
from asyncio import Task, Transport
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from talkmeter.completions import header_lines


class _NoEvent:
    """Nobody waits for more of a request that came as a whole."""

    def set(self) -> None: ...


_NO_EVENT = _NoEvent()


class WholeRequest:
    """What uvicorn's cycle is to a request that it has parsed, for one that came in one piece past the parser."""

    __slots__ = (
        "default_headers",
        "disconnected",
        "flow",
        "keep_alive",
        "on_response",
        "response_complete",
        "response_started",
        "tasks",
        "transport",
        "waiting_for_100_continue",
    )
    message_event = _NO_EVENT

    def __init__(
        self,
        transport: Transport,
        flow: Any,
        default_headers: Any,
        on_response: Callable[[], None],
        tasks: set[Task[None]],
    ) -> None:
        """tasks: the server's, of which this one's is no more once it is over."""
        self.transport = transport
        self.flow = flow
        self.default_headers = default_headers
        self.on_response = on_response
        self.tasks = tasks
        self.keep_alive = True
        self.disconnected = self.response_started = self.response_complete = self.waiting_for_100_continue = False

    def over(self, task: Task[None]) -> None:
        """Nothing will be said any more: an answer that is not complete is broken off."""
        self.tasks.discard(task)
        if not self.response_complete:
            self.response_complete = True
            self.transport.abort()
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error


_NO_BODY = frozenset({204, 304})


class _Beginnings:
    """Status lines with the server's own headers after them. The server makes a new list of those every second."""

    def __init__(self) -> None:
        self._headers: Any = None
        self._known: dict[int, bytes] = {}

    def of(self, headers: Any, status: int) -> bytes:
        """headers: a list that nobody changes."""
        if headers is not self._headers:
            self._headers, self._known = headers, {}
        found = self._known.get(status)
        if found is None:
            found = self._known[status] = STATUS_LINE[status] + header_lines(headers)
        return found


_beginnings = _Beginnings()


class Client:
    """cycle: uvicorn's of this request, whose state is kept as its own `send` would. chunks: it can be sent a body in
    chunks; HTTP/1.0 knows none, so one of no stated length ends with the connection there.
    """

    __slots__ = ("_chunked", "_chunks", "_cycle", "_head", "_left", "gone", "on_gone")

    def __init__(self, cycle: Any, *, chunks: bool = True) -> None:
        self._cycle = cycle
        self._chunks = chunks
        self._chunked = False
        self._head = b""  # goes out with the first piece of the body
        self._left: float = 0  # bytes of the body that are still promised; infinite: as many as come
        self.gone = False
        self.on_gone: Callable[[], object] | None = None

    def leave(self) -> None:
        """Told by the connection when it is lost."""
        self.gone = True
        if self.on_gone is not None:
            self.on_gone()

    def let_go(self) -> None:
        """The answer is complete. Without this, client, cycle and scope would hold each other until the collector."""
        self._cycle = None

    def abort(self) -> None:
        """Breaks the connection off, so that nobody takes what came for the whole."""
        cycle = self._cycle
        if cycle is None:
            return
        transport: Transport = cycle.transport
        cycle.response_complete = True
        cycle.message_event.set()
        transport.abort()

    async def break_off(self, data: bytes) -> None:
        """As abort, with last words for a client that reads: the body ends without its end.

        A body whose length was promised has no room for them.
        """
        cycle = self._cycle
        if cycle is None or not self._chunked or cycle.flow.write_paused:
            self.abort()
            return
        self._body(data)
        cycle.response_complete = True
        cycle.message_event.set()
        cycle.transport.close()

    def start(self, status: int, lines: bytes, length: int | None) -> None:
        """The head. lines: of its headers, clean. length: what they promise of the body, in bytes; None: nothing."""
        cycle = self._cycle
        cycle.response_started = True
        cycle.waiting_for_100_continue = False
        end = b"\r\n" if cycle.keep_alive else b"connection: close\r\n\r\n"
        if length is not None:
            self._left = length
        elif status in _NO_BODY:
            pass
        elif not self._chunks:
            self._left = math.inf
        else:
            self._chunked = True
            end = b"transfer-encoding: chunked\r\n" + end
        self._head = _beginnings.of(cycle.default_headers, status) + lines + end

    async def flush(self) -> None:
        """Sends the head although there is no body yet."""
        if self._head:
            self._body(b"")

    def take(self, data: bytes) -> bool:
        """A piece of the body. False: the client does not read what it has."""
        cycle = self._cycle
        if self._chunked and data and not self._head:
            if not cycle.disconnected:
                cycle.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        else:
            self._body(data)
        return not cycle.flow.write_paused or cycle.disconnected

    async def room(self) -> None:
        await self._cycle.flow.drain()

    async def finish(self, data: bytes = b"") -> None:
        """The last piece. Breaks off if the body is not as long as was promised."""
        cycle = self._cycle
        self._body(data, b"0\r\n\r\n" if self._chunked else b"")
        if cycle.disconnected or cycle.response_complete:
            return
        if 0 < self._left < math.inf:
            self.abort()
            return
        cycle.response_complete = True
        cycle.message_event.set()
        if not cycle.keep_alive:
            cycle.transport.close()
        cycle.on_response()

    def _body(self, data: bytes, end: bytes = b"") -> None:
        """One write for all there is to say, the head and the end of the body included."""
        cycle, head = self._cycle, self._head
        self._head = b""
        if self._chunked:
            framed = b"%b%x\r\n%b\r\n%b" % (head, len(data), data, end) if data else head + end
        elif len(data) <= self._left:
            self._left -= len(data)
            framed = head + data
        else:
            self.abort()
            return
        if framed and not cycle.disconnected:
            cycle.transport.write(framed)
