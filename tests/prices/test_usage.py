import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.metering.usage import (
    MOST_TOKENS,
    Usage,
    UsageProblem,
    parse_anthropic_usage,
    parse_images_usage,
    parse_usage,
)

CHAT = {
    "prompt_tokens": 2006,
    "completion_tokens": 300,
    "total_tokens": 2306,
    "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 4, "image_tokens": 5, "cache_write_tokens": 6},
    "completion_tokens_details": {
        "reasoning_tokens": 100,
        "audio_tokens": 7,
        "image_tokens": 8,
        "accepted_prediction_tokens": 9,
        "rejected_prediction_tokens": 0,
    },
    "something_new": {"x": [1]},
}


def test_chat_completions():
    assert parse_usage(CHAT) == Usage(
        prompt_tokens=2006,
        cached_tokens=1920,
        cache_write_tokens=6,
        prompt_audio_tokens=4,
        prompt_image_tokens=5,
        completion_tokens=300,
        reasoning_tokens=100,
        completion_audio_tokens=7,
        completion_image_tokens=8,
    )


def test_responses():
    raw = {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 123,
    }
    assert parse_usage(raw) == Usage(prompt_tokens=36, cached_tokens=0, completion_tokens=87, reasoning_tokens=0)


def test_realtime_says_what_kind_of_tokens_was_cached():
    raw = {
        "input_tokens": 313,
        "output_tokens": 10,
        "total_tokens": 323,
        "input_token_details": {"ignored": True},
        "input_tokens_details": {
            "cached_tokens": 256,
            "audio_tokens": 100,
            "cached_tokens_details": {"text_tokens": 156, "audio_tokens": 100},
        },
    }
    usage = parse_usage(raw)
    assert usage is not None
    assert (usage.cached_tokens, usage.cached_audio_tokens, usage.cached_image_tokens) == (256, 100, None)


def test_transcriptions_and_realtime_call_their_details_otherwise():
    """`input_token_details`, `output_token_details`: what they say is audio must not be priced as text."""
    heard = {
        "type": "tokens",
        "input_tokens": 27,
        "input_token_details": {"text_tokens": 5, "audio_tokens": 22},
        "output_tokens": 9,
        "total_tokens": 36,
    }
    assert parse_usage(heard) == Usage(prompt_tokens=27, prompt_audio_tokens=22, completion_tokens=9)
    spoken = {
        "input_tokens": 313,
        "input_token_details": {
            "cached_tokens": 256,
            "text_tokens": 213,
            "audio_tokens": 100,
            "cached_tokens_details": {"text_tokens": 156, "audio_tokens": 100},
        },
        "output_tokens": 40,
        "output_token_details": {"text_tokens": 10, "audio_tokens": 30},
        "total_tokens": 353,
    }
    assert parse_usage(spoken) == Usage(
        prompt_tokens=313,
        cached_tokens=256,
        cached_audio_tokens=100,
        prompt_audio_tokens=100,
        completion_tokens=40,
        completion_audio_tokens=30,
    )


def test_explicit_zero_is_kept_and_is_not_the_same_as_nothing():
    zero = parse_usage({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})
    assert zero == Usage(prompt_tokens=0, completion_tokens=0)
    assert zero.cached_tokens is None
    assert parse_usage({}) is None
    assert parse_usage(None) is None
    assert parse_usage({"total_tokens": 12}) is None
    assert parse_usage({"prompt_tokens": None, "completion_tokens": None}) is None


def test_null_details_are_absent_ones():
    raw = {"prompt_tokens": 3, "completion_tokens": 4, "prompt_tokens_details": None, "completion_tokens_details": None}
    assert parse_usage(raw) == Usage(prompt_tokens=3, completion_tokens=4)


def test_embeddings_have_no_completion():
    assert parse_usage({"prompt_tokens": 8, "total_tokens": 8}) == Usage(prompt_tokens=8, completion_tokens=0)


def test_a_completion_that_is_not_said_stays_unknown():
    assert parse_usage({"prompt_tokens": 8}) == Usage(prompt_tokens=8)
    assert parse_usage({"completion_tokens": 8, "total_tokens": 10}) == Usage(completion_tokens=8)


def test_reasoning_counted_outside_is_brought_inside():
    raw = {
        "prompt_tokens": 32,
        "completion_tokens": 9,
        "total_tokens": 235,
        "completion_tokens_details": {"reasoning_tokens": 194},
    }
    assert parse_usage(raw) == Usage(prompt_tokens=32, completion_tokens=203, reasoning_tokens=194)


