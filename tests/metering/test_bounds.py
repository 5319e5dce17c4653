"""What a request's body says about how much it can use."""

import json

import pytest

from talkmeter.metering.bounds import (
    FRAMING,
    LARGEST_PICTURE,
    PICTURE,
    SPEECH_TOKENS_PER_CHARACTER,
    TOOL_FRAMING,
    bounds_of,
    output_asked,
)
from talkmeter.metering.models_info import ModelLimits
from talkmeter.metering.tokens import count_prompt

LIMITS = ModelLimits(128_000, 16_384)
NONE = ModelLimits()


def bounds(path="chat/completions", body=None, *, limits=LIMITS, count=None, size=None):
    body = {"messages": [{"role": "user", "content": "안녕 hello"}], **(body or {})}
    size = len(json.dumps(body)) if size is None else size
    return bounds_of(path, body, request_bytes=size, count=count, limits=limits)


def content(*parts):
    return {"messages": [{"role": "user", "content": list(parts)}]}


def test_an_exact_count_bounds_the_input():
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "안녕"}]}
    count = count_prompt(body, "gpt-4o")
    assert (count.total, count.quality) == (9, "exact")
    assert bounds(body=body, count=count).input_tokens == 9
    assert bounds(body=body, count=count, size=10_000).input_tokens == 9
    assert bounds(body=body, count=count, limits=ModelLimits(100, 16_384)).output_tokens == 91


def test_without_a_count_bytes_do():
    assert bounds(size=2_000).input_tokens == 2_000 + FRAMING
    assert bounds(size=2_000_000).input_tokens == 128_000  # more does not fit, and is refused
    assert bounds(size=2_000_000, limits=NONE).input_tokens == 2_000_000 + FRAMING
    assert bounds(body={"tools": [{"type": "function"}]}, size=2_000).input_tokens == 2_000 + FRAMING + TOOL_FRAMING


def test_an_estimate_of_pictures_is_doubled_and_one_of_text_left_alone():
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    body = content({"type": "text", "text": "what is it?"}, picture)
    count = count_prompt({"model": "gpt-5.4", **body}, "gpt-5.4")
    exact = sum(line.tokens for line in count.lines if line.quality == "exact")
    estimated = sum(line.tokens for line in count.lines if line.quality != "exact")
    assert {line.kind for line in count.lines if line.quality != "exact"} == {"image"}
    found = bounds(body=body, count=count)
    assert (found.input_tokens, found.image_input) == (exact + 2 * estimated, True)
    unknown = count_prompt({"model": "llama", "messages": [{"role": "user", "content": "안녕"}]}, "llama")
    assert unknown.quality == "estimate"
    assert bounds(size=500, count=unknown).input_tokens == 500 + FRAMING


def test_pictures_and_recordings_have_bounds_of_their_own():
    data = "data:image/png;base64," + "A" * 1_000
    body = content({"type": "image_url", "image_url": {"url": data}}, {"type": "input_image", "image_url": data})
    found = bounds(body=body, size=3_000, limits=NONE)
    assert found.input_tokens == FRAMING + 3_000 - 2 * len(data) + 2 * PICTURE
    recording = {"type": "input_audio", "input_audio": {"data": "A" * 1_000, "format": "wav"}}
    found = bounds(body=content(recording), size=1_500, limits=NONE)
    assert found.input_tokens == FRAMING + 500 + 20 + 1
    assert found.audio_input
    broken = content({"type": "input_audio"}, {"type": "input_image", "image_url": 5}, "text", {"type": "text"})
    assert bounds(body=broken, size=500, limits=NONE).input_tokens == FRAMING + 500 + PICTURE + 1


@pytest.mark.parametrize(
    "body",
    [
        {"previous_response_id": "resp_1", "input": "go on"},
        {"conversation": "conv_1"},
        {"prompt": {"id": "pmpt_1"}},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"type": "function_call_output", "output": [{"type": "input_file", "file_id": "file_1"}]}]},
        content({"type": "file", "file": {"file_id": "file_1"}}),
        {"messages": [{"role": "assistant", "audio": {"id": "audio_1"}}]},
    ],
)
def test_what_is_not_in_the_body_only_fits_into_the_window(body):
    assert bounds("responses", body).input_tokens == 128_000
    assert bounds("responses", body, limits=NONE).input_tokens is None


@pytest.mark.parametrize(
    ("body", "limits", "output"),
    [
        ({}, LIMITS, 16_384),
        ({"max_completion_tokens": 100}, LIMITS, 100),
        ({"max_tokens": 100, "max_completion_tokens": 200}, LIMITS, 200),
        ({"max_output_tokens": "300"}, LIMITS, 300),
        ({"max_tokens": 0}, LIMITS, 16_384),
        ({"max_tokens": None}, NONE, None),
        ({"max_tokens": 5}, NONE, 5),
        ({}, ModelLimits(8_192, None), 8_192),
        ({"max_tokens": 10**6}, LIMITS, 128_000),
    ],
)
def test_the_output_limit(body, limits, output):
    assert bounds(body=body, limits=limits).output_tokens == output


@pytest.mark.parametrize(
    ("value", "number"), [(3, 3), (3.0, 3), ("3", 3), (True, 1), (0, None), (-1, None), ("x", None), (None, None), ([], None), (1e999, None)]
)  # fmt: skip
def test_lenient_numbers(value, number):
    assert output_asked({"max_tokens": value}) == number


