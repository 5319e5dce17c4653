"""Requests that OpenAI refuses are refused in its words' shape, and cost nothing."""

from typing import Any

import pytest

from support.raw_http import exchange
from support.simulator_bench import Bench

HELLO = [{"role": "user", "content": "hello"}]


def changed(**fields: Any) -> dict[str, Any]:
    body = {"model": "sim-fast", "messages": HELLO, **fields}
    return {name: value for name, value in body.items() if value is not ...}


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        (b"{", 400, None, None),
        (b"[]", 400, None, None),
        (b"\xff\xfe", 400, None, None),
        (b'{"temperature": NaN}', 400, None, None),
        (b'{"model": "\\ud800"}', 400, None, None),
        (b"[" * 100_000, 400, None, None),
        (changed(model=...), 400, None, None),
        (changed(model="gpt-4o"), 404, None, "model_not_found"),
        (changed(model="sim-fault-nothing"), 404, None, "model_not_found"),
        (changed(model="sim-fault-600"), 404, None, "model_not_found"),
        (changed(messages=...), 400, "messages", "missing_required_parameter"),
        (changed(messages="hello"), 400, "messages", "invalid_type"),
        (changed(messages=[]), 400, "messages", "empty_array"),
        (changed(messages=["hello"]), 400, "messages[0]", "invalid_type"),
        (changed(messages=[*HELLO, {"role": "robot", "content": ""}]), 400, "messages[1].role", "invalid_value"),
        (changed(messages=[{"role": "user"}]), 400, "messages[0].content", "invalid_type"),
        (
            changed(messages=[{"role": "user", "content": ["x"]}]),
            400,
            "messages[0].content[0]",
            "invalid_type",
        ),
        (
            changed(messages=[{"role": "user", "content": [{"type": "smell"}]}]),
            400,
            "messages[0].content[0].type",
            "invalid_value",
        ),
        (
            changed(messages=[{"role": "user", "content": [{"type": "text", "text": 1}]}]),
            400,
            "messages[0].content[0].text",
            "invalid_type",
        ),
        (
            changed(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}]}]),
            400,
            "messages[0].content[0].image_url.url",
            "invalid_image_url",
        ),
        (changed(temperature=2.1), 400, "temperature", "decimal_above_max_value"),
        (changed(temperature=-1), 400, "temperature", "decimal_below_min_value"),
        (changed(temperature="hot"), 400, "temperature", "invalid_type"),
        (changed(temperature=True), 400, "temperature", "invalid_type"),
        (changed(top_p=1.5), 400, "top_p", "decimal_above_max_value"),
        (changed(max_tokens=0), 400, "max_tokens", "integer_below_min_value"),
        (changed(max_tokens=1.5), 400, "max_tokens", "invalid_type"),
        (changed(max_tokens=5, max_completion_tokens=5), 400, "max_tokens", "invalid_parameter_combination"),
        (changed(n=129), 400, "n", "integer_above_max_value"),
        (changed(stop=["a", "b", "c", "d", "e"]), 400, "stop", "array_above_max_length"),
        (changed(stop=[1]), 400, "stop", "invalid_type"),
        (changed(stream="yes"), 400, "stream", "invalid_type"),
        (changed(stream_options={"include_usage": True}), 400, "stream_options", None),
        (changed(response_format="json"), 400, "response_format", "invalid_type"),
        (changed(reasoning_effort="maximum"), 400, "reasoning_effort", "invalid_value"),
        (changed(api_base="http://127.0.0.1:1"), 400, None, None),
        (changed(simulate={"fault": "nothing"}), 400, "simulate", None),
        (changed(simulate={"fualt": "429"}), 400, "simulate", None),
        (changed(model="sim-reasoning", temperature=0.5), 400, "temperature", "unsupported_value"),
        (changed(model="sim-reasoning", max_tokens=5), 400, "max_tokens", "unsupported_parameter"),
        (
            changed(messages=[{"role": "user", "content": "word " * 128_001}]),
            400,
            "messages",
            "context_length_exceeded",
        ),
    ],
)
async def test_a_bad_request(bench: Bench, body: Any, status: int, param: str | None, code: str | None) -> None:
    answer = await bench.ask(body)
    error = answer.json()["error"]
    assert answer.status == status
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert answer.headers["x-request-id"] == bench.row.id
    assert (bench.row.status, bench.row.outcome) == (status, "error")
    assert bench.charged() == (0, 0)


async def test_null_means_left_out(bench: Bench) -> None:
    names = ("temperature", "top_p", "max_tokens", "max_completion_tokens", "n", "stop", "stream", "stream_options")
    answer = await bench.ask(changed(**dict.fromkeys(names), reasoning_effort=None))
    assert answer.status == 200


async def test_the_mistaken_word_is_named(bench: Bench) -> None:
    answer = await bench.ask(changed(api_base="x"))
    assert "api_base" in answer.json()["error"]["message"]


async def test_a_bad_key_is_refused_and_not_repeated(bench: Bench) -> None:
    key = {"Authorization": "Bearer sk-bad-canary-123"}
    for answer in (await bench.ask(changed(), **key), await exchange(f"{bench.base_url}/models", headers=key)):
        assert answer.status == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
        assert b"canary" not in answer.body
    assert bench.charged() == (0, 0)
    assert "canary" not in str(bench.simulator.bill.as_dict())


async def test_a_body_that_is_too_large(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from talkmeter.simulator import Simulator, service

    monkeypatch.setattr(service, "BODY_LIMIT", 1000)
    small = Simulator(None, 0)
    url = await small.start()
    answer = await exchange(f"{url}/chat/completions", changed(user="x" * 2000))
    await small.stop()
    assert (answer.status, answer.json()["error"]["code"]) == (413, "request_too_large")
