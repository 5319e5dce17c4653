"""What is refused before an application exists for it, over real sockets."""

import asyncio
import contextlib

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from support.web_client import Answer, Serve, Served, close, read_answer
from talkmeter.surfaces.web.guard import GuardedProtocol, GuardLimits

HEAD = b"Host: localhost\r\n"


class Echo:
    """An application that says what it got, and remembers whether a client left it."""

    def __init__(self) -> None:
        self.requests = 0
        self.left = asyncio.Event()
        self.headers: list[tuple[bytes, bytes]] = []

    async def __call__(self, scope, receive, send) -> None:
        self.requests += 1
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            self.left.set()
            return
        self.headers = list(scope["headers"])
        await PlainTextResponse(f"{scope['method']} {len(body)}")(scope, receive, send)


async def test_plain_requests_pass_and_the_connection_is_kept(serve: Serve):
    served = await serve(Echo())
    reader, writer = await served.open()
    for _ in range(3):
        writer.write(b"POST /x HTTP/1.1\r\n" + HEAD + b"Content-Length: 5\r\n\r\nhello")
        answer = await read_answer(reader)
        assert answer is not None
        assert (answer.status, answer.body) == (200, b"POST 5")
    await close(writer)


async def refused(served: Served, data: bytes) -> Answer:
    answer = await served.raw(data)
    assert answer is not None, "closed without a word"
    assert answer.headers["connection"] == "close"
    assert answer.json()["error"]["message_ko"]
    return answer


