"""What the tap reads out of a stream."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.metering.tap import MALFORMED_LIMIT, AnswerTooLong, StreamUnreadable, Tap


def sse(*events):
    return b"".join(b"data: " + (e if isinstance(e, bytes) else json.dumps(e).encode()) + b"\n\n" for e in events)


def delta(text, **more):
    return {"model": "m-1", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}], **more}


def streamed(data, **limits):
    tap = Tap(streamed=True, **limits)
    shown = tap.feed(data)
    return tap, shown + tap.finish()


def test_text_usage_model_tier_and_finish_reason():
    usage = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}
    tap, shown = streamed(
        sse(
            {"choices": [{"delta": {"role": "assistant", "content": ""}}], "service_tier": "default"},
            delta("안"),
            delta("녕"),
            {"choices": [{"delta": {}, "finish_reason": "stop"}, {"index": 1}], "model": "m-1"},
            {"choices": [], "usage": usage},
            b"[DONE]",
        )
    )
    assert shown == tap.text == "안녕"
    assert (tap.usage.prompt_tokens, tap.usage.completion_tokens) == (9, 2)
    assert json.loads(tap.raw_usage) == usage
    assert (tap.model, tap.service_tier, tap.finish_reason, tap.done) == ("m-1", "default", "stop", True)


def test_the_last_usable_usage_stands_and_null_is_none():
    tap, _ = streamed(
        sse(
            delta("a", usage=None),
            {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}},
            {"choices": [], "usage": {"prompt_tokens": 2, "completion_tokens": 3}},
            {"choices": [], "usage": {}},
        )
    )
    assert (tap.usage.prompt_tokens, tap.usage.completion_tokens) == (2, 3)


def test_explicit_zero_is_a_report():
    tap, _ = streamed(sse({"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}))
    assert (tap.usage.prompt_tokens, tap.usage.completion_tokens) == (0, 0)


@pytest.mark.parametrize("usage", [{"prompt_tokens": -1, "completion_tokens": 1}, "lots", 7, {"prompt_tokens": 1.5}])
def test_usage_that_cannot_be_believed_is_a_problem_not_a_figure(usage):
    tap, _ = streamed(sse({"choices": [], "usage": usage}))
    assert tap.usage is None
    assert tap.problem


def test_hidden_reasoning_is_billed_but_not_shown():
    tap, shown = streamed(sse({"choices": [{"delta": {"reasoning_content": "hmm"}}]}, delta("yes")))
    assert (shown, tap.hidden) == ("yes", "hmm")


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning": "hmm"},
        {"reasoning": "hmm", "reasoning_content": "hmm"},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hmm"}]}]},
        {"content": [{"type": "thinking", "thinking": "hmm"}]},
    ],
)
def test_reasoning_under_other_names_is_billed_once_and_not_shown(message):
    tap, shown = streamed(sse({"choices": [{"delta": message}]}, delta("yes")))
    assert (shown, tap.hidden) == ("yes", "hmm")


def test_content_in_parts_is_text():
    parts = [{"type": "text", "text": "y"}, "odd", {"type": "image"}, {"type": "text", "text": "es"}]
    assert streamed(sse({"choices": [{"delta": {"content": parts}}]}))[1] == "yes"
    assert streamed(sse({"choices": [{"delta": {"content": 5}}]}, delta("ok")))[1] == "ok"


def test_an_odd_value_beside_the_text_costs_none_of_it():
    odd = {"model": 5, "service_tier": {}, "choices": [{"delta": {"content": "yes"}, "finish_reason": 0}]}
    tap, shown = streamed(sse(odd, {"choices": [{"delta": {"content": "!"}, "finish_reason": "stop"}], "model": "m"}))
    assert (shown, tap.malformed) == ("yes!", 0)
    assert (tap.model, tap.service_tier, tap.finish_reason) == ("m", None, "stop")


def test_refusals_are_text():
    _, shown = streamed(sse({"choices": [{"delta": {"refusal": "I cannot."}}]}))
    assert shown == "I cannot."


@pytest.mark.parametrize("error", [{"message": "overloaded"}, "overloaded"])
def test_an_error_inside_a_stream(error):
    tap, _ = streamed(sse({"error": error}))
    assert tap.error == {"message": "overloaded"}


def test_a_search_shows_in_what_the_answer_cites():
    cited = {"delta": {"annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}]}}
    assert streamed(sse(delta("hi"), {"choices": [cited]}, delta("!")))[0].uses == {"web_search": 1}
    assert streamed(sse(delta("hi"), {"choices": [{"delta": {"annotations": []}}]}))[0].uses == {}
    assert streamed(sse(delta("hi", model="gpt-4o-search-preview")))[0].uses == {"web_search": 1}
    assert streamed(sse({"model": "gpt-4o-search-preview", "choices": []}))[0].uses == {}


def test_a_null_error_is_none():
    assert streamed(sse({"error": None}))[0].error is None


def test_lone_surrogates_and_nan_are_mended():
    tap, shown = streamed(sse(b'{"choices":[{"delta":{"content":"a\\ud83d"}}],"x":NaN,"y":[{"\\udc00":1}]}'))
    assert shown == "a\ufffd"
    assert tap.malformed == 0


@pytest.mark.parametrize("bad", [b"{", b"[1]", b'"x"', b"\xff\xfe", b'{"choices": 5}', b"[" * 100_000])
def test_malformed_events_are_counted_and_skipped(bad):
    tap, shown = streamed(sse(bad, delta("ok")))
    assert (tap.malformed, shown) == (1, "ok")


def test_too_many_malformed_events_end_the_reading():
    with pytest.raises(StreamUnreadable):
        streamed(sse(*[b"{"] * (MALFORMED_LIMIT + 1)))


def test_an_answer_without_end_is_refused():
    with pytest.raises(AnswerTooLong):
        streamed(sse(*[delta("x" * 10)] * 11), max_text=100)
    with pytest.raises(AnswerTooLong):
        streamed(sse(*[{"choices": [{"delta": {"reasoning_content": "x" * 60}}]}] * 2), max_text=100)


def test_a_whole_answer_reads_the_same():
    tap = Tap(streamed=False)
    body = json.dumps(
        {
            "model": "m",
            "choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1},
        }
    ).encode()
    assert tap.feed(body[:20]) + tap.feed(body[20:]) == ""
    assert tap.finish() == "hello" == tap.text
    assert tap.usage.completion_tokens == 1


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"response": "of another API"}', b"<html>"])
def test_a_whole_body_that_is_no_answer_has_ended_early(body):
    tap = Tap(streamed=False)
    tap.feed(body)
    assert tap.finish() == ""
    assert tap.ended_early


def test_a_whole_answer_without_end_is_refused():
    tap = Tap(streamed=False, max_event_bytes=10, max_text=10)
    with pytest.raises(AnswerTooLong):
        tap.feed(b"x" * 21)


@given(st.lists(st.text(max_size=20), max_size=8), st.integers(1, 50))
def test_chunking_never_changes_the_text(texts, size):
    data = sse(*[delta(text) for text in texts])
    tap = Tap(streamed=True)
    shown = "".join(tap.feed(data[i : i + size]) for i in range(0, len(data), size)) + tap.finish()
    assert shown == tap.text == "".join(texts)
