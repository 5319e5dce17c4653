"""What a request can ask for beside faults: figures, names, headers, compression, size, delay; and tools, choices."""

import asyncio
import json
import zlib
from typing import Any

import pytest

from support.simulator_bench import Bench, prompt_of, tokens_of
from talkmeter.simulator import Simulator
from talkmeter.simulator.schemas import value_for

SAID = "say: one two three"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
USAGE = {
    "prompt_tokens": 2000,
    "completion_tokens": 300,
    "total_tokens": 2300,
    "prompt_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 512, "audio_tokens": 7, "image_tokens": 9},
    "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 11},
}


@pytest.mark.parametrize("stream", [True, False])
async def test_an_exact_usage_is_reported_and_charged(bench: Bench, stream: bool) -> None:
    fields = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    answer = await bench.ask(bench.request(question=SAID, simulate={"usage": USAGE}, **fields))
    told = answer.payloads[-1]["usage"] if stream else answer.json()["usage"]
    assert told == USAGE == bench.row.usage_sent
    row = bench.row
    assert (row.prompt_tokens, row.cached_tokens, row.cache_write_tokens) == (2000, 1024, 512)
    assert (row.prompt_audio_tokens, row.prompt_image_tokens) == (7, 9)
    assert (row.completion_tokens, row.reasoning_tokens, row.completion_audio_tokens) == (300, 64, 11)


async def test_a_usage_that_cannot_be_is_not_charged(bench: Bench) -> None:
    body = bench.request(question=SAID)
    await bench.ask({**body, "simulate": {"usage": {"prompt_tokens": "many"}}})
    assert bench.charged() == (prompt_of(body), 3)


async def test_served_tier_and_model_can_differ_from_what_was_asked(bench: Bench) -> None:
    wish = {"served_tier": "default", "served_model": "sim-fast-2026-11-20"}
    answer = await bench.ask(bench.request(service_tier="priority", simulate=wish))
    assert (answer.json()["service_tier"], answer.json()["model"]) == ("default", "sim-fast-2026-11-20")
    assert (bench.row.service_tier, bench.row.model, bench.row.served_model) == (
        "default",
        "sim-fast",
        "sim-fast-2026-11-20",
    )


@pytest.mark.parametrize("stream", [True, False])
async def test_a_body_is_compressed_for_who_takes_it(bench: Bench, stream: bool) -> None:
    body = bench.request(question=SAID, stream=stream, simulate={"gzip": True})
    plain = await bench.ask(body)
    assert "content-encoding" not in plain.headers
    packed = await bench.ask(body, Accept_Encoding="gzip, br")
    assert packed.headers["content-encoding"] == "gzip"
    unpacked = zlib.decompress(packed.body, wbits=31)
    assert (b"one two three" in unpacked) is not stream
    assert len(unpacked) == pytest.approx(len(plain.body), abs=30)
    assert (bench.row.sent_bytes, bench.charged()[1]) == (len(packed.body), 3)


async def test_every_compressed_event_can_be_read_when_it_comes(bench: Bench) -> None:
    body = bench.request(question=SAID, stream=True, simulate={"gzip": True, "gate": True})
    connection = await bench.open("chat/completions", body, Accept_Encoding="gzip")
    await connection.head()
    unpack = zlib.decompressobj(wbits=31)
    await bench.simulator.step(2)
    seen = unpack.decompress(await connection.chunk()) + unpack.decompress(await connection.chunk())
    assert seen.endswith(b"\n\n")
    assert b'"content":"one"' in seen
    await connection.close()
    assert await bench.simulator.settled()
    assert (bench.row.outcome, bench.row.completion_tokens) == ("client_left", 1)


async def test_one_event_can_be_large(bench: Bench) -> None:
    answer = await bench.ask(bench.request(question=SAID, stream=True, simulate={"event_bytes": 1_000_000}))
    sizes = [len(event) for event in answer.events]
    assert [size > 1_000_000 for size in sizes].count(True) == 1
    assert max(sizes) < 1_200_000
    assert answer.text == "one two three"
    whole = await bench.ask(bench.request(question=SAID, simulate={"event_bytes": 1_000_000}))
    assert len(whole.body) > 1_000_000
    assert whole.json()["padding"][0]["number"] == 0


