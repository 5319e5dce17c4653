"""The same bytes mean the same however the network cuts them; broken bytes end in our errors, or mean what they say."""

import asyncio
import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support import http_by_the_book
from support.answers import BROKEN_CHUNKS, CHUNKED, INTERIM, OK, REFUSED_HEADS, TAKEN, TWO
from support.wireless import feed

ROUNDS = int(os.environ.get("TALKMETER_FUZZ", "4000"))  # for each seed

ALL = [
    *REFUSED_HEADS.values(),
    *(raw for raw, _, _ in TAKEN.values()),
    *(CHUNKED + raw for raw, _ in BROKEN_CHUNKS.values()),
]
SHORT = [raw for raw in ALL if len(raw) < 2000]
SEEDS = [
    TWO,
    CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
    CHUNKED + b'3;a="b"\r\nyes\r\nA\r\n0123456789\r\n0\r\nX-T: u\r\n\r\n',
    OK + b"Content-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: hello\n\n",
    INTERIM + OK + b"X-A: b\r\nContent-Length: 10\r\nSet-Cookie: c\r\n\r\n0123456789",
]
# What a smuggler would try; put in at random besides random bytes.
WORDS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\r\n\r\n",
        b"\0",
        b" ",
        b"\t",
        b":",
        b";",
        b",",
        b"0\r\n\r\n",
        b"-",
        b"+",
        b"0x",
        b"\xff",
    ),
    *(
        b"Content-Length: 3\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip\r\n",
        b"chunked",
        b"gzip, ",
    ),
    *(b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0", b"Connection: close\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"204", b"101"),
]


@st.composite
def cut(draw, raw):
    at = sorted(draw(st.sets(st.integers(1, max(1, len(raw) - 1)), max_size=12)))
    return [raw[a:b] for a, b in zip([0, *at], [*at, len(raw)], strict=True) if a < b]


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_any_cut_gives_the_same(data):
    raw = data.draw(st.sampled_from(SHORT))
    pieces = data.draw(cut(raw))
    compare(raw, pieces)


@pytest.mark.parametrize("raw", ALL)
def test_bytes_that_come_one_by_one_give_the_same(raw):
    step = 1 if len(raw) < 2000 else 97
    compare(raw, [raw[at : at + step] for at in range(0, len(raw), step)])


def compare(raw, pieces):
    whole, cut_up = run(feed([raw])), run(feed(pieces))
    assert cut_up[:4] == whole[:4]
    if whole.kept:  # a cut may fall before bytes that nobody asked for; then they are found while it rests
        assert cut_up.kept


def run(coroutine):
    """It never waits for anything, so it needs no loop of its own for each example."""
    with asyncio.Runner() as runner:
        return runner.run(coroutine)


def broken(raw, chance):
    data = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0 if at < len(data):
                data[at] = chance.randrange(256)
            case 1 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 2:
                del data[at : at + chance.randrange(1, 12)]
            case 3:
                data[at:at] = chance.choice(WORDS)
            case 4:
                data[at:at] = data[chance.randrange(len(data) + 1) :][: chance.randrange(1, 40)]
            case _:
                del data[at:]
                data += chance.choice((b"", raw[-chance.randrange(1, 20) :]))
    return bytes(data)


@pytest.mark.parametrize("seed", range(len(SEEDS)))
async def test_broken_bytes_are_never_taken_for_another_body(seed):
    chance = random.Random(seed)
    for _ in range(ROUNDS):
        raw = broken(SEEDS[seed], chance)
        pieces = [raw[at : at + 7] for at in range(0, len(raw), 7)] if chance.random() < 0.3 else [raw]
        ours = await feed(pieces)
        assert ours.kind in ("ended", "headers", "stream"), (raw, ours)
        if ours.kind == "headers":
            continue
        theirs = http_by_the_book.read(raw)
        assert theirs is not None, (raw, ours)
        status, body, whole = theirs
        assert (ours.status, ours.body) == (status, body[: len(ours.body)]), (raw, ours, theirs)
        if ours.kind == "ended":
            assert ours.body == body, (raw, ours, theirs)
            assert whole is not False, (raw, ours, theirs)
        assert not (ours.kept and whole is None), (raw, ours)
