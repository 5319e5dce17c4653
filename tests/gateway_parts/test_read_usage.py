"""The quick reading of usage is the thorough one, wherever it dares to answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.metering.usage import Usage, UsageProblem, parse_usage, read_usage

figures = st.one_of(st.none(), st.integers(-2, 50), st.sampled_from([True, 1.0, "3", 10**13]))
details = st.one_of(
    st.none(),
    st.dictionaries(
        st.sampled_from(
            ["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens", "text_tokens", "reasoning_tokens",
             "accepted_prediction_tokens", "cached_tokens_details", "unknown"]
        ),
        figures,
        max_size=4,
    ),
)  # fmt: skip
usages = st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": figures,
        "completion_tokens": figures,
        "total_tokens": figures,
        "input_tokens": figures,
        "output_tokens": figures,
        "prompt_tokens_details": details,
        "completion_tokens_details": details,
        "prompt_cache_hit_tokens": figures,
    },
)


def outcome(work):
    try:
        return work()
    except UsageProblem as problem:
        return str(problem)


@given(usages)
def test_the_quick_reading_is_the_thorough_one(value):
    assert outcome(lambda: read_usage(json.dumps(value).encode())) == outcome(lambda: parse_usage(value))


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 45), st.integers(0, 45))
def test_plain_usage_whose_parts_may_not_fit(prompt, completion, cached, reasoning):
    value = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    assert outcome(lambda: read_usage(json.dumps(value).encode())) == outcome(lambda: parse_usage(value))


def test_what_is_no_object_is_a_problem():
    with pytest.raises(UsageProblem, match="not an object"):
        read_usage(b"[1]")


@pytest.mark.parametrize(("said", "seconds"), [(0, 0), (3, 3), (2.1, 3), (2.0, 2)])
def test_a_duration_counts_begun_seconds(said, seconds):
    assert parse_usage({"type": "duration", "seconds": said}) == Usage(seconds=seconds)


@pytest.mark.parametrize("said", [None, True, "3", -1, 10**13])
def test_a_duration_that_is_none(said):
    with pytest.raises(UsageProblem, match="duration"):
        parse_usage({"type": "duration", "seconds": said})
