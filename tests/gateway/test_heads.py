"""Requests whose head is remembered go past the server's parser: only the plainest, and with the same outcome."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.gate import chat, gate_open
from support.raw_http import RawConnection
from talkmeter.surfaces.openai.heads import MOST_HEADS, KnownHeads, plain_head

BODY = json.dumps(chat()).encode()
LINES = (b"POST /v1/chat/completions HTTP/1.1", b"Host: localhost", b"Content-Type: application/json")


def request(*more, body=BODY, lines=LINES, length=None):
    said = b"Content-Length: %d" % (len(body) if length is None else length)
    return b"\r\n".join((*lines, *more, said)) + b"\r\n\r\n" + body


def test_a_plain_request_is_known_with_any_length_of_body():
    known = KnownHeads()
    head, body = known.whole(request())
    assert (head.method, head.path, head.target, body) == ("POST", "chat/completions", "chat/completions", BODY)
    assert head.headers[b"content-type"] == b"application/json"
    again, other = known.whole(request(body=b"{}"))
    assert again is head
    assert other == b"{}"
    assert known.whole(request(b"X-Talkmeter-Tags: a, b"))[0].tags == ("a", "b")


@pytest.mark.parametrize("data", [
    request(b"Transfer-Encoding: chunked"),
    request(b"Expect: 100-continue"),
    request(b"Connection: close"),
    request(b"Connection: keep-alive, upgrade", b"Upgrade: websocket"),
    request(b"Content-Length: 7"),
    request(b"content-length : 7"),
    request(b"Trailer: x"),
    request(b"Host: other"),
    request(b" folded: x"),
    request(b"X: a\rb"),
    request(b"X: a\x00b"),
    request(b"X\xc3: a"),
    request(b"no colon"),
    request(b"X-Talkmeter-Tags: no/such tag!"),
    request(b"\r\n".join([b"X: y"] * 70)),
    request(b"X: " + b"y" * 9000),
    request(length=len(BODY) + 1),
    request(length=len(BODY) - 1),
    request(lines=(b"POST /v1/chat/completions HTTP/1.0", *LINES[1:])),
    request(lines=(b"GET /v1/chat/completions HTTP/1.1", *LINES[1:])),
    request(lines=(b"POST /v1/chat/completions?x=1 HTTP/1.1", *LINES[1:])),
    request(lines=(b"POST /v1/../chat/completions HTTP/1.1", *LINES[1:])),
    request(lines=(b"POST /v1/files HTTP/1.1", *LINES[1:])),
    request(lines=(b"POST /v1/audio/transcriptions HTTP/1.1", *LINES[1:])),
    request(lines=(b"POST /api/rooms HTTP/1.1", *LINES[1:])),
    request(lines=(b"POST http://localhost/v1/chat/completions HTTP/1.1", *LINES[1:])),
    request(lines=(LINES[0], LINES[2])),
    request() + request(),
    request()[:-1],
    request()[:40],
    b"",
])  # fmt: skip
def test_whatever_is_not_plain_is_the_parsers(data):
    known = KnownHeads()
    assert known.whole(data) is None
    assert known.whole(data) is None, "nor the second time"


def test_keep_alive_may_be_said():
    assert KnownHeads().whole(request(b"Connection: Keep-Alive")) is not None


def test_heads_are_remembered_in_bounds():
    known = KnownHeads()
    for number in range(2 * MOST_HEADS):
        assert known.whole(request(b"Traceparent: %d" % number)) is not None
    assert len(known._heads) <= MOST_HEADS


@given(st.binary(max_size=200))
def test_any_bytes_are_plain_or_not(data):
    plain_head(data)
    plain_head(LINES[0] + b"\r\n" + data)
    KnownHeads().whole(data)


async def on_the_wire(gate, *pieces):
    """Sent as they are, one after the other; the answer, and the connection."""
    connection = await RawConnection.open(gate.base_url)
    for piece in pieces:
        await connection.write(piece)
        await asyncio.sleep(0.02)
    return await connection.next(), connection


def lines_for(gate, key=None):
    host = gate.root.removeprefix("http://").encode()
    lines = (LINES[0], b"Host: " + host, LINES[2])
    return lines if key is None else (*lines, b"Authorization: Bearer " + key.encode())


async def test_in_one_piece_or_in_several_the_answer_is_the_same(gate):
    whole = request(lines=lines_for(gate))
    one, first = await on_the_wire(gate, whole)
    cut, second = await on_the_wire(gate, whole[:30], whole[30:-10], whole[-10:])
    for each in (first, second):
        await each.close()
    assert (one.status, cut.status) == (200, 200)
    assert one.headers.keys() == cut.headers.keys()
    assert one.json()["usage"] == cut.json()["usage"]
    assert len(await gate.check_books()) == 2


async def test_many_on_one_connection_whole_cut_and_pipelined(gate):
    whole = request(lines=lines_for(gate))
    connection = await RawConnection.open(gate.base_url)
    for sent in ([whole], [whole[:50], whole[50:]], [whole], [whole + whole], [whole + whole[:80], whole[80:]]):
        for piece in sent:
            await connection.write(piece)
            await asyncio.sleep(0.02)
        for _ in range(b"".join(sent).count(b"POST ")):
            assert (await connection.next()).status == 200
    await connection.close()
    assert len(await gate.check_books()) == 7


async def test_a_second_request_waits_for_the_answer_to_the_first(gate):
    lines = lines_for(gate)
    connection = await RawConnection.open(gate.base_url)
    await connection.write(request(lines=lines, body=json.dumps(chat("one", stream=True)).encode()))
    await asyncio.sleep(0.01)
    await connection.write(request(lines=lines, body=json.dumps(chat("two")).encode()))
    first = await connection.next()
    assert first.events[-1] == b"[DONE]"
    assert (await connection.next()).json()["object"] == "chat.completion"
    await connection.close()
    assert len(await gate.check_books()) == 2


async def test_a_key_that_is_revoked_is_known_no_more(gate):
    key, token = await gate.key()
    whole = request(lines=lines_for(gate, token))
    connection = await RawConnection.open(gate.base_url)
    for status in (200, 401):
        await connection.write(whole)
        assert (await connection.next()).status == status
        if status == 200:
            await gate.application.accounts.keys.revoke(key.id)
    await connection.close()


async def test_the_largest_body_holds_here_too(tmp_path):
    async with gate_open(tmp_path, gateway_body_bytes=10_000) as gate:
        large = json.dumps(chat("x" * 12_000)).encode()
        answer, connection = await on_the_wire(gate, request(lines=lines_for(gate), body=large))
        await connection.close()
    assert answer.status == 413
    assert answer.json()["error"]["code"] == "body_too_large"


async def test_what_cannot_be_read_is_refused_in_the_doors_own_words(gate):
    answer, connection = await on_the_wire(gate, request(lines=lines_for(gate), body=b"{"))
    assert (answer.status, answer.json()["error"]["code"]) == (400, "invalid_json")
    await connection.write(request(lines=lines_for(gate)))
    assert (await connection.next()).status == 200, "the connection serves the next request"
    await connection.close()
