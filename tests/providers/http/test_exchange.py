"""A request and its answer, byte for byte, and what becomes of the connection afterwards."""

import asyncio
import json

import pytest

from support.upstreams import CANARY, post, provider_at, read_out, reply
from talkmeter.completions import UpstreamBroke, UpstreamNotReached, UpstreamSilent
from talkmeter.errors import BadInput
from talkmeter.providers.client import Client, Timeouts
from talkmeter.providers.refusals import ERROR_BODY_BYTES

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TWO = OK + b"Content-Length: 2\r\n\r\nok"


async def test_the_request_goes_out_as_it_was_given(scripted, client):
    headers = ((b"content-type", b"application/json"), (b"X-Odd", b"caf\xe9\tau lait"), (b"x-odd", b""))
    async with scripted.running(reply(TWO)):
        provider = provider_at(scripted.base_url, client)
        await read_out(await provider.exchange(post("chat/completions?a=%20b", *headers, body=b'{"a": 1}')))
    (request,) = scripted.requests
    host = scripted.base_url.split("/")[2].encode()
    assert request["head"].split(b"\r\n") == [
        b"POST /v1/chat/completions?a=%20b HTTP/1.1",
        b"Host: " + host,
        b"Authorization: Bearer " + CANARY.encode(),
        request["head"].split(b"\r\n")[3],
        b"content-type: application/json",
        b"X-Odd: caf\xe9\tau lait",
        b"x-odd: ",
        b"X-Client-Request-Id: call_1",
        b"Content-Length: 8",
        b"",
        b"",
    ]
    assert request["headers"]["user-agent"].startswith("talkmeter/")
    assert request["body"] == b'{"a": 1}'


async def test_the_callers_name_stays_and_its_request_id_does_not(scripted, client):
    async with scripted.running(reply(TWO)):
        call = post("models", (b"User-Agent", b"curl/8"), (b"X-Client-Request-ID", b"mine"), method="GET", body=b"")
        await read_out(await provider_at(scripted.base_url, client, key=None).exchange(call))
    head = scripted.requests[0]["head"]
    assert b"User-Agent: curl/8\r\n" in head
    assert b"talkmeter" not in head
    assert b"mine" not in head
    assert b"ontent-" not in head
    assert b"uthorization" not in head


async def test_the_answer_comes_back_as_it_was(scripted, client):
    head = (
        b"HTTP/1.1 201 Very  fine\r\nX-A: 1\r\nset-cookie: a\r\nx-a: \r\nContent-Length: 2\r\nSet-Cookie: b\r\n\r\nok"
    )
    async with scripted.running(reply(head)):
        answer = await provider_at(scripted.base_url, client).exchange(post())
        assert (answer.status, answer.reason) == (201, b"Very  fine")
        names = [b"X-A", b"set-cookie", b"x-a", b"Content-Length", b"Set-Cookie"]
        assert list(answer.headers) == list(zip(names, [b"1", b"a", b"", b"2", b"b"], strict=True))
        assert answer.header(b"x-a") == b"1"
        assert answer.header(b"x-b") is None
        assert await answer.read() == b"ok"
        assert answer.ended
        assert await answer.read() == b""


@pytest.mark.parametrize(
    "raw",
    [
        OK + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 700\r\n\r\n",
    ],
)
async def test_an_answer_without_a_body_has_ended_with_its_head(scripted, client, raw):
    async with scripted.running(reply(raw)):
        answer = await provider_at(scripted.base_url, client).exchange(post())
        assert answer.ended
        assert await answer.read() == b""


async def test_the_end_of_chunks_is_known_with_the_last_bytes(scripted, client):
    async with scripted.running(reply(CHUNKED + b"2\r\nok\r\n3;x=y\r\nyes\r\n0\r\nX-T: 1\r\n\r\n", "stay")):
        provider = provider_at(scripted.base_url, client)
        answer = await provider.exchange(post())
        assert await answer.read() == b"okyes"
        assert answer.ended
        assert answer.header(b"x-t") is None
        assert await read_out(await provider.exchange(post())) == (b"okyes", None)
    assert scripted.connections == 1


async def test_a_body_may_come_in_pieces_of_unknown_number(scripted, client):
    async def body():
        for piece in (b"ab", b"", b"c" * 100_000, b"d"):
            yield piece

    async with scripted.running(reply(TWO, "stay")):
        provider = provider_at(scripted.base_url, client)
        assert await read_out(await provider.exchange(post(body=body()))) == (b"ok", None)
        assert await read_out(await provider.exchange(post(body=body(), length=100_003))) == (b"ok", None)
    assert [request["body"] for request in scripted.requests] == [b"ab" + b"c" * 100_000 + b"d"] * 2
    assert scripted.requests[0]["headers"]["transfer-encoding"] == "chunked"
    assert scripted.requests[1]["headers"]["content-length"] == "100003"
    assert "transfer-encoding" not in scripted.requests[1]["headers"]
    assert scripted.connections == 1


