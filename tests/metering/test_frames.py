"""Events that are the one before but for their text are compared with it; the tap finds what reading each would find."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.metering import passing_tap
from talkmeter.metering.answer_shapes import decode_event
from talkmeter.metering.frames import frame_of
from talkmeter.metering.passing_tap import PassingTap

texts = st.sampled_from(["", "hello", "안녕", 'say "yes"', "a\nb", "\\", "~", '"content":"x"', "\x7f"]) | st.text(
    max_size=5
)
deltas = st.fixed_dictionaries({}, optional={
    "role": st.just("assistant"), "content": texts | st.none(), "refusal": st.none() | st.just("no"),
    "reasoning": st.just("hm"), "annotations": st.just([{"type": "url_citation"}]),
    "tool_calls": st.just([{"index": 0, "function": {"name": "f", "arguments": "{}"}}]),
})  # fmt: skip
plain = st.fixed_dictionaries({"content": texts})
choices = st.fixed_dictionaries(
    {"index": st.sampled_from([0, 0, 0, 1]), "delta": plain | plain | deltas},
    optional={"finish_reason": st.sampled_from([None, "stop"]), "content": st.just("not it"), "text": st.just("t")},
)
events = st.fixed_dictionaries(
    {"id": st.sampled_from(["a", "a", "b"]), "choices": st.lists(choices, max_size=2) | st.lists(choices, min_size=1, max_size=1)},
    optional={
        "model": st.sampled_from(["m", "n"]), "obfuscation": st.sampled_from(["", "abc", "x9", 'q"', "-"]),
        "usage": st.sampled_from([None, {"prompt_tokens": 1, "completion_tokens": 2}]),
        "error": st.sampled_from([None, {"message": "m"}]), "type": st.just("response.output_text.delta"),
    },
)  # fmt: skip


def spelt(event, *, ascii_only=False):
    return json.dumps(event, separators=(",", ":"), ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


def found(blocks, misses, monkeypatch):
    monkeypatch.setattr(passing_tap, "MISSES", misses)
    tap = PassingTap(streamed=True)
    for block in blocks:
        tap.feed(b"data: " + block + b"\n\n")
    tap.finish()
    return (
        *(tap.texts, tap.usage, tap.raw_usage, tap.problem, tap.model, tap.finish_reason, tap.upstream_id),
        *(tap.error, tap.uses, tap.done, tap.incomplete),
    )


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(events, st.integers(1, 3)), max_size=8), st.booleans(), st.lists(texts, min_size=3))
def test_what_is_compared_says_what_is_read(kinds, ascii_only, words):
    said = iter(words * 20)
    blocks = []
    for event, times in kinds:
        for _ in range(times):
            blocks.append(spelt(event, ascii_only=ascii_only))
            for choice in event["choices"]:
                if isinstance(choice["delta"].get("content"), str):
                    choice["delta"]["content"] = next(said)
    with pytest.MonkeyPatch.context() as patch:
        assert found(blocks, 100, patch) == found(blocks, 0, patch)


def event(text='"hello"', tail=b'},"finish_reason":null}],"usage":null,"obfuscation":"ab"}'):
    return b'{"id":"a","choices":[{"index":2,"delta":{"content":' + text.encode() + tail


def frame(data):
    return frame_of(data, decode_event(data))


def test_the_text_of_what_is_alike():
    one = frame(event())
    assert (one.index, one.text(event('"on\\n안"'))) == (2, "on\n안")
    assert one.text(event('""')) == ""
    assert one.text(event(tail=b'},"finish_reason":null}],"usage":null,"obfuscation":"xyz9"}')) == "hello"
    bare = frame(event(tail=b"}}]}"))
    assert bare.text(event('"x"', tail=b"}}]}")) == "x"
    assert bare.text(event('"x"', tail=b"}}]} ")) is None


@pytest.mark.parametrize("other", [
    event('"say \\"yes\\""'), event('"\x01"'), event('"\\x"'), event("null"), event('"cut'), event('"x')[:46],
    event(tail=b'},"finish_reason":"stop"}],"usage":null,"obfuscation":"ab"}'), event().replace(b'"a"', b'"b"', 1),
    event(tail=b'},"finish_reason":null}],"usage":null,"obfuscation":"ab","usage":{}}'),
    event(tail=b'},"finish_reason":null}],"usage":null,"obfuscation":"a\\"b"}'),
    event(tail=b'},"finish_reason":null}],"usage":null,"obfuscation":"ab"}}'), b"", b"[DONE]",
])  # fmt: skip
def test_what_is_not_alike_is_read(other):
    assert frame(event()).text(other) is None


@pytest.mark.parametrize("data", [
    b'{"choices":[]}', b'{"choices":[{"delta":{"content":null}}]}', b'{"choices":[{"text":"t"}]}',
    b'{"choices":[{"delta":{"content": "spaced"}}]}', b'{"choices":[{"delta":{"content":"a \\"quote\\""}}]}',
    b'{"choices":[{"delta":{"content":"one","content":"two"}}]}', b'{"x":{"content":"x"},"choices":[{"delta":{"content":"y"}}]}',
    b'{"choices":[{"delta":{"content":"x"}}],"obfuscation":"ab","usage":{}}', b'{"content":"x","choices":[{"delta":{"content":"y"}}]}',
    b'{"choices":[{"delta":{"content":"x"}}],"obfuscation":"ab","id":"a"}',
])  # fmt: skip
def test_where_the_text_stands_is_not_guessed(data):
    assert frame(data) is None


def test_a_text_like_the_probe_proves_nothing_of_another_place():
    """The first place that looks like the text is that of a tag."""
    data = b'{"tag":{"content":"x"},"choices":[{"index":0,"delta":{"content":"~"}}]}'
    assert frame(data) is None
    twice = b'{"choices":[{"index":0,"delta":{"content":"x","content":"~"}}]}'
    assert frame(twice) is None


def test_an_event_that_ends_in_its_padding_s_name_is_no_event():
    one = frame(event())
    whole = event()
    assert one.text(whole) == "hello"
    assert one.text(whole[: whole.index(b'"obfuscation":"') + len(b'"obfuscation":"')]) is None
    assert one.text(whole[:-1]) is None


def test_what_is_nested_as_deep_as_can_be_read_ends_nothing():
    for depth in range(700, 1010, 3):
        data = b'{"deep":' + b"[" * depth + b"]" * depth + b',"choices":[{"index":0,"delta":{"content":"x"}}]}'
        tap = PassingTap(streamed=True)
        for _ in range(3):
            tap.feed(b"data: " + data + b"\n\n")
        tap.feed(b'data: {"choices":[{"index":0,"delta":{"content":"end"}}]}\n\n')
        tap.finish()
        assert tap.texts in (["xxxend"], ["end"]), depth
        assert tap.problem is None


def test_bytes_that_are_no_text_end_no_comparing():
    one = frame(event())
    assert one.text(event().replace(b"hello", b"he\xffllo")) is None
