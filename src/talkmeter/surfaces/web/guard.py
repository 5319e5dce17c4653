"""Limits that must hold before an application exists for the request: size, number and time of headers, silence in
a body, readers that stop reading, connections per address.

uvicorn has none of these. This protocol refuses in clean HTTP and closes so that the refusal can still be read.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from talkmeter.surfaces.web.client import Client, WholeRequest
from talkmeter.surfaces.web.problems import problem_bytes

log = logging.getLogger(__name__)

Reading = Literal["nothing", "headers", "body"]


class GuardLimits(Struct, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds."""

    header_bytes: int = 32_768
    header_count: int = 100
    header_seconds: float = 10
    body_idle_seconds: float = 30
    write_stall_seconds: float = 60
    linger_seconds: float = 5  # how long a refused client may go on sending before the connection is closed
    connections_per_address: int = 512  # 0: no limit, e.g. behind a proxy


class Programs(Protocol):
    """Who answers requests that come in one piece without an application in between."""

    def whole(self, data: bytes) -> tuple[Any, bytes] | None:
        """Head and body of a request that it answers; None if these bytes are anything else."""
        ...

    async def answer(self, head: Any, body: bytes, peer: Any, client: Client) -> None: ...


class Refusal(NamedTuple):
    status: int
    code: str
    message: str
    message_ko: str


BAD_REQUEST = Refusal(400, "bad_request", "This is not a valid HTTP request.", "올바른 HTTP 요청이 아닙니다.")
URL_TOO_LONG = Refusal(414, "url_too_long", "The address is too long.", "주소가 너무 깁니다.")
HEADERS_TOO_LARGE = Refusal(
    431, "headers_too_large", "The request has too many or too large headers.", "요청 헤더가 너무 많거나 큽니다."
)
HEADERS_TOO_SLOW = Refusal(
    408, "headers_too_slow", "The request's headers took too long.", "요청 헤더를 받는 데 너무 오래 걸렸습니다."
)
BODY_TOO_SLOW = Refusal(
    408, "body_too_slow", "The request's body stopped arriving.", "요청 본문이 더 이상 도착하지 않습니다."
)
TOO_MANY_CONNECTIONS = Refusal(
    503,
    "too_many_connections",
    "There are too many connections from this address.",
    "이 주소에서 연결이 너무 많습니다.",
)


class _StopParsing(Exception):
    pass


def guarded_protocol(
    limits: GuardLimits | None = None, programs: Programs | None = None
) -> type[HttpToolsProtocol]:
    """A protocol class for `uvicorn.Config(http=…)`. Connections are counted per class, so make one per server."""

    class Guarded(GuardedProtocol):
        pass

    Guarded.limits = limits or GuardLimits()
    Guarded.addresses = Counter()
    Guarded.programs = programs
    return Guarded


