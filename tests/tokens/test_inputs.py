import base64
import struct

import pytest

from talkmeter.metering.tokens import Line, TextCount, count_completion, count_embeddings, count_legacy_prompt
from talkmeter.metering.tokens.media import audio_tokens


def test_texts_are_counted_without_framing():
    assert count_legacy_prompt({"prompt": "Say this is a test"}, "text-davinci-003").total == 5
    counted = count_embeddings({"input": ["hello", "Hello, world!"]}, "text-embedding-3-small")
    assert counted.lines == (Line("input", 0, 1, "exact"), Line("input", 1, 4, "exact"))
    assert (counted.total, counted.encoding, counted.quality) == (5, "cl100k_base", "exact")


def test_token_ids_count_themselves():
    assert count_embeddings({"input": [1, 2, 3]}, "text-embedding-3-small").total == 3
    assert count_legacy_prompt({"prompt": [[1, 2], [3], "hello"]}, "davinci-002").total == 4


def test_a_missing_prompt_is_one_token():
    assert count_legacy_prompt({}, "gpt-3.5-turbo-instruct").total == 1


@pytest.mark.parametrize("value", [None, 5, {}, [None], [[]], [["a"]]])
def test_malformed_inputs_are_estimates(value):
    counted = count_embeddings({"input": value}, "text-embedding-3-small")
    assert (counted.total, counted.quality) == (0, "estimate")


def test_an_empty_list_is_nothing():
    counted = count_embeddings({"input": []}, "text-embedding-3-small")
    assert (counted.total, counted.lines, counted.quality) == (0, (), "exact")


def test_unknown_models_are_estimates():
    assert count_embeddings({"input": "hello"}, "nomic-embed-text").quality == "estimate"


def test_an_answer_without_usage_is_an_estimate():
    assert count_completion("안녕", "gpt-4o") == TextCount(2, "estimate")
    assert count_completion("", "llama3") == TextCount(0, "estimate")


def wav(rate: int, size: int) -> str:
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate // 2, rate, 2, 16, b"data", size
    )
    return base64.b64encode(head + bytes(size)).decode()


@pytest.mark.parametrize(
    ("audio", "tokens"),
    [
        ({"data": wav(48_000, 9_600), "format": "wav"}, 2),  # recorded: 0.2 s cost 2 tokens
        ({"data": wav(32_000, 320_000), "format": "wav"}, 100),
        ({"data": wav(0, 16_000), "format": "wav"}, 10),
        ({"data": base64.b64encode(bytes(160_000)).decode(), "format": "mp3"}, 100),
        ({"data": base64.b64encode(b"RIFF0000AVI ").decode()}, 1),
        ({"data": base64.b64encode(b"RIFF0000WAVE").decode()}, 1),
        ({"data": "가"}, 1),
        ({"data": ""}, 0),
        ({}, 0),
        (None, 0),
    ],
)
def test_audio(audio, tokens):
    assert audio_tokens(audio) == tokens
