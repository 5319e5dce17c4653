"""Whoever reads slowly makes the upstream wait, and the other way round; memory stays what it is."""

import asyncio
import socket

import pytest

from support.upstreams import listening, post, provider_at, read_out
from support.wireless import Keeper, Wire
from talkmeter.completions import UpstreamBroke, UpstreamSilent
from talkmeter.providers.client import Client, Timeouts
from talkmeter.providers.http.connection import READ_AHEAD_BYTES, Connection

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def patient():
    client = Client(Timeouts(connect=20, headers=20, silence=20))
    yield client
    await client.close()


async def settled(count):
    """The figure that `count` gives once it does not change any more."""
    before = -1
    while before != count():
        before = count()
        await asyncio.sleep(0.2)
    return before


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_slow_reader_gets_everything_and_little_is_held_for_it(scripted, patient, chunked):
    total, piece, sent = 24_000_000, b"x" * 60_000, 0
    framed = b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece

    async def answer(_reader, writer, _request):
        nonlocal sent
        sent = 0
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(CHUNKED if chunked else OK + b"Content-Length: %d\r\n\r\n" % total)
        while sent < total:
            writer.write(framed)
            await writer.drain()
            sent += len(piece)
        writer.write(b"0\r\n\r\n" if chunked else b"")
        return "stay"

    async with scripted.running(answer):
        provider = provider_at(scripted.base_url, patient)
        answer = await provider.exchange(post())
        assert await settled(lambda: sent) < total, "the sockets' buffers and our own, no more"
        got = largest = 0
        while data := await answer.read():
            got += len(data)
            largest = max(largest, len(data))
            await asyncio.sleep(0)
        assert got == total
        assert largest <= READ_AHEAD_BYTES + 262_144 + len(framed), "what was held, and one read of the event loop"
        await read_out(await provider.exchange(post()))
    assert scripted.connections == 1


async def test_reading_pauses_and_goes_on():
    wire, keeper = Wire(), Keeper()
    near, far = socket.socketpair()
    with near, far:
        connection = Connection(keeper, near.fileno())
        connection.connection_made(wire)
        answer = connection.send("POST", b"", b"", Timeouts())
        connection.data_received(CHUNKED)
        for _ in range(3):
            while not wire.paused:
                connection.data_received(b"400\r\n" + b"x" * 1024 + b"\r\n")
            assert answer._pieces
            assert READ_AHEAD_BYTES - 2048 < len(await answer.read()) <= READ_AHEAD_BYTES + 2048
            assert not wire.paused
        while not wire.paused:
            connection.data_received(b"1\r\nx\r\n")  # so many small ones weigh as much
        connection.data_received(b"0\r\n\r\n")
        assert not wire.paused, "the next answer can come"
        assert keeper.free_ones == [connection]
        assert len((await read_out(answer))[0]) <= READ_AHEAD_BYTES
        connection.abort()


async def test_a_slow_upstream_makes_the_body_wait(patient):
    made, go = 0, asyncio.Event()

    async def body():
        nonlocal made
        while made < 24_000_000:
            made += 60_000
            yield b"x" * 60_000

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await go.wait()
        await reader.readexactly(24_000_000)
        writer.write(OK + b"Content-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    async with listening(serve) as url:
        task = asyncio.create_task(provider_at(url, patient).exchange(post(body=body(), length=24_000_000)))
        assert await settled(lambda: made) < 24_000_000
        go.set()
        assert await read_out(await task) == (b"ok", None)


async def test_an_upstream_that_takes_nothing_any_more_is_silent():
    client = Client(Timeouts(connect=20, headers=20, silence=0.1))

    async def body():
        while True:
            yield b"x" * 60_000

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(60)

    async with listening(serve) as url:
        with pytest.raises(UpstreamSilent) as caught:
            await provider_at(url, client).exchange(post(body=body()))
        assert caught.value.phase == "headers"
    await client.close()


@pytest.mark.parametrize("status", [b"413 Too Large", b"200 OK"])
async def test_an_upstream_that_has_answered_whole_gets_no_more_of_the_body(client, status):
    async def body():
        yield b"a"
        await asyncio.Event().wait()

    async def serve(reader, writer):
        await reader.readuntil(b"a\r\n")
        writer.write(b"HTTP/1.1 %b\r\nContent-Length: 2\r\n\r\nok" % status)
        assert await reader.read() == b""

    async with listening(serve) as url:
        answer = await provider_at(url, client).exchange(post(body=body()))
        assert answer.status == int(status[:3])
        assert await read_out(answer) == (b"ok", None)
        assert not client._upstreams._pools.popitem()[1]._open, "with half a request on it, it serves no other"


async def test_an_answer_that_begins_before_the_body_is_out_waits_for_it(client):
    begun = asyncio.Event()

    async def body():
        yield b"a"
        await begun.wait()
        await asyncio.sleep(0.05)
        yield b"b"

    async def serve(reader, writer):
        await reader.readuntil(b"a\r\n")
        writer.write(OK + b"Content-Length: 2\r\n\r\no")
        begun.set()
        await reader.readuntil(b"0\r\n\r\n")
        writer.write(b"k")
        await reader.read()

    async with listening(serve) as url:
        answer = await provider_at(url, client).exchange(post(body=body()))
        assert await read_out(answer) == (b"ok", None)
        assert client._upstreams._pools.popitem()[1]._idle


async def test_an_upload_ends_with_its_connection(client):
    gone = asyncio.Event()

    async def body():
        try:
            yield b"a"
            await asyncio.Event().wait()
        finally:
            gone.set()

    async def serve(reader, writer):
        await reader.readuntil(b"a\r\n")
        writer.close()

    async with listening(serve) as url:
        with pytest.raises(UpstreamBroke):
            await provider_at(url, client).exchange(post(body=body()))
        await asyncio.wait_for(gone.wait(), 60)


async def test_the_clock_for_the_head_waits_while_the_request_is_going_out():
    """A large body over a slow line: nobody can answer it yet."""
    client = Client(Timeouts(connect=20, headers=2, silence=20))
    size = 24_000_000

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        for slice_ in range(8):
            await reader.readexactly(size // 8)
            await asyncio.sleep(0.7 if slice_ < 4 else 0)
        writer.write(OK + b"Content-Length: 2\r\n\r\nok")
        await reader.read()

    async with listening(serve) as url:
        answer = await provider_at(url, client).exchange(post(body=bytes(size)))
        assert await read_out(answer) == (b"ok", None)
    await client.close()