class GuardedProtocol(HttpToolsProtocol):
    limits: ClassVar[GuardLimits]
    addresses: ClassVar[Counter[str]]
    programs: ClassVar[Programs | None] = None

    _reading: Reading = "nothing"
    _section_bytes = 0  # raw bytes of the header section so far, as far as they can be told apart
    _parsed_bytes = 0  # the same, of the headers that are complete
    _begun = 0
    _body_at = 0.0  # when body bytes last came, loop time
    _refusal: Refusal | None = None
    _refused = False
    _upgraded = False
    _timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None
    _idle_since: float | None = None  # loop time; None while there is a request

    # --- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._clients: deque[Client] = deque()  # of the requests that have no whole answer yet, the oldest first
        limit = self.limits.connections_per_address
        if self.client is not None:
            self.addresses[self.client[0]] += 1
            if limit and self.addresses[self.client[0]] > limit:
                self._refuse(TOO_MANY_CONNECTIONS)
                return
        self._arm(self.limits.header_seconds, self._headers_late)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None
        for client in tuple(self._clients):
            client.leave()
        self._resume_stall()
        if self.client is not None:
            _leave(self.addresses, self.client[0])
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self.programs is not None and self._section_bytes == 0 and self.at_rest():
            whole = self.programs.whole(data)
            if whole is not None:
                self._answer_whole(self.programs, *whole)
                return
        before, begun = self._reading, self._begun
        if before != "body":
            self._section_bytes += len(data)
        super().data_received(data)
        if self._refused or self._upgraded or self.transport.is_closing():
            return
        # Bytes that came together with an earlier request's cannot be told apart: those count once parsed.
        if self._begun - begun > 1 or (self._begun > begun and before == "body"):
            self._section_bytes = 0
        if self._reading != "body" and self._section_bytes > self.limits.header_bytes:
            self._refuse(HEADERS_TOO_LARGE)
        else:
            self._watch()

    def at_rest(self) -> bool:
        """Nothing of a request has been read but perhaps the beginning of its head, and nothing is left to answer."""
        cycle = self.cycle
        return (
            self._reading == "nothing"
            and (cycle is None or cycle.response_complete)
            and not self.pipeline
            and not self.transport.is_closing()
        )

    def _answer_whole(self, programs: Programs, head: Any, body: bytes) -> None:
        if self._timer is not None:
            self._disarm()
        self._idle_since = None
        cycle = WholeRequest(
            self.transport, self.flow, self.server_state.default_headers, self.on_response_complete, self.tasks
        )
        self.cycle = cycle  # type: ignore[assignment]  # as far as uvicorn looks at it, it is one
        client = Client(cycle)
        self._clients.append(client)
        task = self.loop.create_task(programs.answer(head, body, self.client, client))
        self.tasks.add(task)
        task.add_done_callback(cycle.over)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall_timer is None:
            self._stall_timer = self.loop.call_later(self.limits.write_stall_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._resume_stall()

    # --- what the parser finds

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._reading = "headers"
        self._begun += 1
        self._parsed_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url), URL_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._reading != "headers":
            return  # a trailer must not become a header of a request that has been judged already
        self._count(len(name) + len(value) + 4, HEADERS_TOO_LARGE)
        if len(self.headers) >= self.limits.header_count:
            self._stop(HEADERS_TOO_LARGE)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()  # may find the address unreadable: then this is still a broken header section
        if self.parser.should_upgrade() and self._should_upgrade():
            self._upgraded = True
            return
        client = Client(self.cycle, chunks=self.scope["http_version"] != "1.0")
        self._clients.append(client)
        extensions: Any = {"talkmeter.client": client}
        self.scope["extensions"] = extensions  # its task begins after this
        self._reading = "body"
        self._section_bytes = 0
        self._disarm()
        self._body_at = self.loop.time()

    def on_body(self, body: bytes) -> None:
        self._body_at = self.loop.time()
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._reading = "nothing"
        if self._upgraded:
            return
        if self.cycle is not None and self.cycle.response_complete:
            self._idle()  # uvicorn stops its keep-alive clock at the first byte and would not start it again here

    def on_response_complete(self) -> None:
        client = self._clients.popleft()
        if self.pipeline:
            super().on_response_complete()
        else:
            self.server_state.total_requests += 1
            if not self.transport.is_closing():
                self.flow.resume_reading()
                self._idle()
        client.let_go()
        if self._reading == "body" and not self.pipeline and not self.transport.is_closing():
            # Answered before the body was read (too large, refused): the rest is thrown away, for a while.
            self._unset_keepalive_if_required()
            self._arm(self.limits.linger_seconds, self.transport.close)

    # --- a WebSocket

    def _should_upgrade(self) -> bool:
        """A request with a body or another method than GET is answered as if it had not asked for it."""
        names = {name for name, _ in self.headers}
        plain = names.isdisjoint((b"content-length", b"transfer-encoding"))
        return plain and self.scope["method"] == "GET" and super()._should_upgrade()

    def handle_websocket_upgrade(self) -> None:
        """Hands the connection over, which goes on counting. Not while an earlier request is being answered on it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._refuse(BAD_REQUEST)
            return
        self._disarm()
        super().handle_websocket_upgrade()
        socket: Any = self.transport.get_protocol()
        if not socket.handshake_initiated:  # its headers are more than a WebSocket's may be
            self._refuse(BAD_REQUEST)
        if self.client is not None:
            socket.on_lost = partial(_leave, self.addresses, self.client[0])

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        self._refuse(self._refusal or BAD_REQUEST)

    # --- clocks

    def _idle(self) -> None:
        """Nothing is asked. One clock serves all the pauses of a connection: it looks how long this one has been."""
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait_idle(self.timeout_keep_alive)

    def _wait_idle(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._idle_long)

    def _idle_long(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # the next pause starts it again
        rest = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self._wait_idle(rest)
        else:
            self.timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """As uvicorn says it when a request begins."""
        self._idle_since = None

    def _watch(self) -> None:
        if self._reading == "nothing" and self._section_bytes == 0:
            self._disarm()
        elif self._reading == "body":
            if self._timer is None:
                self._arm(self.limits.body_idle_seconds, self._body_late)
        elif self._timer is None:
            self._arm(self.limits.header_seconds, self._headers_late)

    def _headers_late(self) -> None:
        self._timer = None
        if self.flow.read_paused:  # we are not listening: not the client's fault
            self._arm(self.limits.header_seconds, self._headers_late)
        elif self._section_bytes == 0:
            self.transport.close()  # a browser's spare connection: a 408 on it would be shown to a person
        else:
            self._refuse(HEADERS_TOO_SLOW)

    def _body_late(self) -> None:
        self._timer = None
        silent = self.loop.time() - self._body_at
        if self.flow.read_paused or silent < self.limits.body_idle_seconds:
            rest = self.limits.body_idle_seconds - (0 if self.flow.read_paused else silent)
            self._arm(max(rest, 0.01), self._body_late)
        else:
            self._refuse(BODY_TOO_SLOW)

    def _arm(self, seconds: float, action: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, action)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _resume_stall(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    # --- refusing

    def _count(self, size: int, refusal: Refusal) -> None:
        self._parsed_bytes += size
        if self._parsed_bytes > self.limits.header_bytes:
            self._stop(refusal)

    def _stop(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise _StopParsing

    def _refuse(self, refusal: Refusal) -> None:
        """Answers in place of the application, then waits a little, so that the answer is not lost to a reset."""
        self._refused = True
        log.info("connection_refused", extra={"status": refusal.status, "code": refusal.code})
        self._disarm()
        self._unset_keepalive_if_required()
        if self.pipeline or not self._take_over():
            self.transport.close()  # another answer is on its way on this connection: nothing can be put into it
            return
        self.flow.resume_reading()
        self.transport.write(refusal_response(refusal))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._arm(self.limits.linger_seconds, self.transport.close)

    def _take_over(self) -> bool:
        """True if nothing has been answered to the request in hand; its application is told that the client left."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return True
        if cycle.response_started or self._reading != "body":
            return False
        cycle.disconnected = True
        cycle.message_event.set()
        return True


def _leave(addresses: Counter[str], address: str) -> None:
    addresses[address] -= 1
    if addresses[address] <= 0:
        del addresses[address]


def refusal_response(refusal: Refusal) -> bytes:
    body = problem_bytes(refusal.code, refusal.message, refusal.message_ko)
    return b"".join(
        (
            STATUS_LINE[refusal.status],
            b"content-type: application/json; charset=utf-8\r\n",
            b"content-length: %d\r\n" % len(body),
            b"cache-control: no-store\r\n",
            b"x-content-type-options: nosniff\r\n",
            b"connection: close\r\n",
            b"\r\n",
            body,
        )
    )
