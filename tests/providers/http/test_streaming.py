"""An answer that is given on as it comes: nobody is woken for a piece, nothing is lost, and a full sink is waited for."""

import asyncio
import socket
from contextlib import asynccontextmanager, contextmanager

import pytest

from support.sinks import Sink
from support.wireless import Keeper, Wire
from talkmeter.completions import UpstreamBroke, UpstreamSilent
from talkmeter.providers.http.connection import READ_AHEAD_BYTES, Connection
from talkmeter.providers.http.timeouts import Timeouts

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(text):
    return b"%x\r\n%b\r\n" % (len(text), text)


class Slow(Sink):
    """Has room again when it is told so."""

    def __init__(self, full):
        super().__init__(full)
        self.go = asyncio.Event()

    async def room(self):
        await super().room()
        await self.go.wait()
        self.full = None


@contextmanager
def line(**timeouts):
    """A connection with an answer under way, its head read."""
    wire, near_far = Wire(), socket.socketpair()
    with near_far[0], near_far[1]:
        connection = Connection(Keeper(), near_far[0].fileno())
        connection.connection_made(wire)
        answer = connection.send("POST", b"", b"", Timeouts(**timeouts))
        connection.data_received(HEAD)
        yield connection, answer, wire
        connection.abort()


async def started(answer, sink):
    task = asyncio.create_task(answer.stream_to(sink))
    await asyncio.sleep(0)
    return task


@asynccontextmanager
async def stuck():
    """An answer on its way to a sink that has no room after the first piece."""
    with line() as (connection, answer, wire):
        sink = Slow(full=1)
        task = await started(answer, sink)
        connection.data_received(chunk(b"a"))
        await asyncio.sleep(0)
        assert sink.waited == 1
        yield connection, wire, sink, task


async def test_each_piece_is_there_at_once_and_the_last_is_returned():
    with line() as (connection, answer, _):
        connection.data_received(chunk(b"before"))
        sink = Sink()
        task = await started(answer, sink)
        assert sink.pieces == [b"before"]
        for piece in (b"one", b"two"):
            connection.data_received(chunk(piece))
            assert sink.pieces[-1] == piece, "without a turn of the event loop"
        connection.data_received(b"3\r\nthr")
        connection.data_received(b"\r\n" + chunk(b"fo"))
        connection.data_received(chunk(b"last") + END)
        assert await task == b"last"
        assert sink.pieces == [b"before", b"one", b"two", b"thr", b"fo"]
        assert answer.ended


@pytest.mark.parametrize("last", [b"", b"x"])
async def test_an_end_that_was_there_before(last):
    with line() as (connection, answer, _):
        connection.data_received((chunk(last) if last else b"") + END)
        assert await answer.stream_to(Sink()) == last


async def test_an_end_without_a_last_piece():
    with line() as (connection, answer, _):
        sink = Sink()
        task = await started(answer, sink)
        connection.data_received(chunk(b"all"))
        connection.data_received(END)
        assert (await task, sink.pieces) == (b"", [b"all"])


async def test_a_sink_without_room_is_waited_for_and_the_upstream_too():
    async with stuck() as (connection, wire, sink, task):
        held = b"x" * 4096
        while not wire.paused:
            connection.data_received(chunk(held))
        assert sink.pieces == [b"a"], "what it has no room for is held, up to a limit"
        sink.go.set()
        async with asyncio.timeout(60):
            while wire.paused:
                await asyncio.sleep(0)
        assert READ_AHEAD_BYTES <= len(sink.pieces[1]) < READ_AHEAD_BYTES + 8192
        connection.data_received(chunk(b"b"))
        assert sink.pieces[2:] == [b"b"]
        connection.data_received(END)
        assert await task == b""
        assert sink.waited == 1


async def test_what_came_goes_out_before_the_break():
    with line() as (connection, answer, _):
        sink = Sink()
        task = await started(answer, sink)
        connection.data_received(chunk(b"a"))
        connection.eof_received()
        with pytest.raises(UpstreamBroke):
            await task
        assert sink.pieces == [b"a"]


async def test_what_came_together_with_the_break_goes_out_before_it():
    with line() as (connection, answer, _):
        sink = Sink()
        task = await started(answer, sink)
        connection.data_received(chunk(b"a") + b"no chunk\r\n")
        with pytest.raises(UpstreamBroke):
            await task
        assert sink.pieces == [b"a"]


async def test_a_break_before_anybody_takes_it():
    with line() as (connection, answer, _):
        connection.data_received(chunk(b"a"))
        connection.eof_received()
        sink = Sink()
        with pytest.raises(UpstreamBroke):
            await answer.stream_to(sink)
        assert sink.pieces == [b"a"]


async def test_a_break_while_there_is_no_room():
    async with stuck() as (connection, _, sink, task):
        connection.data_received(chunk(b"b"))
        connection.eof_received()
        await asyncio.sleep(0)
        assert sink.pieces == [b"a"], "it has no room yet"
        sink.go.set()
        with pytest.raises(UpstreamBroke):
            await task
        assert sink.pieces == [b"a", b"b"]


async def test_silence_is_counted_from_the_last_piece():
    with line(silence=0.3) as (connection, answer, _):
        task = await started(answer, Sink())
        before = connection._deadline
        await asyncio.sleep(0.02)
        connection.data_received(chunk(b"a"))
        assert connection._deadline >= before + 0.02
        with pytest.raises(UpstreamSilent) as caught:
            await task
        assert caught.value.phase == "silence"


@pytest.mark.parametrize("full", [None, 1])
@pytest.mark.parametrize("early", [False, True])
async def test_a_sink_may_close_the_answer(full, early):
    """A client that turns out to be gone when it is written to."""
    with line() as (connection, answer, _):

        class Leaving(Sink):
            def take(self, data):
                answer.close()
                return super().take(data)

        sink = Leaving(full)
        if early:
            connection.data_received(chunk(b"a"))
        task = await started(answer, sink)
        if not early:
            connection.data_received(chunk(b"a"))
        with pytest.raises(UpstreamBroke):
            await task
        assert sink.pieces == [b"a"]
        assert connection.gone


@pytest.mark.parametrize("early", [False, True])
async def test_an_error_of_the_sink_is_the_callers_and_not_the_upstreams(early):
    with line() as (connection, answer, _):

        class Broken(Sink):
            def take(self, data):
                raise KeyError(data)

        if early:
            connection.data_received(chunk(b"a"))
        task = await started(answer, Broken())
        if not early:
            connection.data_received(chunk(b"a"))
            connection.data_received(chunk(b"b"))
        with pytest.raises(KeyError, match="b'a'"):
            await task
        assert (connection.gone, answer.failure) == (False, None)
        answer.close()
        assert connection.gone


async def test_who_stops_waiting_is_given_no_more():
    with line() as (connection, answer, _):
        sink = Sink()
        task = await started(answer, sink)
        task.cancel()
        await asyncio.wait([task])
        connection.data_received(chunk(b"a"))
        assert sink.pieces == []
        assert await answer.read() == b"a"
