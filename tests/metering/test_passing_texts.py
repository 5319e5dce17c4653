"""Texts that come interleaved are told apart, and counted each by itself."""

import json

from hypothesis import given
from hypothesis import strategies as st

from talkmeter.metering import passing_texts
from talkmeter.metering.passing_tap import PassingTap
from talkmeter.metering.passing_texts import Said, name_of
from talkmeter.metering.tokens import count_completion, count_texts

ANSWER = "하나 둘 셋, one two three"


def tapped(*events):
    tap = PassingTap(streamed=True)
    for event in events:
        tap.feed(f"data: {json.dumps(event)}\n\n".encode())
    tap.finish()
    return tap


@given(st.lists(st.tuples(st.integers(0, 3), st.text(max_size=5)), max_size=30), st.sets(st.integers(0, 29)))
def test_each_has_what_is_its_own(pieces, looks):
    said, seen = Said(1000), {}
    for number, (whose, text) in enumerate(pieces):
        said.add(text, whose)
        if number in looks:
            for place, new in said.new():
                seen[place] = seen.get(place, "") + new
    for place, new in said.new():
        seen[place] = seen.get(place, "") + new
    expected = {}
    for whose, text in pieces:
        if text:
            expected[whose] = expected.get(whose, "") + text
    assert said.texts == list(expected.values()) == [seen[place] for place in sorted(seen)]
    assert said.new() == []


def test_three_choices_come_to_three_times_the_tokens():
    choices = [
        {"choices": [{"index": index, "delta": {"content": letter}}]} for letter in ANSWER for index in (2, 0, 1)
    ]
    tap = tapped(*choices)
    assert tap.texts == [ANSWER] * 3
    assert count_texts(tap.texts, "gpt-4o") == 3 * count_completion(ANSWER, "gpt-4o").tokens
    assert tapped({"choices": [{"text": "a"}, {"text": "b"}]}, {"choices": [{"text": "c"}]}).texts == ["ac", "b"]


def test_calls_are_told_apart_by_their_index():
    def calls(*said):
        return {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": i, "function": f} for i, f in said]}}]}

    tap = tapped(
        calls((0, {"name": "add", "arguments": ""}), (1, {"name": "sub", "arguments": ""})),
        calls((1, {"arguments": "{1"}), (0, {"arguments": "{0"})),
        calls((0, {"arguments": "}"}), (1, {"arguments": "}"})),
    )
    assert tap.texts == ["add", "sub", "{1}", "{0}"]


def test_items_of_a_response_are_told_apart_and_a_call_has_a_name():
    def delta(kind, index, text):
        return {"type": f"response.{kind}.delta", "output_index": index, "content_index": 0, "delta": text}

    tap = tapped(
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "function_call", "name": "add"}},
        {"type": "response.output_item.added", "output_index": 1, "item": {"type": "message"}},
        {"type": "response.output_item.added"},
        delta("function_call_arguments", 0, "{"),
        delta("output_text", 1, "가"),
        delta("function_call_arguments", 0, "}"),
        delta("output_text", 1, "나"),
    )
    assert tap.texts == ["add", "{}", "가나"]
    assert [name_of(item) for item in (b"[1]", b'{"name":7}', b"{}", b'{"name":"f"}')] == ["", "", "", "f"]


def test_beyond_a_thousand_the_last_takes_the_rest(monkeypatch):
    monkeypatch.setattr(passing_texts, "MOST_TEXTS", 2)
    said = Said(1000)
    for number in range(4):
        said.add(str(number), number)
    assert said.texts == ["0", "123"]
    assert said.new() == [(0, "0"), (1, "123")]
