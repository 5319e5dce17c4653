"""Packed answers, in any pieces; what would become too much is given up."""

import gzip
import os
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.metering.unpacking import FREE_BYTES, MOST_TIMES, PIECE_BYTES, Unpackable, Unpacker


def unpacked(pieces):
    unpacker = Unpacker()
    return b"".join(out for piece in pieces for out in unpacker.feed(piece)), unpacker


@given(st.binary(max_size=3000), st.binary(max_size=300), st.integers(1, 50), st.sampled_from([b"", b"\0\0", b"x"]))
def test_one_file_after_the_other_in_any_pieces(first, second, size, rest):
    data = gzip.compress(first) + gzip.compress(second) + rest
    out, unpacker = unpacked(data[at : at + size] for at in range(0, len(data), size))
    assert out == first + second
    assert not unpacker.in_the_middle


@given(st.binary(max_size=3000), st.integers(1, 50))
def test_deflate_with_its_frame(text, size):
    data = zlib.compress(text)
    assert unpacked(data[at : at + size] for at in range(0, len(data), size))[0] == text


def test_large_answers_come_in_pieces():
    text = os.urandom(3 << 20)
    pieces = list(Unpacker().feed(gzip.compress(text, 1)))
    assert b"".join(pieces) == text
    assert max(map(len, pieces)) <= PIECE_BYTES


def test_what_is_not_there_yet():
    unpacker = Unpacker()
    assert not unpacker.in_the_middle
    assert b"".join(unpacker.feed(gzip.compress(b"hello")[:-1])) == b"hello"
    assert unpacker.in_the_middle


@pytest.mark.parametrize("data", [b"none of it", gzip.compress(b"a") + b"\x1fx" * 20], ids=["none", "its beginning"])
def test_what_is_not_packed(data):
    with pytest.raises(Unpackable, match="could not be read"):
        unpacked([data])


def test_a_bomb_is_given_up():
    bomb = gzip.compress(bytes(64 << 20))
    unpacker, size = Unpacker(), 0
    with pytest.raises(Unpackable, match="100 times its size"):
        for piece in unpacker.feed(bomb):
            size += len(piece)
    assert size <= FREE_BYTES + MOST_TIMES * len(bomb)
    assert len(b"".join(Unpacker().feed(gzip.compress(bytes(FREE_BYTES))))) == FREE_BYTES, "so much may be anything"
