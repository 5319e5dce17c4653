"""Embeddings and legacy completions."""

import base64
import math
import struct
from typing import Any

import pytest

from support.simulator_bench import Bench, tokens_of
from talkmeter.metering.tokens import encode_text

MODEL = "sim-embedding"


async def embed(bench: Bench, value: Any, **fields: Any) -> Any:
    return await bench.call("embeddings", {"model": MODEL, "input": value, **fields})


async def test_a_text_has_one_vector_of_length_one(bench: Bench) -> None:
    first, second, other = [(await embed(bench, text)).json() for text in ("안녕하세요", "안녕하세요", "goodbye")]
    assert first == second
    assert (first["object"], first["model"]) == ("list", MODEL)
    (one,) = first["data"]
    assert (one["object"], one["index"], len(one["embedding"])) == ("embedding", 0, 1536)
    assert math.sqrt(sum(figure * figure for figure in one["embedding"])) == pytest.approx(1.0)
    assert one["embedding"] != other["data"][0]["embedding"]
    assert first["usage"] == {"prompt_tokens": tokens_of("안녕하세요"), "total_tokens": tokens_of("안녕하세요")}
    row = bench.simulator.bill.rows[0]
    assert (row.endpoint, row.outcome, row.prompt_tokens) == ("/v1/embeddings", "finished", tokens_of("안녕하세요"))
    assert (row.completion_tokens, row.service_tier) == (0, None)


async def test_base64_says_the_same(bench: Bench) -> None:
    plain = (await embed(bench, "hello", dimensions=256)).json()["data"][0]["embedding"]
    packed = (await embed(bench, "hello", dimensions=256, encoding_format="base64")).json()["data"][0]["embedding"]
    assert list(struct.unpack("<256f", base64.b64decode(packed))) == plain


@pytest.mark.parametrize(
    ("value", "count", "tokens"),
    [
        (["one", "two three"], 2, 3),
        (encode_text("one two", "o200k_base"), 1, 2),
        ([[1, 2, 3], [4]], 2, 4),
    ],
)
async def test_every_form_of_input(bench: Bench, value: Any, count: int, tokens: int) -> None:
    answer = (await embed(bench, value)).json()
    assert [one["index"] for one in answer["data"]] == list(range(count))
    assert bench.charged() == (tokens, 0)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ""}, "input"),
        ({"input": 5}, "input"),
        ({"input": [[]]}, "input"),
        ({"input": ["x"] * 2049}, "input"),
        ({"input": "word " * 8200}, None),
        ({"dimensions": 0}, "dimensions"),
        ({"dimensions": 1537}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"stream": True}, None),
    ],
)
async def test_what_is_refused(bench: Bench, changes: dict[str, Any], param: str | None) -> None:
    answer = await bench.call("embeddings", {"model": MODEL, "input": "hello", **changes})
    assert (answer.status, answer.json()["error"]["param"]) == (400, param)
    assert bench.charged() == (0, 0)


async def test_a_model_of_another_kind_is_refused(bench: Bench) -> None:
    for path, body in (
        ("embeddings", {"model": "sim-fast", "input": "x"}),
        ("chat/completions", bench.request("sim-embedding")),
        ("completions", {"model": "sim-embedding", "prompt": "x"}),
    ):
        answer = await bench.call(path, body)
        assert (answer.status, answer.json()["error"]["code"]) == (404, "model_not_supported")


async def test_a_fault_by_name_works_everywhere(bench: Bench) -> None:
    refused = await bench.call("embeddings", {"model": "sim-fault-503", "input": "x"})
    assert (refused.status, bench.row.outcome) == (503, "error")
    cut = await bench.call("embeddings", {"model": "sim-fault-cut-40", "input": "one two"})
    assert (cut.ended, len(cut.body), bench.charged()) == ("fin", 40, (2, 0))
    silent = await bench.call("embeddings", {"model": "sim-fault-no-usage", "input": "one two"})
    assert ("usage" in silent.json(), bench.charged()) == (False, (2, 0))


def completion(prompt: Any = "say: one two three", **fields: Any) -> dict[str, Any]:
    return {"model": "sim-instruct", "prompt": prompt, **fields}


async def test_a_whole_completion(bench: Bench) -> None:
    answer = (await bench.call("completions", completion())).json()
    assert (answer["object"], answer["model"]) == ("text_completion", "sim-instruct")
    assert answer["id"].startswith("cmpl-")
    assert answer["choices"] == [{"text": "one two three", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert answer["usage"]["prompt_tokens"] == tokens_of("say: one two three")
    assert bench.charged() == (tokens_of("say: one two three"), 3)
    assert bench.row.endpoint == "/v1/completions"


async def test_a_streamed_completion(bench: Bench) -> None:
    usage = {"stream_options": {"include_usage": True}}
    answer = await bench.call("completions", completion(stream=True, **usage))
    *texts, last, told = answer.payloads
    assert "".join(one["choices"][0]["text"] for one in texts) == "one two three"
    assert (last["choices"][0]["finish_reason"], told["choices"]) == ("stop", [])
    assert told["usage"]["completion_tokens"] == 3
    assert answer.events[-1] == b"[DONE]"
    assert bench.charged() == (tokens_of("say: one two three"), 3)


async def test_completions_of_several_prompts_and_choices(bench: Bench) -> None:
    answer = (await bench.call("completions", completion(["say: a", "say: b"], n=2))).json()
    assert [(one["index"], one["text"]) for one in answer["choices"]] == [(0, "a"), (1, "a"), (2, "b"), (3, "b")]
    assert bench.charged() == (tokens_of("say: a") + tokens_of("say: b"), 4)
    echoed = (await bench.call("completions", completion("say: a", echo=True))).json()
    assert echoed["choices"][0]["text"] == "say: aa"


async def test_a_completion_ends_after_16_tokens_unless_told(bench: Bench) -> None:
    for fields, limit in (({}, 16), ({"max_tokens": 40}, 40)):
        answer = (await bench.call("completions", completion("long 900", **fields))).json()
        assert answer["choices"][0]["finish_reason"] == "length"
        assert limit - 3 < bench.charged()[1] <= limit


@pytest.mark.parametrize("changes", [{"prompt": 5}, {"prompt": []}, {"messages": []}, {"n": 0}, {"max_tokens": -1}])
async def test_a_completion_that_is_refused(bench: Bench, changes: dict[str, Any]) -> None:
    assert (await bench.call("completions", completion(**changes))).status == 400


async def test_a_prompt_of_token_ids_or_none(bench: Bench) -> None:
    for prompt, tokens in (([1, 2, 3], 3), (None, 1)):
        assert (await bench.call("completions", completion(prompt))).status == 200
        assert bench.charged()[0] == tokens
