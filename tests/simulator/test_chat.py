"""The wire shape of honest answers, and their true usage."""

import base64
import json
import struct
import zlib

import pytest

from support.raw_http import exchange
from support.simulator_bench import Bench, prompt_of, tokens_of
from support.simulator_requests import FORM, form, smallest
from talkmeter.simulator import Simulator
from talkmeter.simulator.models import KINDS


async def test_models_are_listed_as_openai_lists_them(bench: Bench) -> None:
    answer = await exchange(f"{bench.base_url}/models")
    listed = answer.json()
    assert answer.status == 200
    assert listed["object"] == "list"
    names = [model["id"] for model in listed["data"]]
    assert names[:5] == ["sim-fast", "sim-slow", "sim-reasoning", "sim-korean", "sim-markdown"]
    assert {"sim-fault-refuse", "sim-fault-429", "sim-fault-cut-200", "sim-fault-crlf"} <= set(names)
    assert all(set(model) == {"id", "object", "created", "owned_by"} for model in listed["data"])
    assert all(model["object"] == "model" for model in listed["data"])


async def test_one_model_can_be_asked_for(bench: Bench) -> None:
    shown = await exchange(f"{bench.base_url}/models/sim-korean")
    assert (shown.status, shown.json()["id"]) == (200, "sim-korean")
    missing = await exchange(f"{bench.base_url}/models/gpt-4o")
    assert (missing.status, missing.json()["error"]["code"]) == (404, "model_not_found")


async def test_other_addresses_are_refused_in_the_same_shape(bench: Bench) -> None:
    for method, url in (("GET", "/v1/chat/completions"), ("POST", "/v1/threads"), ("GET", "/")):
        answer = await exchange(f"{bench.root}{url}", {}, method=method)
        assert (answer.status, answer.json()["error"]["code"]) == (404, "unknown_url")
    assert bench.simulator.bill.rows == []


async def test_every_listed_model_exists(bench: Bench) -> None:
    names = [model["id"] for model in (await exchange(f"{bench.base_url}/models")).json()["data"]]
    for name in names:
        path, body = smallest(KINDS.get(name, "chat"), name)
        body["simulate"] = {"fault": "status", "status": 418}
        if KINDS.get(name) == "transcription":
            answer = await bench.call(path, form(body), Content_Type=FORM)
        else:
            answer = await bench.call(path, body)
        assert answer.status == 418, name


async def test_a_whole_answer(bench: Bench) -> None:
    body = bench.request(question="What does a token cost?")
    answer = await bench.ask(body, Authorization="Bearer sk-anything", X_Client_Request_Id="mine-1")
    whole = answer.json()
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-request-id"] == bench.row.id
    assert whole["object"] == "chat.completion"
    assert whole["id"].startswith("chatcmpl-")
    assert (whole["model"], whole["service_tier"]) == ("sim-fast", "default")
    assert whole["system_fingerprint"].startswith("fp_")
    (choice,) = whole["choices"]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["role"] == "assistant"
    text = choice["message"]["content"]
    assert "simulator" in text
    assert "not from a real model" in text
    usage = whole["usage"]
    assert usage["prompt_tokens"] == prompt_of(body)
    assert usage["completion_tokens"] == tokens_of(text)
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    row = bench.row
    assert (row.outcome, row.status, row.stream, row.client_request_id) == ("finished", 200, False, "mine-1")
    assert bench.charged() == (usage["prompt_tokens"], usage["completion_tokens"])
    assert (row.sent_bytes, row.sent_text, row.usage_sent) == (len(answer.body), len(text), usage)


