"""Behind any ASGI server: what is held goes out with what comes next, a break with its last words first."""

import pytest

from talkmeter.surfaces.openai.asgi_client import AsgiClient


@pytest.fixture
def sent():
    return []


@pytest.fixture
def client(sent):
    async def send(message):
        sent.append(message)

    return AsgiClient(send)


async def test_what_is_held_goes_out_in_order(client, sent):
    client.start(200, b"A: b: c\r\nx: \r\n", 12)
    client.take(b"one ")
    client.take(b"two ")
    await client.room()
    await client.finish(b"three")
    assert sent[0] == {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b: c"), (b"x", b"")]}
    assert [(message["body"], message["more_body"]) for message in sent[1:]] == [(b"one two ", True), (b"three", False)]


async def test_the_head_goes_out_with_the_first_that_follows_or_alone(client, sent):
    client.start(200, b"", None)
    assert sent == []
    await client.flush()
    await client.flush()
    assert [message["type"] for message in sent] == ["http.response.start"]
    await client.finish()
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


async def test_a_break_says_why_before_it_breaks(client, sent):
    client.take(b"one ")
    with pytest.raises(ConnectionAbortedError):
        await client.break_off(b"error")
    assert sent == [{"type": "http.response.body", "body": b"one error", "more_body": True}]
