"""What is read out of an answer that passes through: the same figures however it is cut and whenever it is read."""

import gzip
import json
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.metering import passing_tap
from talkmeter.metering.passing_tap import PassingTap
from talkmeter.metering.usage import Usage

USAGE = {"prompt_tokens": 41, "completion_tokens": 9, "total_tokens": 50}
RESPONSES_USAGE = {"input_tokens": 41, "output_tokens": 9, "total_tokens": 50}


def events(*values, end="\n\n", names=False):
    out = []
    for value in values:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        name = f"event: {value['type']}{end[: len(end) // 2]}" if names and isinstance(value, dict) else ""
        out.append(f"{name}data: {text}{end}")
    return "".join(out).encode()


def delta(**delta):
    return {"id": "chatcmpl-1", "model": "gpt-x", "service_tier": "flex", "choices": [{"index": 0, "delta": delta}]}


CHAT = [
    delta(role="assistant", content=""),
    delta(content="비용은 "),
    delta(reasoning_content="hm"),
    delta(content=[{"type": "text", "text": "3"}, {"type": "thinking", "thinking": [{"text": "so"}]}, 7]),
    delta(
        tool_calls=[{"function": {"name": "add", "arguments": '{"a":1}'}}, {"custom": {"name": "f", "input": "x"}}, 3]
    ),
    delta(function_call={"name": "old", "arguments": "{}"}),
    delta(refusal="no"),
    {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": None},
    {"id": "chatcmpl-1", "choices": [], "usage": USAGE},
    "[DONE]",
]
CHAT_TEXT = "비용은 3sohmadd" + '{"a":1}' + "fxold{}no"


def tapped(data, *, cuts=(), reads=(), **options):
    tap = PassingTap(streamed=True, **options)
    borders = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for number, (start, end) in enumerate(pairwise(borders)):
        tap.feed(data[start:end])
        if number in reads:
            tap.read()
    tap.finish()
    return tap


@settings(max_examples=60)
@given(
    st.lists(st.integers(0, 5000), max_size=10),
    st.sets(st.integers(0, 12)),
    st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"]),
)
def test_a_chat_is_read_the_same_however_it_is_cut(cuts, reads, end):
    tap = tapped(events(*CHAT, end=end), cuts=cuts, reads=reads)
    assert tap.usage == Usage(prompt_tokens=41, completion_tokens=9)
    assert (tap.model, tap.service_tier, tap.finish_reason) == ("gpt-x", "flex", "stop")
    assert (tap.upstream_id, "".join(tap.texts), tap.done, tap.problem) == ("chatcmpl-1", CHAT_TEXT, True, None)
    assert not tap.ended_early


@given(st.lists(st.integers(0, 5000), max_size=6))
def test_new_text_comes_once(cuts):
    data = events(*CHAT)
    tap, got = PassingTap(streamed=True), []
    borders = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    for start, end in pairwise(borders):
        tap.feed(data[start:end])
        got += tap.new_texts()
    tap.finish()
    got += tap.new_texts()
    places = range(len(tap.texts))
    assert ["".join(text for place, text in got if place == whose) for whose in places] == tap.texts
    assert "".join(tap.texts) == CHAT_TEXT
    assert tap.new_texts() == []


def test_a_stream_in_responses_form():
    whole = {
        "id": "resp_1",
        "model": "gpt-y",
        "service_tier": "default",
        "status": "completed",
        "usage": RESPONSES_USAGE,
    }
    tap = tapped(
        events(
            {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "usage": None}},
            {"type": "response.output_text.delta", "delta": "안녕"},
            {"type": "response.function_call_arguments.delta", "delta": "{}"},
            {"type": "response.output_text.delta", "delta": 3},
            {"type": "response.output_text.done", "text": "안녕"},
            {"type": "response.completed", "response": whole},
            names=True,
        )
    )
    assert tap.usage == Usage(prompt_tokens=41, completion_tokens=9)
    assert ("".join(tap.texts), tap.finish_reason, tap.upstream_id, tap.model) == (
        "안녕{}",
        "completed",
        "resp_1",
        "gpt-y",
    )
    assert tap.done


def test_a_response_that_ends_otherwise():
    tap = tapped(events({"type": "response.incomplete"}, names=True))
    assert (tap.finish_reason, tap.done) == ("incomplete", True)
    tap = tapped(events({"type": "error", "message": "x"}, names=True))
    assert tap.error == {"message": "the stream ended in an error"}
    tap = tapped(events({"type": "error", "error": {"message": "theirs"}}, names=True))
    assert tap.error == {"message": "theirs"}
    assert tapped(events({"type": 3, "error": "plain"})).error == {"message": "plain"}


def test_streams_of_pictures_and_speech():
    tap = tapped(
        events({"type": "image_generation.completed", "usage": {**RESPONSES_USAGE, "b64_json": "x"}}), images=True
    )
    assert tap.usage == Usage(prompt_tokens=41, completion_tokens=9, completion_image_tokens=9)
    assert tap.done
    tap = tapped(events({"type": "speech.audio.done", "usage": RESPONSES_USAGE}))
    assert (tap.usage, tap.done) == (Usage(prompt_tokens=41, completion_tokens=9), True)
    assert tapped(events({"type": "transcript.text.delta", "delta": "hi"})).texts == ["hi"]


