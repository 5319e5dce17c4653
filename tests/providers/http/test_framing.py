"""Where an answer begins and ends: what is taken, and what is refused because two readers could see it differently."""

import pytest

from support.answers import BROKEN_CHUNKS, CHUNKED, INTERIM, OK, REFUSED_HEADS, TAKEN, TWO
from support.upstreams import post, provider_at, read_out, reply
from support.wireless import feed
from talkmeter.completions import UpstreamBroke
from talkmeter.providers.http.heads import MOST_HEADERS, Malformed, frame


@pytest.mark.parametrize("name", REFUSED_HEADS)
async def test_a_head_that_is_not_in_order_is_refused(scripted, client, name):
    async with scripted.running(reply(REFUSED_HEADS[name], "stay")):
        with pytest.raises(UpstreamBroke) as caught:
            await provider_at(scripted.base_url, client).exchange(post())
        assert caught.value.phase == "headers"
    assert (await feed([REFUSED_HEADS[name]], end=False)).kind == "headers"


@pytest.mark.parametrize("name", TAKEN)
async def test_what_is_in_order_is_taken_as_it_is(scripted, client, name):
    raw, body, kept = TAKEN[name]
    async with scripted.running(reply(raw, "stay" if kept else "close")):
        provider = provider_at(scripted.base_url, client)
        for _ in range(2):
            assert await read_out(await provider.exchange(post())) == (body, None)
    assert scripted.connections == (1 if kept else 2)
    ended = await feed([raw])
    assert (ended.body, ended.kind, ended.kept) == (body, "ended", kept)


@pytest.mark.parametrize("name", BROKEN_CHUNKS)
async def test_broken_chunks_end_the_answer_after_what_was_in_order(scripted, client, name):
    raw, came = BROKEN_CHUNKS[name]
    async with scripted.running(reply(CHUNKED + raw)):
        body, error = await read_out(await provider_at(scripted.base_url, client).exchange(post()))
    assert body == came
    assert type(error) is UpstreamBroke
    assert error.phase == "stream"


async def test_an_answer_to_head_has_no_body():
    for raw in (TWO[:-2], CHUNKED, OK + b"\r\n"):
        ended = await feed([raw], method="HEAD")
        assert (ended.body, ended.kind, ended.kept) == (b"", "ended", False)
    assert (await feed([OK + b"Content-Length: 0\r\n\r\n"], method="HEAD")).kept


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nA", OK, INTERIM, OK + b"A: b\r\n"])
async def test_an_end_before_the_head_is_whole(raw):
    ended = await feed([raw] if raw else [])
    assert (ended.status, ended.kind) == (0, "headers")


@pytest.mark.parametrize(
    ("start", "status", "headers"),
    [
        (b"HTTP/1.1 ", 200, [(b"Content-Length", b"2"), (b"Transfer-Encoding", b"chunked")]),
        (b"HTTP/1.1 ", 200, [(b"Content-Length", b"2"), (b"content-length", b"2")]),
        (b"HTTP/1.1 ", 200, [(b"Content-Length", b"+2")]),
        (b"HTTP/1.1 ", 200, [(b"Transfer-Encoding", b"gzip, chunked")]),
        (b"HTTP/1.0 ", 200, [(b"Transfer-Encoding", b"chunked")]),
        (b"HTTP/1.1 ", 100, [(b"Content-Length", b"0")]),
        (b"HTTP/1.1 ", 101, []),
        (b"HTTP/1.1 ", 99, []),
        (b"HTTP/2.0 ", 200, []),
        (b"HTTP/1.1 \0", 200, []),
        (b"HTTP/1.1 ", 200, [(b"X", b"")] * (MOST_HEADERS + 1)),
    ],
)
def test_what_holds_whatever_the_parser_lets_pass(start, status, headers):
    with pytest.raises(Malformed):
        frame(start, "POST", status, headers)