async def test_headers_can_be_added_also_to_errors(bench: Bench) -> None:
    for fault in ({}, {"fault": "429"}):
        wish = {**fault, "headers": {"x-ratelimit-limit-requests": "60", "x-request-id": "mine"}}
        answer = await bench.ask(bench.request(simulate=wish))
        assert (answer.headers["x-ratelimit-limit-requests"], answer.headers["x-request-id"]) == ("60", "mine")


async def test_headers_can_come_late(bench: Bench) -> None:
    connection = await bench.open("chat/completions", bench.request(simulate={"delay": 0.2}))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(connection.head(), 0.05)
    assert (bench.row.status, bench.charged()) == (None, (0, 0))
    assert (await connection.rest()).status == 200
    await connection.close()


async def test_several_choices_are_interleaved_and_all_charged(bench: Bench) -> None:
    body = bench.streamed(question=SAID, n=3)
    answer = await bench.ask(body)
    choices = [payload["choices"][0] for payload in answer.payloads if payload["choices"]]
    assert [one["index"] for one in choices[:6]] == [0, 1, 2, 0, 1, 2]
    texts = ["".join(one["delta"].get("content") or "" for one in choices if one["index"] == n) for n in range(3)]
    assert texts == ["one two three"] * 3
    assert bench.charged() == (prompt_of(body), 9)
    whole = (await bench.ask(bench.request(n=3))).json()
    assert len({choice["message"]["content"] for choice in whole["choices"]}) > 1
    cut = await bench.ask({**body, "simulate": {"fault": "error-in-200", "after_events": 4}})
    assert cut.text == "oneoneone two"
    assert bench.charged() == (prompt_of(body), 4)


async def test_tools_are_called_as_asked(bench: Bench) -> None:
    question = 'tool: get_weather {"city": "서울"}\ntool: get_weather'
    body = bench.streamed(question=question, tools=[WEATHER])
    answer = await bench.ask(body)
    calls: dict[int, dict[str, str]] = {}
    for payload in answer.payloads[:-1]:
        for part in payload["choices"][0]["delta"].get("tool_calls", ()):
            call = calls.setdefault(part["index"], {"name": part["function"].get("name", ""), "arguments": ""})
            call["arguments"] += part["function"]["arguments"]
    assert [call["name"] for call in calls.values()] == ["get_weather"] * 2
    assert json.loads(calls[0]["arguments"]) == {"city": "서울"}
    assert set(json.loads(calls[1]["arguments"])) == {"city"}
    assert answer.payloads[-2]["choices"][0]["finish_reason"] == "tool_calls"
    expected = sum(tokens_of(part) for call in calls.values() for part in call.values())
    assert bench.charged() == (prompt_of(body), expected)
    whole = (await bench.ask(bench.request(question=question, tools=[WEATHER], parallel_tool_calls=False))).json()
    (choice,) = whole["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], call["type"], choice["message"]["content"]) == ("tool_calls", "function", None)
    result = {"role": "tool", "tool_call_id": call["id"], "content": "sunny"}
    history = [{"role": "user", "content": question}, choice["message"], result]
    after = (await bench.ask({"model": "sim-fast", "messages": history, "tools": [WEATHER]})).json()
    assert after["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("auto", False),
        ("none", False),
        ("required", True),
        ({"type": "function", "function": {"name": "get_weather"}}, True),
    ],
)
async def test_the_tool_choice_is_kept(bench: Bench, choice: Any, called: bool) -> None:
    answer = (await bench.ask(bench.request(tools=[WEATHER], tool_choice=choice))).json()
    assert ("tool_calls" in answer["choices"][0]["message"]) is called


@pytest.mark.parametrize("tools", ["x", [{"type": "function"}], [5]])
async def test_tools_that_are_none_are_refused(bench: Bench, tools: Any) -> None:
    assert (await bench.ask(bench.request(tools=tools))).status == 400


