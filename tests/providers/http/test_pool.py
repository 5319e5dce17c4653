"""Connections are kept, shared out fairly, counted, and never used when the upstream has ended them."""

import asyncio
import os
import socket

import pytest

from support.upstreams import post, provider_at, read_out, reply
from talkmeter.completions import UpstreamBroke, UpstreamNotReached
from talkmeter.providers.client import Client, Timeouts
from talkmeter.providers.http import pool

TWO = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def until(condition):
    while not condition():
        await asyncio.sleep(0.005)


class Gate:
    """Answers when it is told to; notes the order in which requests came."""

    def __init__(self):
        self.asked = []
        self.open = asyncio.Event()

    async def __call__(self, _reader, writer, request):
        self.asked.append(request["headers"]["x-client-request-id"])
        await self.open.wait()
        writer.write(TWO)
        return "stay"


@pytest.fixture
def few():
    """A client with two connections to a host."""
    return Client(Timeouts(connect=20, headers=20, silence=20, turn=20), most=2)


def ask(provider, name):
    async def go():
        return await read_out(await provider.exchange(post(call_id=name)))

    return asyncio.create_task(go())


async def test_the_connection_that_rested_last_is_used_first(scripted, few):
    gate = Gate()
    async with scripted.running(gate):
        provider = provider_at(scripted.base_url, few)
        both = [ask(provider, "a"), ask(provider, "b")]
        await until(lambda: len(gate.asked) == 2)
        gate.open.set()
        await asyncio.gather(*both)
        (its,) = few._upstreams._pools.values()
        last = list(its._idle)[-1]
        for _ in range(3):
            assert await ask(provider, "c") == (b"ok", None)
            assert list(its._idle)[-1] is last
    assert scripted.connections == 2
    await few.close()


@pytest.mark.parametrize("most", [1, 2])
async def test_no_more_connections_than_may_be_and_first_come_first_served(scripted, most):
    client = Client(Timeouts(connect=20, headers=20, silence=20, turn=20), most=most)
    gate = Gate()
    async with scripted.running(gate):
        provider = provider_at(scripted.base_url, client)
        names = [f"call_{number}" for number in range(9)]
        tasks = [ask(provider, name) for name in names]
        await until(lambda: len(gate.asked) == most)
        gate.open.set()
        assert await asyncio.gather(*tasks) == [(b"ok", None)] * 9
    assert sorted(gate.asked[:most]) == names[:most]
    assert most > 1 or gate.asked == names  # two connections may be heard in another order than they were written to
    assert scripted.connections == most
    await client.close()


async def test_who_waits_too_long_hears_that_all_are_busy(scripted):
    client = Client(Timeouts(connect=2, headers=5, turn=0.05), most=1)
    gate = Gate()
    async with scripted.running(gate):
        provider = provider_at(scripted.base_url, client)
        first = ask(provider, "a")
        await until(lambda: gate.asked)
        with pytest.raises(UpstreamNotReached, match="1 connections are busy") as caught:
            await ask(provider, "b")
        assert caught.value.code == "upstream_busy"
        assert "Nothing was sent" in caught.value.hint
        gate.open.set()
        assert await first == (b"ok", None)
        assert await ask(provider, "c") == (b"ok", None)
    assert gate.asked == ["a", "c"]
    await client.close()