@pytest.mark.parametrize(
    ("name", "data", "status"),
    [
        ("one large header", b"GET / HTTP/1.1\r\nX: " + b"a" * 3000 + b"\r\n\r\n", 431),
        ("large header without its end", b"GET / HTTP/1.1\r\nX: " + b"a" * 3000, 431),
        ("large header name without its end", b"GET / HTTP/1.1\r\n" + b"a" * 3000, 431),
        ("many headers", b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 21 + b"\r\n", 431),
        ("headers that add up", b"GET / HTTP/1.1\r\n" + (b"X: " + b"a" * 300 + b"\r\n") * 8 + b"\r\n", 431),
        ("long address", b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n", 414),
        ("empty lines without end", b"\r\n" * 2000, 431),
        ("not HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        ("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("bad header name", b"GET / HTTP/1.1\r\nHo st: localhost\r\n\r\n", 400),
        ("two lengths", b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (
            "length and chunked",
            b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
        ),
        ("negative length", b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: -1\r\n\r\n", 400),
        ("CONNECT", b"CONNECT localhost:1 HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
        ("address that is none", b"GET http://[::1 HTTP/1.1\r\n" + HEAD + b"\r\n", 400),
        ("not ASCII in the address", "GET /é HTTP/1.1\r\n\r\n".encode(), 400),
        (
            "bad chunk size",
            b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_bad_header_sections_are_refused_in_clean_http(serve: Serve, name: str, data: bytes, status: int):
    echo = Echo()
    served = await serve(echo, GuardLimits(header_bytes=2048, header_count=20, linger_seconds=0.2))
    answer = await refused(served, data)
    assert answer.status == status, name
    healthy = await served.raw(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert healthy is not None
    assert healthy.status == 200


async def test_the_limits_themselves_are_allowed(serve: Serve):
    served = await serve(Echo(), GuardLimits(header_bytes=2048, header_count=20))
    answer = await served.raw(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20 + b"\r\n")
    assert answer is not None
    assert answer.status == 200
    answer = await served.raw(b"GET / HTTP/1.1\r\nX: " + b"a" * 1990 + b"\r\n\r\n")
    assert answer is not None
    assert answer.status == 200


async def test_headers_that_trickle_are_answered_408(serve: Serve):
    served = await serve(Echo(), GuardLimits(header_seconds=0.2, linger_seconds=0.2))
    answer = await refused(served, b"GET / HTTP/1.1\r\nX-Slow: ")
    assert (answer.status, answer.code) == (408, "headers_too_slow")


async def test_trickling_does_not_restart_the_clock(serve: Serve):
    served = await serve(Echo(), GuardLimits(header_seconds=0.3, linger_seconds=0.2))
    reader, writer = await served.open()
    writer.write(b"GET / HTTP/1.1\r\nX: ")

    async def trickle() -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.02)

    trickling = asyncio.create_task(trickle())
    answer = await read_answer(reader)
    trickling.cancel()
    assert answer is not None
    assert answer.status == 408
    await close(writer)


async def test_the_next_request_on_a_kept_connection_has_a_clock_of_its_own(serve: Serve):
    served = await serve(Echo(), GuardLimits(header_seconds=1, linger_seconds=0.2))
    reader, writer = await served.open()
    writer.write(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
    first = await read_answer(reader)
    writer.write(b"GET /again HTTP/1.1\r\nHost")
    second = await read_answer(reader)
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (200, 408)
    await close(writer)


async def test_a_silent_spare_connection_is_closed_without_a_word(serve: Serve):
    served = await serve(Echo(), GuardLimits(header_seconds=0.1))
    reader, writer = await served.open()
    async with asyncio.timeout(60):
        assert await reader.read() == b""
    await close(writer)


async def test_a_body_that_stops_is_answered_408_and_the_application_hears_that_the_client_left(serve: Serve):
    echo = Echo()
    served = await serve(echo, GuardLimits(body_idle_seconds=0.2, linger_seconds=0.2))
    answer = await refused(served, b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 10\r\n\r\nabc")
    assert (answer.status, answer.code) == (408, "body_too_slow")
    async with asyncio.timeout(60):
        await echo.left.wait()


async def test_a_chunked_body_of_trailers_only_is_answered_408(serve: Serve):
    served = await serve(Echo(), GuardLimits(body_idle_seconds=0.2, linger_seconds=0.2))
    start = b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n"
    answer = await refused(served, start + b"X: y\r\n" * 500)
    assert answer.status == 408


async def test_an_application_that_does_not_read_is_not_the_clients_fault(serve: Serve):
    reading = asyncio.Event()

    async def app(scope, receive, send) -> None:
        await reading.wait()
        body = await Request(scope, receive).body()
        await PlainTextResponse(str(len(body)))(scope, receive, send)

    served = await serve(app, GuardLimits(body_idle_seconds=1))
    size = 1_000_000
    reader, writer = await served.open()
    writer.write(b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n" % size + b"a" * size)
    await asyncio.sleep(1.5)
    reading.set()
    answer = await read_answer(reader)
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"1000000")
    await close(writer)


async def test_trailers_never_become_headers(serve: Serve):
    echo = Echo()
    served = await serve(echo)
    answer = await served.raw(
        b"POST / HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nCookie: stolen=1\r\n\r\n"
    )
    assert answer is not None
    assert answer.status == 200
    assert b"cookie" not in dict(echo.headers)


async def test_an_early_answer_to_a_large_body_is_read_before_the_connection_ends(serve: Serve):
    async def refuse(scope, receive, send) -> None:
        await PlainTextResponse("no", 413)(scope, receive, send)

    served = await serve(refuse, GuardLimits(linger_seconds=0.5))
    reader, writer = await served.open()
    writer.write(b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000000\r\n\r\n")

    async def flood() -> int:
        sent = 0
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"a" * 65536)
                await writer.drain()
                sent += 65536
        return sent

    flooding = asyncio.create_task(flood())
    answer = await read_answer(reader)
    assert answer is not None
    assert answer.status == 413
    async with asyncio.timeout(60):
        await flooding
    await close(writer)


async def test_a_kept_connection_works_on_after_an_early_answer(serve: Serve):
    async def refuse(scope, receive, send) -> None:
        await PlainTextResponse("no", 413)(scope, receive, send)

    served = await serve(refuse, timeout_keep_alive=1)
    reader, writer = await served.open()
    for _ in range(2):
        writer.write(b"POST / HTTP/1.1\r\n" + HEAD + b"Content-Length: 5\r\n\r\n")
        answer = await read_answer(reader)
        assert answer is not None
        assert answer.status == 413
        writer.write(b"hello")
    async with asyncio.timeout(60):
        assert await reader.read() == b"", "an idle connection is closed in the end"
    await close(writer)


async def test_an_idle_connection_is_closed_however_many_pauses_it_had(serve: Serve, monkeypatch):
    """One clock for all pauses: it must not end a connection that has just been used, nor forget one that is idle."""
    rings: list[float | None] = []
    ring = GuardedProtocol._idle_long

    def ringing(protocol: GuardedProtocol) -> None:
        rings.append(protocol._idle_since)
        ring(protocol)

    monkeypatch.setattr(GuardedProtocol, "_idle_long", ringing)
    release = asyncio.Event()

    async def app(scope, receive, send) -> None:
        if scope["path"] == "/slow":
            await release.wait()
        await PlainTextResponse("yes")(scope, receive, send)

    served = await serve(app, timeout_keep_alive=1)
    reader, writer = await served.open()

    async def ask(path: bytes) -> None:
        writer.write(b"GET " + path + b" HTTP/1.1\r\n" + HEAD + b"\r\n")

    async with asyncio.timeout(30):
        await ask(b"/")
        assert await read_answer(reader) is not None
        await ask(b"/slow")
        while not rings:  # noqa: ASYNC110 - the clock rings while a request is being answered
            await asyncio.sleep(0.02)
        assert rings == [None]
        release.set()
        assert await read_answer(reader) is not None
        await ask(b"/")
        assert await read_answer(reader) is not None
        assert await reader.read() == b"", "closed in the end"
    assert None not in rings[1:]
    await close(writer)


async def test_connections_of_one_address_are_limited_and_freed(serve: Serve):
    served = await serve(Echo(), GuardLimits(connections_per_address=3, linger_seconds=0.2))
    held = [await served.open() for _ in range(3)]
    for reader, writer in held:
        writer.write(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
        assert await read_answer(reader) is not None
    answer = await refused(served, b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert (answer.status, answer.code) == (503, "too_many_connections")
    for _, writer in held:
        await close(writer)
    async with asyncio.timeout(60):
        while True:
            again = await served.raw(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
            if again is not None and again.status == 200:
                break
            await asyncio.sleep(0.02)


async def test_a_reader_that_stops_reading_is_disconnected(serve: Serve):
    ended = asyncio.Event()

    async def endless(scope, receive, send) -> None:
        async def pieces():
            try:
                while True:
                    yield b"x" * 65536
                    await asyncio.sleep(0)
            finally:
                ended.set()

        await StreamingResponse(pieces())(scope, receive, send)

    served = await serve(endless, GuardLimits(write_stall_seconds=0.2))
    _, writer = await served.open()
    writer.write(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
    async with asyncio.timeout(60):
        await ended.wait()
    await close(writer)


async def test_a_broken_request_behind_a_running_answer_ends_the_connection_without_mixing_into_it(serve: Serve):
    go = asyncio.Event()

    async def slow(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"6")]})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await go.wait()
        with contextlib.suppress(Exception):
            await send({"type": "http.response.body", "body": b"two"})

    served = await serve(slow)
    reader, writer = await served.open()
    writer.write(b"GET / HTTP/1.1\r\n" + HEAD + b"\r\n")
    await reader.readuntil(b"one")
    writer.write(b"NONSENSE\r\n\r\n")
    async with asyncio.timeout(60):
        rest = await reader.read()
    go.set()
    assert b"HTTP/1.1 400" not in rest
    await close(writer)


async def test_an_upgrade_request_is_served_as_plain_http(serve: Serve):
    async def app(scope, receive, send) -> None:
        await Response("plain")(scope, receive, send)

    served = await serve(app)
    answer = await served.raw(
        b"GET / HTTP/1.1\r\n" + HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert answer is not None
    assert (answer.status, answer.body) == (200, b"plain")


async def test_the_limits_come_from_the_settings(open_house):
    house = await open_house(
        header_bytes=4096, header_count=20, header_seconds=1, body_idle_seconds=1, connections_per_address=4
    )
    head = b"POST /api/sign-in HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
    cases = (
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 5000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 21 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nX:", 408),
        (head + b"Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{", 408),
    )
    for data, status in cases:
        assert (await refused(house.served, data)).status == status
    held = [await house.served.open() for _ in range(4)]
    for reader, writer in held:  # one that has said nothing is soon let go
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert await read_answer(reader) is not None
    statuses = []
    for _ in range(2):
        answer = await house.served.raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        statuses.append(answer.status if answer else None)
    assert 503 in statuses
    for _, writer in held:
        await close(writer)