def test_the_last_usage_that_can_be_used_stands():
    bad = {"choices": [], "usage": {"prompt_tokens": -1, "completion_tokens": 1}}
    good = {"choices": [], "usage": USAGE}
    tap = tapped(events(good, bad))
    assert tap.usage == Usage(prompt_tokens=41, completion_tokens=9)
    assert "negative" in tap.problem
    assert tapped(events(bad, good)).problem is None
    assert tapped(events({"choices": [], "usage": "x"})).problem == "usage is not an object"


def test_legacy_completions_and_odd_json():
    tap = tapped(
        events({"choices": [{"text": "ab"}]}, '{"choices":[{"text":"\\ud800c"}],"usage":{"prompt_tokens":NaN}}')
    )
    assert tap.texts[0].startswith("ab")
    tap = tapped(b'data: {"choices":[{"delta":{"content":"\\ud83d"}}],"x":NaN,"response":{"usage":null}}\n\n')
    assert len(tap.texts[0]) == 1
    assert tapped(b"data: [1]\n\ndata: {oops\n\ndata: \n\n: comment\n\n").ended_early


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_packed_stream_is_read_too(coding):
    data = events(*CHAT)
    packed = gzip.compress(data) if coding == "gzip" else zlib.compress(data)
    tap = tapped(packed, cuts=range(0, len(packed), 7), reads={1, 5}, encoding=coding)
    assert tap.usage == Usage(prompt_tokens=41, completion_tokens=9)


def test_what_cannot_be_unpacked_is_left_out():
    tap = tapped(b"no gzip at all", encoding="gzip")
    assert (tap.usage, tap.problem) == (None, "the answer's compression could not be read")
    assert tapped(events(*CHAT), encoding="br").usage is None


def test_events_that_are_too_large_are_passed_over(monkeypatch):
    monkeypatch.setattr(passing_tap, "WHOLE_LIMIT", 1000)
    usage = events({"choices": [], "usage": USAGE})
    large = events({"choices": [], "padding": "x" * 5000})
    assert tapped(large + usage, cuts=[2000, 4000], reads={0, 1, 2}).usage is not None
    carriages = (events(delta(content="a")) + large + usage).replace(b"\n", b"\r\n")
    assert tapped(carriages, cuts=[200, 2000, 5200], reads={0, 1, 2, 3}).usage is not None


def test_text_is_kept_up_to_its_limit(monkeypatch):
    monkeypatch.setattr(passing_tap, "TEXT_LIMIT", 3)
    assert tapped(events(delta(content="abcd"), delta(content="e"))).texts == ["abcd"]


def whole(value, **options):
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    tap = PassingTap(streamed=False, **options)
    for at in range(0, len(data), 1000):
        tap.feed(data[at : at + 1000])
        tap.read()
    tap.finish()
    return tap


def test_answers_in_one_piece():
    chat = {
        "id": "c",
        "model": "m",
        "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    tap = whole(chat)
    assert ("".join(tap.texts), tap.finish_reason, tap.usage.prompt_tokens, tap.ended_early) == (
        "hi",
        "stop",
        41,
        False,
    )
    response = {
        "object": "response", "id": "resp_1", "status": "completed", "usage": RESPONSES_USAGE,
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "a"}]}, {"name": "f", "arguments": "{}"}],
    }  # fmt: skip
    tap = whole(response)
    assert ("".join(tap.texts), tap.finish_reason, tap.upstream_id) == ("a{}f", "completed", "resp_1")
    assert whole({"object": "response", "output": None, "status": 3}).texts == []
    assert whole({"text": "spoken", "usage": {"type": "duration", "seconds": 2.5}}).usage == Usage(seconds=3)
    assert whole({"data": [{}, {}], "usage": None}).items == 2
    assert whole({"data": {"a": 1}}).items is None
    batch = whole({"object": "batch", "id": "batch_1", "model": "m", "usage": RESPONSES_USAGE})
    assert (batch.service_tier, batch.upstream_id) == ("batch", "batch_1")
    assert whole(b"").usage is None
    assert whole(gzip.compress(json.dumps(chat).encode()), encoding="gzip").texts == ["hi"]


def test_of_a_very_long_answer_the_usage_at_its_end_is_found(monkeypatch):
    monkeypatch.setattr(passing_tap, "WHOLE_LIMIT", 4000)
    monkeypatch.setattr(passing_tap, "ENDS", 2000)
    value = {"data": ["x" * 9000], "usage": USAGE, "tail": "y" * 500}
    assert whole(value).usage == Usage(prompt_tokens=41, completion_tokens=9)
    assert whole({"data": ["x" * 9000], "usage": {"a": "z" * 9000}}).usage is None
    broken = json.dumps({"data": "x" * 9000}).encode() + b'"usage":{"prompt_tokens":1'
    assert whole(broken).usage is None
