"""What goes over the wire and back, byte for byte, with servers that break the rules in every way."""

import asyncio
import gzip
import socket
import struct

import pytest

from support.upstreams import CANARY, chat, collect, provider_at, reply
from talkmeter.completions import Head, UpstreamBroke, UpstreamNotReached, UpstreamSilent
from talkmeter.providers.client import Client, Timeouts
from talkmeter.providers.refusals import ERROR_BODY_BYTES

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def test_the_request_as_it_leaves(scripted, client, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with scripted.running(reply(HEAD + b"Content-Length: 0\r\n\r\n")):
        await collect(provider_at(scripted.base_url, client), chat("gpt-x", "안녕", call_id="call_7"))
    (request,) = scripted.requests
    assert request["line"] == "POST /v1/chat/completions HTTP/1.1"
    headers = request["headers"]
    assert headers["authorization"] == f"Bearer {CANARY}"
    assert headers["x-client-request-id"] == "call_7"
    assert headers["content-type"] == "application/json"
    assert headers["accept-encoding"] == "identity"
    assert headers["user-agent"].startswith("talkmeter/")
    assert "cookie" not in headers
    assert "안녕".encode() in request["body"]


async def test_without_a_key_none_is_sent(scripted, client):
    async with scripted.running(reply(HEAD + b"Content-Length: 0\r\n\r\n")):
        await collect(provider_at(scripted.base_url, client, key=None), chat())
    assert "authorization" not in scripted.requests[0]["headers"]


async def test_a_redirect_is_not_followed(scripted, client):
    away = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"
    async with scripted.running(reply(away)):
        result = await collect(provider_at(scripted.base_url, client), chat())
    assert result.head.status == 307
    assert len(scripted.requests) == 1


async def test_a_cookie_is_not_kept(scripted, client):
    with_cookie = HEAD + b"Set-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    async with scripted.running(reply(with_cookie, then="stay")):
        provider = provider_at(scripted.base_url, client)
        await collect(provider, chat())
        await collect(provider, chat())
    assert "cookie" not in scripted.requests[1]["headers"]


@pytest.mark.parametrize(
    ("raw", "came"),
    [
        (CHUNKED + b"5\r\nhello\r\n", b"hello"),
        (CHUNKED + b"5\r\nhel", b"hel"),
        (CHUNKED + b"5\r\nhello\r\nzz\r\nhello\r\n", b"hello"),
        (HEAD + b"Content-Length: 10\r\n\r\nhello", b"hello"),
    ],
    ids=["no last chunk", "half a chunk", "a chunk without a size", "shorter than said"],
)
async def test_a_body_that_ends_before_http_says_so_is_broken(scripted, client, raw, came):
    head, body = raw.split(b"\r\n\r\n", 1)

    async def in_two_pieces(_reader, writer, _request):
        writer.write(head + b"\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(body)
        await writer.drain()
        return "close"

    async with scripted.running(in_two_pieces):
        result = await collect(provider_at(scripted.base_url, client), chat())
    assert type(result.error) is UpstreamBroke
    assert result.error.phase == "stream"
    assert result.body == came


@pytest.mark.parametrize("reset", [False, True])
async def test_a_body_without_a_length_ends_with_its_connection_unless_that_is_reset(scripted, client, reset):
    async def answer(_reader, writer, _request):
        writer.write(HEAD + b"\r\nhello")
        await writer.drain()
        await asyncio.sleep(0.05)
        if reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        return "close"

    async with scripted.running(answer):
        result = await collect(provider_at(scripted.base_url, client), chat())
    assert result.body == b"hello"
    assert (type(result.error) is UpstreamBroke) == reset


async def test_a_connection_that_breaks_after_an_answer_spoils_nothing(scripted, client):
    async def answer(_reader, writer, _request):
        writer.write(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n")
        await writer.drain()
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await asyncio.sleep(0.05)
        return "close"

    async with scripted.running(answer):
        parts = provider_at(scripted.base_url, client).send(chat())
        assert isinstance(await anext(parts), Head)
        await asyncio.sleep(0.2)  # the whole answer and the reset are there before anything is read
        assert [part.data async for part in parts] == [b"hello"]


@pytest.mark.parametrize(
    "raw",
    [b"", b"HTTP/1.1 200 OK\r\nContent-", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000],
    ids=["nothing", "half a head", "another protocol", "an endless header"],
)
async def test_what_is_no_answer_is_broken_before_its_head(scripted, client, raw):
    async with scripted.running(reply(raw)):
        result = await collect(provider_at(scripted.base_url, client), chat())
    assert type(result.error) is UpstreamBroke
    assert result.error.phase == "headers"


async def test_a_post_is_never_sent_twice(scripted, client):
    async with scripted.running(reply(HEAD + b"Content-Length: 2\r\n\r\nok", then="stay")):
        provider = provider_at(scripted.base_url, client)
        assert (await collect(provider, chat())).body == b"ok"
    async with scripted.running(reply(b"")):
        provider = provider_at(scripted.base_url, client)
        assert type((await collect(provider, chat())).error) is UpstreamBroke
    assert len(scripted.requests) == 2


async def test_a_connection_that_was_read_out_is_used_again(scripted, client):
    async with scripted.running(reply(CHUNKED + b"2\r\nok\r\n0\r\n\r\n", then="stay")):
        provider = provider_at(scripted.base_url, client)
        for _ in range(3):
            assert (await collect(provider, chat())).body == b"ok"
    assert scripted.connections == 1


async def test_silence_is_measured_between_pieces_and_not_in_all(scripted):
    client = Client(Timeouts(connect=20, headers=20, silence=2))

    async def answer(_reader, writer, _request):
        writer.write(CHUNKED)
        for _ in range(12):
            writer.write(b"1\r\nx\r\n")
            await asyncio.sleep(0.2)
        writer.write(b"0\r\n\r\n")
        return "stay"

    async with scripted.running(answer):
        result = await collect(provider_at(scripted.base_url, client), chat())
    await client.close()
    assert result.error is None
    assert result.body == b"x" * 12


async def test_the_header_clock_does_not_run_while_the_body_streams(scripted):
    client = Client(Timeouts(connect=20, headers=2, silence=20))

    async def answer(_reader, writer, _request):
        writer.write(CHUNKED + b"1\r\nx\r\n")
        await asyncio.sleep(2.3)
        writer.write(b"0\r\n\r\n")
        return "stay"

    async with scripted.running(answer):
        result = await collect(provider_at(scripted.base_url, client), chat())
    await client.close()
    assert result.error is None


async def test_connecting_has_its_own_limit(monkeypatch):
    client = Client(Timeouts(connect=0.2, headers=60, silence=60))

    async def never(*_args, **_kwargs):
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
    result = await collect(provider_at("http://somewhere.example/v1", client), chat())
    await client.close()
    assert type(result.error) is UpstreamNotReached
    assert "too long" in result.error.message


async def test_closing_the_iterator_ends_the_connection_at_once(scripted, client):
    gone = asyncio.Event()

    async def answer(reader, writer, _request):
        writer.write(CHUNKED + b"1\r\nx\r\n")
        await reader.read(1)
        gone.set()
        return "close"

    async with scripted.running(answer):
        parts = provider_at(scripted.base_url, client).send(chat())
        assert isinstance(await anext(parts), Head)
        await anext(parts)
        await parts.aclose()
        await asyncio.wait_for(gone.wait(), 60)


async def test_cancelling_before_the_head_ends_the_connection(scripted, client):
    asked, gone = asyncio.Event(), asyncio.Event()

    async def answer(reader, _writer, _request):
        asked.set()
        await reader.read(1)
        gone.set()
        return "close"

    async with scripted.running(answer):
        task = asyncio.create_task(collect(provider_at(scripted.base_url, client), chat()))
        await asyncio.wait_for(asked.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(gone.wait(), 60)


async def test_nothing_is_read_ahead_without_bound(scripted):
    client = Client(Timeouts(connect=20, headers=20, silence=20))
    written = 0

    async def answer(_reader, writer, _request):
        nonlocal written
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(HEAD + b"\r\n")
        while written < 100_000_000:
            writer.write(b"x" * 100_000)
            await writer.drain()
            written += 100_000
        return "close"

    async with scripted.running(answer):
        parts = provider_at(scripted.base_url, client).send(chat())
        await anext(parts)
        before = -1
        while before != written:  # until the server cannot write any more
            before = written
            await asyncio.sleep(0.3)
        assert written < 30_000_000, "the sockets' buffers and our own, no more"
        await parts.aclose()
    await client.close()


async def test_a_body_that_was_compressed_unasked_is_decompressed(scripted, client):
    packed = gzip.compress(b"data: hello\n\n")
    raw = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
    async with scripted.running(reply(raw)):
        result = await collect(provider_at(scripted.base_url, client), chat())
    assert result.body == b"data: hello\n\n"
    assert "content-encoding" not in result.head.headers
    assert "content-length" not in result.head.headers


async def test_a_key_that_an_error_quotes_is_hidden(scripted, client):
    body = b'{"error": {"message": "bad key %s, really %s"}}' % (CANARY.encode(), CANARY.encode())
    head = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def in_two_pieces(_reader, writer, _request):
        writer.write(head + body[:40])
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(body[40:])
        return "stay"

    async with scripted.running(in_two_pieces):
        provider = provider_at(scripted.base_url, client)
        result = await collect(provider, chat())
        assert CANARY.encode() not in result.body
        assert b"bad key ***, really ***" in result.body
        with pytest.raises(Exception, match="bad key ") as caught:
            await provider.models()
        assert CANARY not in caught.value.message + caught.value.message_ko


async def test_an_endless_error_is_read_in_part(scripted, client):
    async def endless(_reader, writer, _request):
        writer.write(b"HTTP/1.1 500 Oh\r\n\r\n")
        while True:
            writer.write(b"x" * 50_000)
            await writer.drain()

    async with scripted.running(endless):
        result = await collect(provider_at(scripted.base_url, client), chat())
    assert result.error is None
    assert len(result.body) == ERROR_BODY_BYTES


async def test_an_error_that_stalls_hands_on_what_came(scripted, impatient):
    async def stalls(reader, writer, _request):
        writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\nsome words")
        await reader.read(1)
        return "close"

    async with scripted.running(stalls):
        result = await collect(provider_at(scripted.base_url, impatient), chat())
    assert result.body == b"some words"
    assert type(result.error) is UpstreamSilent
