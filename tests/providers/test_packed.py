"""Compressed bodies: untouched in an exchange, unpacked where nobody had asked for them, and no place for a key to hide."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.upstreams import CANARY, chat, collect, post, provider_at, read_out, reply
from talkmeter.completions import UpstreamBroke
from talkmeter.providers.decoding import PIECE_BYTES, Decoder, Undecodable, encoding_of, unpack
from talkmeter.providers.refusals import ERROR_BODY_BYTES

PLAIN = b"data: hello\n\n" * 50


def bare(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


PACKED = {
    "gzip": (b"gzip", gzip.compress(PLAIN)),
    "x-gzip": (b"X-GZip", gzip.compress(PLAIN)),
    "two parts": (b"gzip", gzip.compress(PLAIN[:7]) + gzip.compress(PLAIN[7:])),
    "deflate": (b"deflate", zlib.compress(PLAIN)),
    "deflate without a frame": (b"deflate", bare(PLAIN)),
}


def answer_of(encoding, body, status=b"200 OK"):
    return b"HTTP/1.1 %b\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n%b" % (status, encoding, len(body), body)


@pytest.mark.parametrize("name", PACKED)
async def test_unpacked_for_a_sender_and_untouched_in_an_exchange(scripted, client, name):
    encoding, packed = PACKED[name]
    async with scripted.running(reply(answer_of(encoding, packed))):
        provider = provider_at(scripted.base_url, client)
        sent = await collect(provider, chat())
        answer = await provider.exchange(post())
        assert await read_out(answer) == (packed, None)
    assert (sent.body, sent.error) == (PLAIN, None)
    assert "content-encoding" not in sent.head.headers
    assert answer.header(b"content-encoding") == encoding


async def test_an_encoding_that_nobody_here_knows_is_passed_on(scripted, client):
    async with scripted.running(reply(answer_of(b"br", b"\x01\x02"))):
        sent = await collect(provider_at(scripted.base_url, client), chat())
    assert sent.body == b"\x01\x02"
    assert sent.head.headers["content-encoding"] == "br"


@pytest.mark.parametrize(
    "packed",
    [b"no gzip at all", gzip.compress(PLAIN)[:-3], gzip.compress(PLAIN) + b"more"],
    ids=["nothing packed", "cut short", "more behind"],
)
async def test_what_cannot_be_unpacked_is_broken(scripted, client, packed):
    async with scripted.running(reply(answer_of(b"gzip", packed))):
        sent = await collect(provider_at(scripted.base_url, client), chat())
    assert type(sent.error) is UpstreamBroke
    assert PLAIN.startswith(sent.body)


@given(st.sampled_from(sorted(PACKED)), st.integers(1, 60))
def test_any_cut_unpacks_to_the_same(name, size):
    encoding, packed = PACKED[name]
    decoder, out = Decoder(encoding.lower()), b""
    for at in range(0, len(packed), size):
        out += b"".join(decoder.feed(packed[at : at + size]))
    decoder.finish()
    assert out == PLAIN


@given(st.binary(max_size=300), st.sampled_from([b"gzip", b"deflate"]))
def test_any_bytes_are_unpacked_or_refused(data, encoding):
    decoder = Decoder(encoding)
    try:
        for piece in decoder.feed(data):
            assert len(piece) <= PIECE_BYTES
        decoder.finish()
    except Undecodable:
        pass


def test_a_little_that_becomes_very_much_is_handed_on_in_pieces():
    bomb = gzip.compress(bytes(50_000_000))
    assert max(len(piece) for piece in Decoder(b"gzip").feed(bomb)) <= PIECE_BYTES
    assert len(unpack(bomb, b"gzip", 1000)) == 1000


def test_codings_that_are_named():
    assert encoding_of([(b"content-ENCODING", b" GZIP ")]) == b"gzip"
    assert encoding_of([(b"Content-Encoding", b"identity"), (b"Content-Encoding", b"")]) == b""
    assert encoding_of([(b"Content-Encoding", b"gzip"), (b"Content-Encoding", b"br")]) == b"gzip, br"


@pytest.mark.parametrize(("encoding", "pack"), [(b"gzip", gzip.compress), (b"deflate", zlib.compress), (b"br", bytes)])
async def test_a_key_does_not_hide_in_a_packed_error(scripted, client, encoding, pack):
    packed = pack(b"bad key " + CANARY.encode())
    async with scripted.running(reply(answer_of(encoding, packed, b"401 No"))):
        answer = await provider_at(scripted.base_url, client).exchange(post())
        body, _ = await read_out(answer)
    assert body == (b"" if encoding == b"br" else b"bad key ***"), "what cannot be looked into is not handed on"
    assert answer.header(b"content-encoding") is None
    assert answer.header(b"content-length") == b"%d" % len(body)


async def test_a_packed_error_without_the_key_stays_packed(scripted, client):
    packed = gzip.compress(b"no such model")
    async with scripted.running(reply(answer_of(b"gzip", packed, b"404 No"), "stay")):
        provider = provider_at(scripted.base_url, client)
        answer = await provider.exchange(post())
        assert await read_out(answer) == (packed, None)
        assert answer.header(b"content-encoding") == b"gzip"
        assert (await collect(provider, chat())).body == b"no such model"


async def test_a_key_at_the_edge_of_what_is_read_does_not_show_in_part(scripted, client):
    body = b"x" * (ERROR_BODY_BYTES - 5) + CANARY.encode() + b"y" * 100
    async with scripted.running(reply(b"HTTP/1.1 500 Oh\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))):
        answer = await provider_at(scripted.base_url, client).exchange(post())
        said, _ = await read_out(answer)
    assert len(said) <= ERROR_BODY_BYTES
    assert CANARY[:5].encode() not in said