async def test_a_schema_is_satisfied(bench: Bench) -> None:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "age": {"type": "integer", "minimum": 18},
            "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}, "minItems": 2},
            "kind": {"anyOf": [{"const": "person"}, {"type": "null"}]},
        },
        "required": ["name", "age", "tags", "kind"],
        "$defs": {"tag": {"enum": ["a", "b"]}},
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "person", "schema": schema, "strict": True}}
    body = bench.request(question="who?", response_format=wanted)
    answer = (await bench.ask(body)).json()
    assert json.loads(answer["choices"][0]["message"]["content"]) == {
        "name": "who?",
        "age": 18,
        "tags": ["a", "a"],
        "kind": "person",
    }
    assert bench.charged()[0] == prompt_of(body)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "number", "exclusiveMinimum": 2}, 3),
        ({"type": "integer", "maximum": -5}, -5),
        ({"type": "integer", "minimum": 4, "multipleOf": 3}, 6),
        ({"type": ["null", "string"]}, None),
        ({"type": "boolean"}, True),
        ({"type": "string", "format": "date"}, "2026-11-20"),
        ({"type": "string", "minLength": 4}, "hi··"),
        ({"type": "string", "maxLength": 1}, "h"),
        ({"type": "array", "maxItems": 0}, []),
        ({"$ref": "#"}, "hi"),
        ("nothing", "hi"),
    ],
)
def test_simple_schemas(schema: Any, value: Any) -> None:
    assert value_for(schema, "hi") == value


async def test_logprobs_have_the_right_form(bench: Bench) -> None:
    whole = (await bench.ask(bench.request(question=SAID, logprobs=True))).json()
    content = whole["choices"][0]["logprobs"]["content"]
    assert "".join(one["token"] for one in content) == "one two three"
    streamed = await bench.ask(bench.request(question=SAID, logprobs=True, stream=True))
    assert streamed.payloads[1]["choices"][0]["logprobs"]["content"][0]["token"] == "one"


async def test_the_row_says_who_asked(bench: Bench) -> None:
    headers = {"Authorization": "Bearer sk-test-ABCD", "OpenAI_Project": "proj_1"}
    await bench.ask(bench.request(user="u-1", safety_identifier="s-1"), **headers)
    row = bench.row
    assert (row.key, row.project, row.user, row.safety_identifier) == ("ABCD", "proj_1", "u-1", "s-1")
    assert (row.method, row.endpoint, row.batch) == ("POST", "/v1/chat/completions", False)


async def test_a_script_can_name_its_endpoint(bench: Bench) -> None:
    bench.simulator.script(
        {"fault": "429", "endpoint": "/v1/embeddings"}, {"fault": "503", "endpoint": "/v1/responses/{id}"}
    )
    assert (await bench.ask(bench.request())).status == 200
    assert (await bench.call("embeddings", {"model": "sim-embedding", "input": "x"})).status == 429
    made = (await bench.call("responses", {"model": "sim-fast", "input": "x"})).json()
    assert (await bench.call(f"responses/{made['id']}")).status == 503


async def test_with_any_model_real_names_are_answered(bench: Bench) -> None:
    real = Simulator(None, 0, any_model=True)
    other = Bench(real, await real.start())
    names = {
        "chat": ("gpt-4o-mini", "gpt-4o-2024-08-06", "gpt-5.6-luna", "o3", "gpt-5-chat-latest"),
        "completion": ("gpt-3.5-turbo-instruct",),
        "embedding": ("text-embedding-3-small", "text-embedding-3-large"),
    }
    from support.simulator_requests import smallest

    for kind, models in names.items():
        for model in models:
            path, body = smallest(kind, model)
            answer = await other.call(path, body)
            assert (answer.status, answer.json()["model"]) == (200, model)
            assert (await bench.call(path, body)).status == 404
    assert (await other.ask(other.request("llama-9"))).status == 404
    assert (await other.call("models/gpt-4o")).status == 200
    await real.stop()