@pytest.mark.parametrize(
    ("path", "body", "choices"),
    [
        ("chat/completions", {}, 1),
        ("chat/completions", {"n": 4}, 4),
        ("completions", {"prompt": "a", "n": 2, "best_of": 5}, 5),
        ("completions", {"prompt": ["a", "b", "c"], "n": 2}, 6),
        ("completions", {"prompt": [1, 2, 3]}, 1),
        ("completions", {"prompt": []}, 1),
        ("completions", {"prompt": [[1], [2]]}, 2),
        ("responses", {"n": 4}, 1),
    ],
)
def test_choices(path, body, choices):
    assert bounds(path, body).choices == choices


def test_modalities_and_tier():
    found = bounds(body={"modalities": ["text", "audio", "image"], "service_tier": "flex"})
    assert (found.audio_output, found.image_output, found.tier) == (True, True, "flex")
    assert bounds(body={"audio": {"voice": "alloy"}, "modalities": 5, "service_tier": 5}).audio_output
    assert not bounds().audio_output


def test_tools_that_run_at_the_provider_are_bounded_by_their_number():
    tools = [{"type": "web_search_preview_2025_03_11"}, {"type": "file_search"}, {"type": "mcp"}, {"type": "function"}]
    found = bounds("responses", {"tools": tools, "max_tool_calls": 3})
    assert found.quantities == {"web_search": 3, "file_search": 3}
    assert (found.input_tokens, found.unpriced) == (4 * 128_000, ())
    found = bounds("responses", {"tools": tools})
    assert found.quantities == {"web_search": None, "file_search": None, "hosted tools": None}
    assert found.input_tokens is None
    found = bounds("responses", {"tools": [{"type": "code_interpreter"}, {}], "max_tool_calls": 1}, limits=NONE)
    assert found.unpriced == ("the tool code_interpreter has no price", "the tool None has no price")
    assert found.input_tokens is None
    assert bounds("responses", {"tools": "all"}).quantities == {}


def test_a_search_in_a_chat():
    found = bounds(body={"web_search_options": {}, "n": 2})
    assert (found.quantities, found.input_tokens) == ({"web_search": 2}, 128_000)
    assert bounds(body={"model": "gpt-4o-search-preview"}) == bounds(body={"web_search_options": {}})
    assert bounds(body={"model": "gpt-4o"}).quantities == {}


def test_embeddings_and_moderations_answer_without_tokens():
    for path in ("embeddings", "moderations"):
        found = bounds(path, {"input": "안녕"}, size=100)
        assert (found.input_tokens, found.output_tokens) == (100 + FRAMING, 0)


def test_pictures_that_are_drawn():
    assert bounds(
        "images/generations", {"model": "dall-e-3", "quality": "hd", "size": "1024x1792", "n": 1}
    ).quantities == {"image:hd:1024x1792": 1}
    plain = bounds("images/generations", {"prompt": "a cat", "n": 3})
    assert plain.quantities == {"image:standard:1024x1024": 3}
    assert (plain.instead.quantities, plain.instead.choices, plain.instead.image_output) == ({}, 3, True)
    found = bounds(
        "images/generations", {"model": "gpt-image-2", "size": "1024x1024", "n": 2, "partial_images": 3}, size=200
    )
    assert (found.input_tokens, found.output_tokens, found.choices) == (200 + FRAMING, 5_243 + 300, 2)
    assert (found.image_output, found.image_input) == (True, False)
    low = bounds("images/generations", {"model": "gpt-image-2", "size": "1024x1024", "quality": "low"})
    assert low.output_tokens == 350
    assert bounds("images/generations", {"model": "gpt-image-2"}).output_tokens == -(-LARGEST_PICTURE // 200)
    edit = bounds("images/edits", {"model": "gpt-image-2", "image": ["one", "two"]}, size=100)
    assert (edit.input_tokens, edit.image_input) == (100 + FRAMING + 2 * PICTURE, True)
    assert (
        bounds("images/edits", {"model": "gpt-image-2", "image": "one"}, size=100).input_tokens
        == 100 + FRAMING + PICTURE
    )


def test_speech_and_recordings():
    spoken = bounds("audio/speech", {"model": "tts-1", "input": "안녕하세요"})
    assert (spoken.quantities, spoken.input_tokens, spoken.output_tokens) == ({"character": 5}, 0, 0)
    spoken = bounds("audio/speech", {"model": "gpt-4o-mini-tts", "input": "안녕하세요"}, size=90)
    assert (spoken.quantities, spoken.input_tokens) == ({}, 90)
    assert spoken.output_tokens == 5 * SPEECH_TOKENS_PER_CHARACTER
    heard = bounds("audio/transcriptions", {"model": "whisper-1"}, size=25_000)
    assert heard.quantities == {"second": 101}
    heard = bounds("audio/transcriptions", {"model": "gpt-4o-transcribe"}, limits=ModelLimits(16_000, None))
    assert (heard.input_tokens, heard.output_tokens, heard.audio_input) == (16_000, 16_000, True)


@pytest.mark.parametrize(
    ("path", "by_tokens", "by_piece", "unit"),
    [
        ("audio/transcriptions", "gpt-4o-transcribe", "whisper-1", "second"),
        ("audio/speech", "gpt-4o-mini-tts", "tts-1", "character"),
        ("images/generations", "gpt-image-1", "dall-e-3", "image:standard:1024x1024"),
    ],
)
def test_what_may_be_billed_by_tokens_or_by_the_piece(path, by_tokens, by_piece, unit):
    """The name says which is likelier; the price says which it is."""
    for model, units in ((by_tokens, ["input", unit]), (by_piece, [unit, "input"])):
        found = bounds(path, {"model": model, "input": "x"})
        assert [found.first_unit, found.instead.first_unit] == units
        assert found.instead.instead is None


def test_an_endpoint_that_nobody_knows_has_no_bounds():
    found = bounds("fine_tuning/jobs")
    assert (found.input_tokens, found.output_tokens) == (None, None)