@pytest.mark.parametrize("then", ["answered", "broken", "closed"])
async def test_whoever_gives_up_waiting_takes_nothing_along(scripted, few, then):
    gate = Gate()
    async with scripted.running(gate):
        provider = provider_at(scripted.base_url, few)
        first, second = ask(provider, "a"), ask(provider, "b")
        await until(lambda: len(gate.asked) == 2)
        waiting = [ask(provider, f"w{number}") for number in range(4)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[2].cancel()
        if then == "closed":
            first.cancel()
            second.cancel()
        gate.open.set()
        await asyncio.gather(first, second, *waiting, return_exceptions=True)
        assert [task.cancelled() for task in waiting] == [True, False, True, False]
        assert await asyncio.gather(*(ask(provider, f"x{number}") for number in range(5))) == [(b"ok", None)] * 5
        (its,) = few._upstreams._pools.values()
        assert its._connecting == 0
        assert not its._turns
        assert len(its._open) <= 2
    await few.close()


async def test_giving_up_in_the_moment_of_ones_turn_passes_it_on(scripted):
    client = Client(Timeouts(connect=20, headers=20, turn=20), most=1)
    async with scripted.running(reply(TWO, "stay")):
        provider = provider_at(scripted.base_url, client)
        for give_up_with_a_connection in (True, False):
            answer = await provider.exchange(post())
            (its,) = client._upstreams._pools.values()
            its._idle.clear()
            (busy,) = its._open
            first, second = ask(provider, "a"), ask(provider, "b")
            await until(lambda its=its: len(its._turns) == 2)
            if give_up_with_a_connection:
                its.free(busy)  # the turn is the first one's now, though it has not heard
            else:
                busy.abort()
            first.cancel()
            assert await second == (b"ok", None)
            assert first.cancelled()
            answer.close()
            assert its._connecting == 0
            assert len(its._open) == 1
    await client.close()


async def test_a_turn_that_comes_with_an_ended_connection_is_used_to_make_one(scripted):
    client = Client(Timeouts(connect=20, headers=20, turn=20), most=1)
    async with scripted.running(reply(TWO, "stay")):
        provider = provider_at(scripted.base_url, client)
        assert await ask(provider, "a") == (b"ok", None)
        (its,) = client._upstreams._pools.values()
        ((ended, _),) = [its._idle.popitem()]
        waiting = ask(provider, "b")
        await until(lambda: its._turns)
        its.free(ended)
        ended._transport.abort()  # before the one whose turn it is has run
        assert await waiting == (b"ok", None)
        assert (its._connecting, len(its._open)) == (0, 1)
    assert scripted.connections == 2
    await client.close()


async def test_a_failed_connection_leaves_its_place(few):
    provider = provider_at("http://127.0.0.1:9/v1", few)
    tasks = [ask(provider, f"call_{number}") for number in range(6)]
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [UpstreamNotReached] * 6
    (its,) = few._upstreams._pools.values()
    assert (its._connecting, len(its._open), len(its._turns)) == (0, 0, 0)


@pytest.mark.parametrize("last", [b"", b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"])
@pytest.mark.parametrize("heard", [True, False])
async def test_a_kept_connection_that_the_upstream_has_ended_is_not_used(scripted, client, last, heard):
    """Neither when the event loop has heard of it, nor when only the socket has."""
    writers = []

    async def answer(_reader, writer, _request):
        writers.append(writer)
        writer.write(TWO)
        return "stay"

    async with scripted.running(answer):
        provider = provider_at(scripted.base_url, client)
        for count in range(1, 4):
            assert await read_out(await provider.exchange(post())) == (b"ok", None)
            assert scripted.connections == count
            (its,) = client._upstreams._pools.values()
            with socket.socket(fileno=os.dup(writers[-1].get_extra_info("socket").fileno())) as far:
                far.send(last)
                far.shutdown(socket.SHUT_WR)
            if heard:
                await until(lambda its=its: not its._open)
    assert len(scripted.requests) == 3


async def test_an_upstream_that_closes_with_its_answer_is_noticed_before_the_next_request(scripted, client):
    """It does not say so; the end arrives together with the answer."""
    async with scripted.running(reply(TWO, "close")):
        provider = provider_at(scripted.base_url, client)
        for _ in range(50):
            answer = await provider.exchange(post())
            await asyncio.sleep(0)
            assert await read_out(answer) == (b"ok", None)
            await until(lambda: scripted.ended == scripted.connections)
    assert scripted.connections == 50


async def test_a_kept_connection_that_breaks_after_the_request_is_not_tried_again(scripted, client):
    async def answer(_reader, writer, _request):
        if len(scripted.requests) == 1:
            writer.write(TWO)
            return "stay"
        return "close"

    async with scripted.running(answer):
        provider = provider_at(scripted.base_url, client)
        await read_out(await provider.exchange(post()))
        with pytest.raises(UpstreamBroke):
            await provider.exchange(post())
    assert len(scripted.requests) == 2
    assert scripted.connections == 1


async def test_a_connection_that_rests_too_long_is_closed(scripted, client, monkeypatch):
    monkeypatch.setattr(pool, "KEEP_ALIVE_SECONDS", 0.05)
    async with scripted.running(reply(TWO, "stay")):
        provider = provider_at(scripted.base_url, client)
        for count in (1, 2):
            assert await read_out(await provider.exchange(post())) == (b"ok", None)
            (its,) = client._upstreams._pools.values()
            await until(lambda its=its: not its._open)
            await until(lambda count=count: scripted.ended == count)
    assert scripted.connections == 2


async def test_each_host_has_its_own_and_each_base_url_shares_them(scripted, client):
    async with scripted.running(reply(TWO, "stay")):
        other = scripted.base_url.replace("127.0.0.1", "localhost")
        for url in (scripted.base_url, scripted.base_url.replace("/v1", "/v2"), other, scripted.base_url):
            assert await read_out(await provider_at(url, client).exchange(post())) == (b"ok", None)
    assert scripted.connections == 2


async def test_ending_the_client_ends_those_that_wait_too(scripted, few):
    gate = Gate()
    async with scripted.running(gate):
        provider = provider_at(scripted.base_url, few)
        tasks = [ask(provider, f"call_{number}") for number in range(5)]
        await until(lambda: len(gate.asked) == 2)
        await few.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        gate.open.set()
    assert [type(result) for result in results] == [UpstreamBroke] * 2 + [UpstreamNotReached] * 3
    assert sorted(gate.asked) == ["call_0", "call_1"]
