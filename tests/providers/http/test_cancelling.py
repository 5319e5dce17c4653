"""Whoever gives up, at whatever point, leaves nothing behind: no connection, no place in the pool, no task, no timer."""

import asyncio

import pytest

from support import authority
from support.upstreams import listening, post, provider_at, read_out
from talkmeter.providers.client import Client, Timeouts

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TWO = OK + b"Content-Length: 2\r\n\r\nok"


class Point:
    """An upstream that goes so far and no further, until the client has gone."""

    def __init__(self, *said):
        self.said = said
        self.reached = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if b"call_last" in head:
                writer.write(TWO)
                await reader.read()
                return
            for piece in self.said:
                writer.write(piece)
            self.reached.set()
            while await reader.read(65_536):
                pass
        finally:
            self.gone.set()


async def endless():
    while True:
        yield b"x" * 1000
        await asyncio.sleep(0)


async def stalling():
    yield b"x"
    await asyncio.Event().wait()


async def nothing_left(client):
    """Everything of a call that was given up is gone, though its pool lives."""
    (its,) = client._upstreams._pools.values()
    async with asyncio.timeout(60):
        while its._connecting or its._open or its._idle or its._turns or _at_work():
            await asyncio.sleep(0)


def _at_work():
    return any(task.get_name() in ("upload", "dial") for task in asyncio.all_tasks())


@pytest.fixture
async def client():
    made = Client(Timeouts(connect=30, headers=30, silence=30, turn=30), most=1)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("said", "body"),
    [
        ((), b"{}"),
        ((OK,), b"{}"),
        ((CHUNKED,), b"{}"),
        ((CHUNKED, b"5\r\nhel"), b"{}"),
        ((), stalling),
        ((), endless),
        ((OK,), stalling),
        ((CHUNKED,), stalling),
        ((b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nwor",), b"{}"),
    ],
    ids=[
        *("sent", "half a head", "head", "half a body", "uploading", "uploading without end"),
        *("uploading, half a head", "uploading, head", "half an error"),
    ],
)
async def test_the_upstream_sees_it_and_the_next_call_goes_through(client, said, body):
    point = Point(*said)
    async with listening(point) as url:
        provider = provider_at(url, client)

        async def call():
            await read_out(await provider.exchange(post(body=body if isinstance(body, bytes) else body())))

        task = asyncio.create_task(call())
        await asyncio.wait_for(point.reached.wait(), 60)
        await asyncio.sleep(0.02)  # so that it waits for what does not come
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(point.gone.wait(), 60)
        await nothing_left(client)
        assert await read_out(await provider.exchange(post(call_id="call_last"))) == (b"ok", None)


@pytest.mark.parametrize("turns", range(40))
async def test_after_any_number_of_turns_of_the_loop(client, turns):
    """However far it has come: either it was cancelled and nothing is left, or the answer is whole."""

    async def serve(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
            writer.write(CHUNKED + b"2\r\nok\r\n")
            await asyncio.sleep(0)
            writer.write(b"0\r\n\r\n")

    async with listening(serve) as url:
        provider = provider_at(url, client)

        async def call():
            answer = await provider.exchange(post())
            return await read_out(answer)

        task = asyncio.create_task(call())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        try:
            assert await task == (b"ok", None)
        except asyncio.CancelledError:
            await nothing_left_or_kept(client)
        assert await read_out(await provider.exchange(post(call_id="call_last"))) == (b"ok", None)


async def nothing_left_or_kept(client):
    for its in client._upstreams._pools.values():
        async with asyncio.timeout(60):
            while its._connecting or len(its._open) > len(its._idle) or its._turns:  # what is open is free
                await asyncio.sleep(0)


async def test_while_the_handshake_waits(tmp_path):
    made = Client(Timeouts(connect=30), tls=authority.trust())
    greeted, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader, _writer):
        await reader.read(1)
        greeted.set()
        while await reader.read(65_536):
            pass
        gone.set()

    async with listening(serve) as url:
        provider = provider_at(url.replace("http:", "https:"), made)
        task = asyncio.create_task(provider.exchange(post()))
        await asyncio.wait_for(greeted.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 60)
        await nothing_left(made)
    await made.close()


async def test_while_the_proxy_thinks():
    asked, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader, _writer):
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        assert await reader.read() == b""
        gone.set()

    async with listening(serve) as url:
        made = Client(Timeouts(connect=30), url)
        task = asyncio.create_task(provider_at("https://no-such-host.invalid", made).exchange(post()))
        await asyncio.wait_for(asked.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 60)
        await nothing_left(made)


async def test_a_reader_that_gives_up_once_may_read_on(client):
    more = asyncio.Event()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED)
        await more.wait()
        writer.write(b"2\r\nok\r\n0\r\n\r\n")
        await reader.read()

    async with listening(serve) as url:
        answer = await provider_at(url, client).exchange(post())
        reading = asyncio.create_task(answer.read())
        await asyncio.sleep(0.02)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        more.set()
        assert await answer.read() == b"ok"
        assert answer.ended


async def test_a_timer_that_rings_for_an_earlier_call_harms_nobody():
    """One timer serves the calls of a connection; it may have been set for the last one."""
    made = Client(Timeouts(connect=20, headers=1, silence=20))

    async def serve(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(2)
            writer.write(CHUNKED)
            await asyncio.sleep(1.2)
            writer.write(b"2\r\nok\r\n0\r\n\r\n")

    async with listening(serve) as url:
        provider = provider_at(url, made)
        for _ in range(2):
            answer = await provider.exchange(post())
            await asyncio.sleep(1.1)
            assert await read_out(answer) == (b"ok", None)
    await made.close()