async def test_a_streamed_answer(bench: Bench) -> None:
    body = bench.streamed(question="토큰 하나는 얼마인가요?")
    answer = await bench.ask(body)
    assert answer.ended == "complete"
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.events[-1] == b"[DONE]"
    role, *contents, finish, usage = answer.payloads
    assert role["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert all(list(chunk["choices"][0]["delta"]) == ["content"] for chunk in contents)
    assert (finish["choices"][0]["delta"], finish["choices"][0]["finish_reason"]) == ({}, "stop")
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in [role, *contents])
    assert usage["choices"] == []
    assert all(chunk["usage"] is None for chunk in [role, *contents, finish])
    for chunk in answer.payloads:
        assert chunk["object"] == "chat.completion.chunk"
        assert (chunk["id"], chunk["created"]) == (role["id"], role["created"])
        assert (chunk["model"], chunk["service_tier"]) == ("sim-fast", "default")
    assert usage["usage"]["prompt_tokens"] == prompt_of(body)
    assert usage["usage"]["completion_tokens"] == tokens_of(answer.text)
    assert bench.row.outcome == "finished"
    assert bench.row.usage_sent == usage["usage"]
    assert bench.charged() == (prompt_of(body), tokens_of(answer.text))
    assert (bench.row.sent_bytes, bench.row.sent_text) == (len(answer.body), len(answer.text))


async def test_every_event_is_a_chunk_of_its_own(bench: Bench) -> None:
    answer = await bench.ask(bench.streamed(question="say: one two three"))
    assert [chunk.count(b"\n\n") for chunk in answer.chunks] == [1] * len(answer.events)


async def test_usage_and_obfuscation_are_sent_as_asked_for(bench: Bench) -> None:
    plain = await bench.ask(bench.streamed(stream_options={"include_obfuscation": False}))
    assert all("usage" not in chunk and "obfuscation" not in chunk for chunk in plain.payloads)
    assert bench.row.usage_sent is None
    assert bench.charged() == (prompt_of(bench.streamed()), tokens_of(plain.text))
    padded = await bench.ask(bench.streamed())
    assert all(chunk["obfuscation"] for chunk in padded.payloads[:-1])


async def test_the_same_question_gets_the_same_answer(bench: Bench) -> None:
    first = await bench.ask(bench.streamed())
    again = await bench.ask(bench.request())
    assert again.json()["choices"][0]["message"]["content"] == first.text


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("question", ["long 4000", "길게 4000", "say: short"])
async def test_max_tokens_cuts_the_answer(bench: Bench, field: str, question: str) -> None:
    whole = (await bench.ask(bench.streamed(question=question))).text
    for limit in (1, 7, 100):
        answer = await bench.ask(bench.streamed(question=question, **{field: limit}))
        cut = tokens_of(whole) > limit
        assert answer.payloads[-2]["choices"][0]["finish_reason"] == ("length" if cut else "stop")
        assert whole.startswith(answer.text)
        assert tokens_of(answer.text) <= limit
        assert not cut or limit - tokens_of(answer.text) < 3
        assert answer.payloads[-1]["usage"]["completion_tokens"] == tokens_of(answer.text)


async def test_stop_sequences_end_the_answer_before_them(bench: Bench) -> None:
    for stop in ("four", ["nothing of it", "three", "four"]):
        answer = await bench.ask(bench.request(question="say: one two three four", stop=stop))
        choice = answer.json()["choices"][0]
        expected = "one two three " if stop == "four" else "one two "
        assert (choice["message"]["content"], choice["finish_reason"]) == (expected, "stop")
        assert bench.charged()[1] == tokens_of(expected)


async def test_reasoning_is_inside_the_completion(bench: Bench) -> None:
    answer = await bench.ask(bench.streamed("sim-reasoning"))
    usage = answer.payloads[-1]["usage"]
    reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
    assert reasoning > 0
    assert reasoning % 64 == 0
    assert usage["completion_tokens"] == reasoning + tokens_of(answer.text)
    assert bench.row.reasoning_tokens == reasoning
    await bench.ask(bench.streamed("sim-reasoning", reasoning_effort="high"))
    assert bench.row.reasoning_tokens == 2 * reasoning
    await bench.ask(bench.streamed("sim-reasoning", reasoning_effort="minimal"))
    assert bench.row.reasoning_tokens == 0


