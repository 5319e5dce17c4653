"""A stream that breaks off after its head says why, where that can be said, and is never taken for the whole."""

import contextlib
import json

import openai
import pytest

from support.gate import chat
from support.openapi import DOCUMENT, problems, schema
from support.upstreams import Scripted, reply
from talkmeter.surfaces.web.client import Client

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
WORD = b'data: {"choices":[{"index":0,"delta":{"content":"hi"}}]}\n\n'
ERROR = b'data: {"error":{"message":"overloaded"}}\n\n'
DONE = b"data: [DONE]\n\n"


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.fixture
async def breaking(gate):
    """`await breaking(data)`: the answer to a chat whose provider says just that, then hangs up.

    asks: for the usage, without which the end of what came is looked through for it.
    """
    upstream = Scripted()

    async def call(data, *, asks=True):
        async with upstream.running(reply(data)):
            await gate.application.accounts.providers.add("Breaking", upstream.base_url, "sk-x")
            answer = await gate.call(
                "chat/completions", chat(model="Breaking/m", stream=True, stream_options={"include_usage": asks})
            )
            assert (await gate.entry_anywhere(answer))["outcome"] == "failed"
        assert (answer.status, answer.ended in ("fin", "rst")) == (200, True)
        return answer.body

    return call


def said(event):
    """The object in one event's data."""
    data = event.removeprefix(b"event: error\n")
    assert data.startswith(b"data: ")
    assert data.endswith(b"\n\n")
    return json.loads(data[6:])


async def test_between_two_events_the_error_follows(breaking):
    body = await breaking(HEAD + CHUNKED + b"\r\n" + chunk(WORD))
    assert body.startswith(WORD)
    error = said(body.removeprefix(WORD))["error"]
    assert (error["code"], error["type"], error["param"]) == ("upstream_broke", "server_error", None)
    assert error["message"]


async def test_an_event_whose_end_came_by_itself_has_ended(breaking):
    body = await breaking(HEAD + CHUNKED + b"\r\n" + chunk(WORD[:-1]) + chunk(b"\n"))
    assert said(body.removeprefix(WORD))["error"]["code"] == "upstream_broke"


async def test_half_an_event_that_was_held_back_is_left_out(breaking):
    """While a usage that only we have asked for is looked for; half an event is nothing that a client could read."""
    body = await breaking(HEAD + CHUNKED + b"\r\n" + chunk(WORD + b'data: {"cho'), asks=False)
    assert said(body.removeprefix(WORD))["error"]["code"] == "upstream_broke"


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (CHUNKED + b"\r\n" + chunk(WORD + b'data: {"cho'), WORD + b'data: {"cho'),
        (CHUNKED + b"\r\n" + chunk(WORD + DONE), WORD + DONE),
        (CHUNKED + b"\r\n" + chunk(WORD + ERROR), WORD + ERROR),
        (b"Content-Length: 999\r\n\r\n" + WORD, WORD),
        (CHUNKED + b"Content-Encoding: br\r\n\r\n" + chunk(b"packed\n\n"), b"packed\n\n"),
    ],
    ids=["in the middle of an event", "all was said", "the provider has said why", "its length is promised", "packed"],
)
async def test_where_nothing_can_be_said_nothing_is(breaking, answer, body):
    """What a client reads is a beginning of it at most: with a length that was promised the connection is reset."""
    came = await breaking(HEAD + answer)
    assert body.startswith(came)
    assert b"upstream_broke" not in came


async def test_a_response_says_it_as_the_responses_api_does(open_gate):
    gate = await open_gate(upstream_silence_seconds=1)
    gate.simulator.script({"fault": "hang-stream"})
    answer = await gate.call("responses", {"model": "sim-fast", "input": "hello", "stream": True})
    assert answer.body.startswith(gate.answered.body)
    event = answer.body.removeprefix(gate.answered.body)
    told = said(event)
    numbers = [json.loads(line[6:])["sequence_number"] for line in answer.body.splitlines() if line[:6] == b"data: "]
    assert event.startswith(b"event: error\n")
    assert numbers == list(range(len(numbers)))
    assert (told["type"], told["code"], told["param"]) == ("error", "upstream_silent", None)
    assert told["error"]["talkmeter"]["phase"] == "silence"
    assert told["error"]["message"] == told["message"]
    if DOCUMENT.exists():
        assert not problems(told, schema("ResponseErrorEvent"))


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
async def test_openais_own_client_raises_what_it_was_told(open_gate, endpoint):
    gate = await open_gate(upstream_silence_seconds=1)
    gate.simulator.script({"fault": "hang-stream"})
    _, token = await gate.key()
    async with openai.AsyncOpenAI(base_url=gate.base_url, api_key=token, max_retries=0) as client:
        if endpoint == "chat":
            stream = await client.chat.completions.create(**chat(), stream=True)
        else:
            stream = await client.responses.create(model="sim-fast", input="hello", stream=True)
        with pytest.raises(openai.APIError, match="time-out: silence") as broken:
            [event async for event in stream]
    assert broken.value.code == "upstream_silent"


async def test_a_mistake_of_ours_in_the_middle_is_not_the_providers(gate, monkeypatch, caplog):
    def broken(_self, data):
        raise KeyError(data)

    monkeypatch.setattr(Client, "take", broken)
    gate.simulator.script({"gate": True})
    connection = await gate.open("chat/completions", chat(stream=True))
    await gate.simulator.step(1)
    assert (await connection.head()).status == 200
    assert (await connection.rest()).ended in ("fin", "rst")
    await connection.close()
    (entry,) = (await gate.check_books(at_most=True)).values()
    assert (entry["outcome"], entry["error"]) == ("interrupted", None)
    assert "gateway_failed" in caplog.text


async def test_an_answer_that_we_break_off_at_our_end_says_so(gate):
    gate.simulator.script({"gate": True, "answer": "one two three four"})
    connection = await gate.open("chat/completions", chat(stream=True))
    await gate.simulator.step(4)
    await connection.head()
    text = await connection.chunk()
    await gate.application.gateway.close(0.0)
    with contextlib.suppress(Exception):
        while piece := await connection.chunk():
            text += piece
    error = said(text[text.rindex(b"data: ") :])["error"]
    assert error["code"] == "shutting_down"
    assert "stopping" in error["message"]
    await connection.close()
    (entry,) = (await gate.ledger()).values()
    assert entry["outcome"] == "interrupted"


@pytest.mark.parametrize("trailer", [False, True])
async def test_a_stream_of_a_stated_length_may_become_another(gate, trailer):
    """Proxies that buffer state the length of a whole stream; what we take out or add makes it another."""
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}\n\n'
    body = WORD + usage + DONE
    upstream = Scripted()
    async with upstream.running(reply(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body, then="stay")):
        await gate.application.accounts.providers.add("Buffering", upstream.base_url, "sk-x")
        asked = chat(
            model="Buffering/m", stream=True, **({"stream_options": {"include_usage": True}} if trailer else {})
        )
        headers = {"x_talkmeter_cost": "trailer"} if trailer else {}
        answer = await gate.call("chat/completions", asked, **headers)
        entry = await gate.entry_anywhere(answer)
    assert (answer.status, entry["outcome"], entry["prompt_tokens"]) == (200, "finished", 3)
    assert "content-length" not in answer.headers
    rest = answer.body.removeprefix(body if trailer else WORD + DONE)
    assert rest.startswith(b": talkmeter call=") if trailer else rest == b""