def test_cache_figures_of_other_dialects():
    deepseek = {
        "prompt_tokens": 10,
        "completion_tokens": 1,
        "prompt_cache_hit_tokens": 6,
        "prompt_cache_miss_tokens": 4,
    }
    moonshot = {"prompt_tokens": 10, "completion_tokens": 1, "cached_tokens": 6}
    assert (
        parse_usage(deepseek) == parse_usage(moonshot) == Usage(prompt_tokens=10, cached_tokens=6, completion_tokens=1)
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"prompt_tokens": -1}, "prompt_tokens is negative"),
        ({"prompt_tokens": 1.5}, "prompt_tokens is float 1.5"),
        ({"prompt_tokens": "12"}, "prompt_tokens is str '12'"),
        ({"prompt_tokens": True}, "prompt_tokens is bool True"),
        ({"completion_tokens": MOST_TOKENS + 1}, "more than any call can use"),
        ({"total_tokens": 2305}, "total_tokens 2305 is not"),
        ({"total_tokens": 5, "completion_tokens": None}, "total_tokens 5 is less than prompt_tokens 2006"),
        ({"prompt_tokens_details": {"cached_tokens": 2007}}, r"cached_tokens \+ cache_write_tokens 2007 is more than"),
        (
            {"prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 7}},
            "2007 is more than prompt_tokens",
        ),
        ({"prompt_tokens_details": {"audio_tokens": 2007}}, "prompt_audio_tokens"),
        ({"prompt_tokens_details": []}, "prompt_tokens_details is list, not an object"),
        ({"completion_tokens_details": {"reasoning_tokens": 301}}, "reasoning_tokens 301 is more than"),
        ({"completion_tokens_details": {"audio_tokens": 200, "image_tokens": 101}}, "301 is more than completion"),
        ({"prompt_tokens_details": {"cached_tokens": 1, "cached_tokens_details": {"audio_tokens": 2}}}, "cached_audio"),
    ],
)
def test_what_cannot_be_believed(change, says):
    with pytest.raises(UsageProblem, match=says):
        parse_usage({**CHAT, **change})


def test_anthropic_counts_its_cache_outside():
    raw = {
        "input_tokens": 50,
        "cache_read_input_tokens": 1000,
        "cache_creation_input_tokens": 200,
        "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
        "output_tokens": 9,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    assert parse_anthropic_usage(raw) == Usage(
        prompt_tokens=1250,
        cached_tokens=1000,
        cache_write_tokens=200,
        cache_write_1h_tokens=50,
        completion_tokens=9,
        reasoning_tokens=4,
    )
    assert parse_anthropic_usage({"output_tokens": 3}) == Usage(completion_tokens=3)
    assert parse_anthropic_usage({"input_tokens": 3}) == Usage(prompt_tokens=3)
    assert parse_anthropic_usage({}) is None
    assert parse_anthropic_usage(None) is None
    with pytest.raises(UsageProblem, match="this is Anthropic's form"):
        parse_usage(raw)


def test_gateways_that_add_anthropics_fields_to_ours_are_read_as_ours():
    raw = {"prompt_tokens": 1250, "completion_tokens": 9, "cache_read_input_tokens": 1000}
    assert parse_usage(raw) == Usage(prompt_tokens=1250, completion_tokens=9)


def test_images_endpoint_without_a_split_gives_image_output():
    raw = {"input_tokens": 50, "output_tokens": 4160, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40}}
    assert parse_images_usage(raw) == Usage(
        prompt_tokens=50, prompt_image_tokens=40, completion_tokens=4160, completion_image_tokens=4160
    )
    split = parse_images_usage({**raw, "output_tokens_details": {"image_tokens": 4000, "text_tokens": 160}})
    text_only = parse_images_usage({**raw, "output_tokens_details": {"text_tokens": 160}})
    assert split == text_only
    assert split is not None
    assert split.completion_image_tokens == 4000
    assert parse_images_usage({"input_tokens": 5}) == Usage(prompt_tokens=5)
    assert parse_images_usage(None) is None
    with pytest.raises(UsageProblem, match="text_tokens is negative"):
        parse_images_usage({**raw, "output_tokens_details": {"text_tokens": -1}})


COUNT = st.integers(0, 10**9)
TEXT = st.text("ab가\x00", max_size=4)
DETAIL = st.sampled_from(["cached_tokens", "audio_tokens", "reasoning_tokens", "cached_tokens_details", "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(DETAIL, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)  # the machine is shared
@given(st.dictionaries(st.sampled_from([*CHAT, "input_tokens", "output_tokens", "cached_tokens", "x"]), JSON))
def test_any_json_gives_a_usage_nothing_or_a_usage_problem(raw):
    try:
        usage = parse_usage(raw)
    except UsageProblem:
        return
    assert usage is None or usage.prompt_tokens is not None or usage.completion_tokens is not None


@settings(deadline=None)
@given(prompt=COUNT, completion=COUNT, data=st.data())
def test_what_was_said_is_what_is_read(prompt, completion, data):
    cached = data.draw(st.integers(0, prompt))
    reasoning = data.draw(st.integers(0, completion))
    chat = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }
    responses = {
        "input_tokens": prompt,
        "output_tokens": completion,
        "total_tokens": prompt + completion,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens_details": {"reasoning_tokens": reasoning},
    }
    anthropic = {
        "input_tokens": prompt - cached,
        "cache_read_input_tokens": cached,
        "output_tokens": completion,
        "output_tokens_details": {"thinking_tokens": reasoning},
    }
    said = Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion, reasoning_tokens=reasoning)
    assert parse_usage(chat) == parse_usage(responses) == parse_anthropic_usage(anthropic) == said
