"""read_usage takes a short cut; it must say what parse_usage says, of any usage."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from talkmeter.metering.usage import MOST_TOKENS, UsageProblem, parse_usage, read_usage

figure = st.integers(-2, 40) | st.sampled_from([0, MOST_TOKENS, MOST_TOKENS + 1, 2**63, 1.5, True, None, "7", [], {}])


def details(*names):
    return st.none() | st.dictionaries(st.sampled_from(names), figure, max_size=5) | st.sampled_from([7, [], "x"])


into = details(
    "cached_tokens", "cache_write_tokens", "audio_tokens", "text_tokens", "image_tokens", "cached_tokens_details"
)
out = details("reasoning_tokens", "audio_tokens", "text_tokens", "image_tokens", "accepted_prediction_tokens",
              "rejected_prediction_tokens", "other")  # fmt: skip
usages = st.fixed_dictionaries({}, optional={
    "prompt_tokens": figure, "completion_tokens": figure, "total_tokens": figure, "input_tokens": figure,
    "output_tokens": figure, "prompt_tokens_details": into, "completion_tokens_details": out,
    "input_tokens_details": into, "output_tokens_details": out, "prompt_cache_hit_tokens": figure, "cost": figure,
    "cached_tokens": figure, "cache_read_input_tokens": figure,
})  # fmt: skip
fitting = st.tuples(st.integers(0, 30), st.integers(0, 30), into, out).map(
    lambda parts: {"prompt_tokens": parts[0], "completion_tokens": parts[1], "total_tokens": parts[0] + parts[1],
                   "prompt_tokens_details": parts[2], "completion_tokens_details": parts[3]}
)  # fmt: skip


def said(reader, value):
    try:
        return reader(value)
    except UsageProblem as problem:
        return str(problem)


@given(usages | fitting, st.booleans())
@example({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}, True)
@example({"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 20,
          "completion_tokens_details": {"reasoning_tokens": 8}}, False)  # fmt: skip
def test_the_short_cut_agrees(value, spaced):
    raw = json.dumps(value, indent=1 if spaced else None).encode()
    assert said(read_usage, raw) == said(parse_usage, value)


@pytest.mark.parametrize("raw", [b"7", b'"prompt_tokens"', b"[1]", b"null", b"true"])
def test_what_is_no_object(raw):
    with pytest.raises(UsageProblem):
        read_usage(raw)