@pytest.mark.parametrize("length", [2, 4])
async def test_a_body_of_another_length_than_said_cuts_the_call(scripted, client, length):
    async def body():
        yield b"abc"

    async with scripted.running(reply(TWO)):
        with pytest.raises(BadInput) as caught:
            await provider_at(scripted.base_url, client).exchange(post(body=body(), length=length))
    assert caught.value.code == "bad_body_length"
    assert scripted.requests == []


async def test_what_the_body_raises_comes_out_and_cuts_the_call(scripted, client):
    async def body():
        yield b"abc"
        raise KeyError("mine")

    async with scripted.running(reply(TWO)):
        with pytest.raises(KeyError, match="mine"):
            await provider_at(scripted.base_url, client).exchange(post(body=body()))
        while scripted.ended < scripted.connections:
            await asyncio.sleep(0.01)


async def test_an_error_hides_the_key_everywhere_and_states_its_new_length(scripted, client):
    body = json.dumps({"error": {"message": f"bad key {CANARY}"}}).encode()
    head = b"HTTP/1.1 401 No\r\nX-Key: %b\r\nContent-Length: %d\r\n\r\n" % (CANARY.encode(), len(body))
    async with scripted.running(reply(head + body, "stay")):
        provider = provider_at(scripted.base_url, client)
        answer = await provider.exchange(post())
        said, error = await read_out(answer)
        assert error is None
        assert answer.ended
        assert CANARY.encode() not in said + repr(answer.headers).encode()
        assert answer.header(b"content-length") == b"%d" % len(said)
        await provider.exchange(post())
    assert scripted.connections == 1


async def test_an_error_is_read_in_part_and_what_stalls_is_handed_on_first(scripted, client, impatient):
    async with scripted.running(reply(b"HTTP/1.1 500 Oh\r\n\r\n" + b"x" * 1_000_000)):
        body, error = await read_out(await provider_at(scripted.base_url, client).exchange(post()))
        assert (len(body), error) == (ERROR_BODY_BYTES, None)

    async def stalls(reader, writer, _request):
        writer.write(b"HTTP/1.1 500 Oh\r\nContent-Length: 100\r\n\r\nsome words")
        await reader.read(1)
        return "close"

    async with scripted.running(stalls):
        body, error = await read_out(await provider_at(scripted.base_url, impatient).exchange(post()))
        assert body == b"some words"
        assert type(error) is UpstreamSilent


async def test_what_had_arrived_is_handed_out_before_the_break(scripted, client):
    async with scripted.running(reply(OK + b"Content-Length: 10\r\n\r\nhello")):
        answer = await provider_at(scripted.base_url, client).exchange(post())
        body, error = await read_out(answer)
    assert body == b"hello"
    assert type(error) is UpstreamBroke
    assert error.phase == "stream"
    assert not answer.ended


@pytest.mark.parametrize(
    ("timeouts", "raw", "phase", "seconds"),
    [
        (Timeouts(headers=0.1, silence=9, first_byte=9), b"", "headers", 0.1),
        (Timeouts(headers=9, silence=9, first_byte=0.1), CHUNKED + b"5", "first_token", 0.1),
        (Timeouts(headers=9, silence=0.1, first_byte=9), CHUNKED + b"1\r\nx\r\n", "silence", 0.1),
        (Timeouts(headers=9, silence=0.1), CHUNKED, "first_token", 0.1),
    ],
    ids=["head", "first byte", "silence", "first byte as silence"],
)
async def test_each_silence_has_its_limit(scripted, timeouts, raw, phase, seconds):
    client = Client(timeouts)
    gone = asyncio.Event()

    async def answer(reader, writer, _request):
        writer.write(raw)
        await reader.read(1)
        gone.set()
        return "close"

    async with scripted.running(answer):
        with pytest.raises(UpstreamSilent) as caught:
            _, error = await read_out(await provider_at(scripted.base_url, client).exchange(post()))
            raise error
        await asyncio.wait_for(gone.wait(), 60)
    assert caught.value.phase == caught.value.details["phase"] == phase
    assert f"{seconds:g} s" in caught.value.message
    await client.close()


async def test_closing_early_ends_the_connection_at_once(scripted, client):
    gone = asyncio.Event()

    async def answer(reader, writer, _request):
        writer.write(CHUNKED + b"1\r\nx\r\n")
        await reader.read(1)
        gone.set()
        return "close"

    async with scripted.running(answer):
        answer = await provider_at(scripted.base_url, client).exchange(post())
        assert await answer.read() == b"x"
        answer.close()
        await asyncio.wait_for(gone.wait(), 60)
        with pytest.raises(UpstreamBroke):
            await answer.read()


async def test_ending_the_client_ends_the_calls_under_way(scripted, client):
    async with scripted.running(reply(CHUNKED + b"1\r\nx\r\n", "stay")):
        provider = provider_at(scripted.base_url, client)
        answer = await provider.exchange(post())
        await client.close()
        body, error = await read_out(answer)
        assert body == b"x"
        assert type(error) is UpstreamBroke
        with pytest.raises(UpstreamNotReached):
            await provider.exchange(post())


async def test_nobody_listens(client):
    with pytest.raises(UpstreamNotReached, match="connection refused"):
        await provider_at("http://127.0.0.1:9/v1", client).exchange(post())