async def test_reasoning_uses_up_the_limit_first(bench: Bench) -> None:
    body = bench.streamed("sim-reasoning", simulate={"reasoning_tokens": 64}, max_completion_tokens=50)
    answer = await bench.ask(body)
    assert answer.text == ""
    assert answer.payloads[-2]["choices"][0]["finish_reason"] == "length"
    assert (bench.row.completion_tokens, bench.row.reasoning_tokens) == (50, 50)


async def test_a_repeated_prefix_is_cached_in_steps_of_128(bench: Bench) -> None:
    history = [{"role": "system", "content": "meter " * 1200}, {"role": "user", "content": "one"}]

    async def cached(messages: list[dict[str, str]], key: str = "sk-a", **fields: object) -> int:
        body = {"model": "sim-fast", "messages": messages, **fields}
        answer = await bench.ask(body, Authorization=f"Bearer {key}")
        told = answer.json()["usage"]["prompt_tokens_details"]["cached_tokens"]
        assert told == bench.row.cached_tokens
        return told

    assert await cached(history) == 0
    first = prompt_of({"model": "sim-fast", "messages": history}) - 3
    assert await cached(history) == first // 128 * 128
    longer = [*history, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "two " * 200}]
    assert await cached(longer) == first // 128 * 128
    assert await cached(longer) > first
    assert await cached([history[0], {"role": "user", "content": "other"}]) > 1100
    assert await cached(history, key="sk-b") == 0
    assert await cached(history, tools=[{"type": "function", "function": {"name": "f"}}]) == 0
    assert await cached([{"role": "system", "content": "short"}]) == 0
    assert await cached([{"role": "system", "content": "short"}]) == 0


def png(width: int, height: int) -> str:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = zlib.compress(b"".join(b"\0" + b"\0" * width * 3 for _ in range(height)))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    raw = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(raw).decode()}"


async def test_images_are_counted_by_the_real_formula(bench: Bench) -> None:
    def body(width: int, height: int) -> dict[str, object]:
        parts = [
            {"type": "text", "text": "What is on it?"},
            {"type": "image_url", "image_url": {"url": png(width, height)}},
        ]
        return {"model": "sim-fast", "messages": [{"role": "user", "content": parts}]}

    small, large = body(16, 16), body(600, 1200)
    told = [(await bench.ask(one)).json() for one in (small, large)]
    tokens = [one["usage"]["prompt_tokens"] for one in told]
    assert tokens == [prompt_of(small), prompt_of(large)]
    assert tokens[1] > tokens[0] > 85
    assert "1 attached image" in told[0]["choices"][0]["message"]["content"]


async def test_the_service_tier_that_serves_is_named(bench: Bench) -> None:
    for wanted, served in (("auto", "default"), ("default", "default"), ("priority", "priority"), ("flex", "flex")):
        answer = await bench.ask(bench.request(service_tier=wanted))
        assert answer.json()["service_tier"] == served


async def test_a_connection_serves_several_requests(bench: Bench) -> None:
    body = bench.streamed(question="say: hi")
    connection = await bench.begin(body)
    first = await connection.rest()
    raw = json.dumps(body).encode()
    await connection.send("POST", "/v1/chat/completions", raw, {"Content-Type": "application/json"})
    assert (await connection.rest()).text == first.text == "hi"
    await connection.close()
    assert bench.simulator.bill.totals()["requests"] == 2


async def test_what_other_sites_make_a_browser_send_is_refused(bench: Bench) -> None:
    url = f"{bench.root}/_bill"
    assert (await exchange(url, headers={"Host": "rebound.example:80"})).status == 421
    assert (await exchange(url, headers={"Sec-Fetch-Site": "cross-site"})).status == 403
    assert (await exchange(url, headers={"Host": "localhost:80"})).status == 200
    assert (await exchange(url, headers={"Host": "[::1]:80"})).status == 200


async def test_using_it_before_it_has_started_says_so() -> None:
    with pytest.raises(RuntimeError, match="await start"):
        Simulator(None).script({"fault": "429"})


async def test_a_taken_port_is_reported(bench: Bench) -> None:
    port = int(bench.root.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await Simulator(None).start(port=port)
