"""Answers alike are read by their shape: with the same outcome as without, and only if they are of the plainest form."""

import random

import pytest

from support.answers import OK
from support.wireless import Keeper, Wire, near_and_far
from talkmeter.providers.http import shapes
from talkmeter.providers.http.connection import Connection
from talkmeter.providers.http.heads import HEAD_BYTES
from talkmeter.providers.http.plain import read_plain
from talkmeter.providers.http.shapes import MOST_LESS, MOST_SHAPES, key_of, shape_of
from talkmeter.providers.http.timeouts import Timeouts

HEAD = (
    b"Date: Fri, 27 Nov 2026 07:00:00 GMT\r\nContent-Type: application/json\r\nCONTENT-length: 2\r\n"
    b"Connection: keep-alive\r\nset-cookie: a\r\nx-100%: caf\xe9\r\nSet-Cookie: b\r\n\r\n"
)
WHOLE = OK + HEAD + b"ok"
MISSED = {
    "another status": WHOLE.replace(b"200 OK", b"201 OK"),
    "another reason": WHOLE.replace(b"200 OK", b"200 Okay"),
    "an older version": WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "another name": WHOLE.replace(b"x-100%", b"x-200%"),
    "a name in other letters": WHOLE.replace(b"Date", b"date"),
    "one more": WHOLE.replace(b"\r\n\r\n", b"\r\nX: y\r\n\r\n"),
    "one less": WHOLE.replace(b"set-cookie: a\r\n", b""),
    "another order": WHOLE.replace(b"set-cookie: a\r\nx-100%: caf\xe9\r\n", b"x-100%: caf\xe9\r\nset-cookie: a\r\n"),
    "a value that is empty": WHOLE.replace(b"caf\xe9", b""),
    "white space before a value": WHOLE.replace(b"caf\xe9", b" caf\xe9"),
    "white space after a value": WHOLE.replace(b"caf\xe9", b"caf\xe9 "),
    "white space of another kind": WHOLE.replace(b"caf\xe9", b"a\tb"),
    "a line end in a value": WHOLE.replace(b"caf\xe9", b"a\nb"),
    "a lone return": WHOLE.replace(b"caf\xe9", b"a\rb"),
    "a control": WHOLE.replace(b"caf\xe9", b"a\0b"),
    "a length with a sign": WHOLE.replace(b": 2\r\n", b": +2\r\n"),
    "a length that is a list": WHOLE.replace(b": 2\r\n", b": 2, 2\r\n"),
    "a body that is shorter": WHOLE[:-1],
    "a body that is longer": WHOLE + b"!",
    "a connection that closes": WHOLE.replace(b"keep-alive", b"close"),
    "a head too large": WHOLE.replace(b"caf\xe9", b"a" * HEAD_BYTES),
}


def shape():
    return shape_of(key_of(read_plain(WHOLE)))


def test_what_is_alike_is_found():
    found = shape().read(WHOLE)
    plain = read_plain(WHOLE)
    assert list(zip(shape().names, found.groups(), strict=True)) == plain.headers
    assert found.string[found.end() :] == plain.body == b"ok"
    assert shape().at[b"set-cookie"] == 5
    assert shape().read(WHOLE.replace(b"keep-alive", b"Keep-Alive").replace(b"Fri", b"Sat")) is not None
    assert shape().read(WHOLE.replace(b": 2\r\n", b": 12\r\n") + b"0123456789") is not None


@pytest.mark.parametrize("name", MISSED)
def test_what_is_not_alike_is_not(name):
    assert shape().read(MISSED[name]) is None


def test_whatever_a_shape_takes_is_in_order():
    """Bytes changed at random: where the shape finds an answer, the reader that knows no shape finds the same."""
    chance, taken = random.Random(7), 0
    for _ in range(20_000):
        data = bytearray(WHOLE)
        for _ in range(chance.choice((1, 1, 2, 3))):
            at = chance.randrange(len(data))
            match chance.randrange(3):
                case 0:
                    data[at] = chance.randrange(256)
                case 1:
                    del data[at : at + chance.randrange(1, 4)]
                case _:
                    data[at:at] = chance.choice(
                        (b" ", b"\r\n", b"\n", b"\r", b"\0", b"0", b": ", b"a", b"\xff", b"X: y\r\n")
                    )
        found = shape().read(bytes(data))
        if found is None:
            continue
        plain, taken = read_plain(bytes(data)), taken + 1
        assert plain is not None, data
        assert plain.headers == list(zip(shape().names, found.groups(), strict=True))
        assert (plain.status, plain.reason, plain.body) == (200, b"OK", found.string[found.end() :])
    assert taken > 1000


def test_lines_are_given_without_some_names():
    found, all_ = shape().read(WHOLE), HEAD[:-2]
    assert shape().lines(found, frozenset()) == all_
    assert shape().lines(found, frozenset((b"set-cookie", b"x"))) == all_.replace(b"set-cookie: a\r\n", b"").replace(
        b"Set-Cookie: b\r\n", b""
    )
    assert shape().lines(found, frozenset(shape().at) - {b"x-100%"}) == b"x-100%: caf\xe9\r\n"
    assert shape().lines(found, frozenset(shape().at)) == b""
    for number in range(MOST_LESS + 1):
        assert shape().lines(found, frozenset((b"x-%d" % number,))) == all_
    assert len(shape()._less) <= MOST_LESS


def test_shapes_are_not_kept_without_end():
    first = shape()
    assert shape() is first
    for number in range(MOST_SHAPES):
        shape_of((200, b"OK", (b"Content-Length", b"X-%d" % number)))
    assert len(shapes._shapes) <= MOST_SHAPES
    assert shape() is not first


async def test_a_connection_reads_by_the_shape_of_the_last_answers():
    other = OK + b"X-Other: 1\r\nContent-Length: 5\r\n\r\nother"
    with near_and_far() as near:
        connection = Connection(Keeper(), near.fileno())
        connection.connection_made(Wire())
        for count, raw in enumerate([WHOLE, WHOLE, WHOLE, other, WHOLE, WHOLE, other, other, other], 1):
            answer = connection.send("POST", b"head", b"", Timeouts())
            connection.data_received(raw.replace(b"GMT", b"GMT+%d" % count))
            plain = read_plain(raw.replace(b"GMT", b"GMT+%d" % count))
            assert (answer.status, answer.reason, answer.complete) == (200, b"OK", True)
            assert answer.headers == plain.headers
            assert answer.headers is answer.headers
            by_name = [answer.header(name) for name in (b"date", b"set-cookie", b"x-other", b"content-length", b"no")]
            assert by_name == [
                next((value for one, value in plain.headers if one.lower() == name), None)
                for name in (b"date", b"set-cookie", b"x-other", b"content-length", b"no")
            ]
            assert answer.header_lines(frozenset((b"date",))) == b"".join(
                b"%b: %b\r\n" % pair for pair in plain.headers if pair[0].lower() != b"date"
            )
            assert await answer.read() == plain.body
            assert answer.ended
        connection.abort()
