"""Every verified vector is reached. Our own stand in front, so that this runs without the shared folder too.

Figures of our own that nobody published were computed with an estimator written separately from this code.
"""

from collections import Counter

import pytest

from support.token_vectors import all_vectors, vectors
from talkmeter.metering.tokens import (
    count_completion,
    count_embeddings,
    count_legacy_prompt,
    count_prompt,
    count_responses_prompt,
    count_text,
    encode_text,
    image_output_tokens,
    image_tokens,
)

TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number", "default": 1}},
            "required": ["a", "b"],
        },
    },
}


def chat(model, expected, *messages, **rest):
    return {"kind": "chat_prompt", "id": f"own-{expected}", "model": model, "expected": expected} | {
        "request": {"messages": list(messages), **rest}
    }


USER = {"role": "user", "content": "안녕"}
OWN = [
    {"kind": "text", "id": "own-great", "encoding": "cl100k_base", "input": "tiktoken is great!", "expected": 6}
    | {"ids": [83, 1609, 5963, 374, 2294, 0]},
    {"kind": "text", "id": "own-zeros", "encoding": "gpt2", "input": "000000000", "expected": 2},
    {"kind": "text", "id": "own-spaces", "encoding": "p50k_base", "input": " " * 24, "expected": 1},
    {"kind": "text", "id": "own-spaces-r", "encoding": "r50k_base", "input": " " * 24, "expected": 24},
    {"kind": "text", "id": "own-birthday", "encoding": "o200k_base", "input": "お誕生日おめでとう", "expected": 8},
    chat("gpt-4o", 9, USER),
    chat("gpt-5", 8, USER),
    chat("gpt-3.5-turbo", 8, {"role": "user", "content": "hello"}),
    chat(
        "gpt-4o",
        19,
        {"role": "developer", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello!"},
    ),
    chat("gpt-4o", 48, USER, tools=[TOOL]),
    chat("o3", 129, USER, tools=[TOOL]),
    {"kind": "responses_prompt", "id": "own-resp", "model": "gpt-5", "request": {"input": [USER]}, "expected": 8},
    {
        "kind": "legacy_prompt",
        "id": "own-test",
        "model": "text-davinci-003",
        "input": "Say this is a test",
        "expected": 5,
    },
    {
        "kind": "embedding_prompt",
        "id": "own-hello",
        "model": "text-embedding-3-small",
        "input": ["hello", "world"],
        "expected": 2,
    },
    {
        "kind": "image_input",
        "id": "own-765",
        "model": "gpt-4o",
        "width": 1024,
        "height": 1024,
        "detail": "high",
        "expected": 765,
    },
    {
        "kind": "image_output",
        "id": "own-272",
        "model": "gpt-image-1",
        "quality": "low",
        "size": "1024x1024",
        "expected": 272,
    },
]


def _text(vector):
    ids = encode_text(vector["input"], vector["encoding"])
    assert ids == vector.get("ids", ids)
    return count_text(vector["input"], vector["encoding"])


def _chat(vector):
    counted = count_prompt(vector["request"], vector["model"])
    assert counted.quality == "exact", vector["id"]
    return counted.total


def _responses(vector):
    counted = count_responses_prompt(vector["request"], vector["model"])
    assert counted.quality == "exact", vector["id"]
    return counted.total


def _image(vector):
    if vector["width"] is None:  # the seed shows two images of seven tiles in all, but not their sizes
        four_tiles, three_tiles = (1024, 1024), (1280, 500)
        return sum(image_tokens(vector["model"], size).tokens for size in (four_tiles, three_tiles))
    return image_tokens(vector["model"], (vector["width"], vector["height"]), vector["detail"]).tokens


FORMULAS = {
    "text": _text,
    "chat_prompt": _chat,
    "responses_prompt": _responses,
    "legacy_prompt": lambda v: count_legacy_prompt({"prompt": v["input"]}, v["model"]).total,
    "embedding_prompt": lambda v: count_embeddings({"input": v["input"]}, v["model"]).total,
    "image_input": _image,
    "image_output": lambda v: image_output_tokens(v["model"], v["quality"], v["size"]),
}


@pytest.mark.parametrize("kind", FORMULAS)
def test_every_verified_vector_is_reached(kind):
    given = [vector for vector in OWN if vector["kind"] == kind] + vectors(kind)
    assert given
    missed = [
        (vector["id"], vector["expected"], found)
        for vector in given
        if (found := FORMULAS[kind](vector)) != vector["expected"]
    ]
    assert missed == []


def test_no_kind_of_vector_is_forgotten():
    kinds = Counter(vector["kind"] for vector in [*OWN, *all_vectors()])
    assert set(kinds) - set(FORMULAS) <= {"completion", "price"}


# What a completion bills beside its text, from recorded calls: model, text, tokens billed without reasoning.
ANSWERS = [
    {"model": "gpt-4o", "text": "Hello!", "expected": 3, "reasoning_tokens": 0},
    {"model": "gpt-3.5-turbo-0125", "text": "hello world", "expected": 2, "reasoning_tokens": 0},
]


def test_completions_mostly_bill_what_their_text_counts():
    """The statistic in docs/tokens.md: near, but never certain, so such figures are estimates."""
    answers = ANSWERS + vectors("completion")
    counts = [count_completion(answer["text"], answer["model"]) for answer in answers]
    assert {count.quality for count in counts} == {"estimate"}
    more = Counter(
        answer["expected"] - answer["reasoning_tokens"] - count.tokens
        for answer, count in zip(answers, counts, strict=True)
    )
    assert more[0] >= 0.5 * more.total()
    assert more[0] + more[1] >= 0.85 * more.total()
    assert [count.tokens for count in counts[2:]] == [answer["text_tokens"] for answer in answers[2:]]
