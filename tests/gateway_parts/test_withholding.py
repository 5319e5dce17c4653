"""Only the usage event that we alone asked for is kept back; every other byte goes on, however the stream is cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.conversation.gateway.withholding import HELD, UsageWithheld, is_usage_event

USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


def event(value, end="\n\n", name=None):
    head = f"event: {name}{end[: len(end) // 2]}" if name else ""
    return f"{head}data: {json.dumps(value, ensure_ascii=False)}{end}".encode()


ORDINARY = [
    {"id": "a", "choices": [{"index": 0, "delta": {"content": "비용(USD)은 \n"}}], "usage": None},
    {"id": "a", "choices": [{"index": 0, "delta": {"content": '"choices":[] "usage":{'}}], "usage": None},
    {
        "id": "a",
        "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
        "usage": USAGE,
    },  # with a choice: theirs
    {"id": "a", "choices": [], "usage": None},
    {"id": "a", "prompt_filter_results": [], "choices": []},
    {"choices": [], "usage": 3},
    {"error": {"message": "x"}},
]
OURS = {"id": "a", "choices": [], "usage": USAGE}
OTHERS = [
    b": comment\n\n",
    b"\n",
    b"data: [DONE]\n\n",
    b"data: not json {\n\n",
    b'data: {"choices":[], "usage":{} oops\n\n',
]

pieces = st.lists(
    st.one_of(
        st.tuples(st.just(True), st.sampled_from(["\n\n", "\r\n\r\n"]).map(lambda end: event(OURS, end))),
        st.tuples(
            st.just(False),
            st.one_of(
                st.tuples(st.sampled_from(ORDINARY), st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"])).map(
                    lambda made: event(made[0], made[1])
                ),
                st.sampled_from([OTHERS[0], OTHERS[2]]),
            ),
        ),
    ),
    max_size=8,
)


def cut(data, at):
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[start:end] for start, end in zip(borders, borders[1:], strict=False)]


@given(pieces, st.lists(st.integers(0, 10_000), max_size=12))
def test_any_cutting_loses_exactly_the_usage_events(made, at):
    whole = b"".join(data for _, data in made)
    expected = b"".join(data for ours, data in made if not ours)
    withheld = UsageWithheld()
    got = b"".join(withheld.feed(piece) for piece in cut(whole, at)) + withheld.finish()
    assert got == expected
    assert withheld.withheld == sum(ours for ours, _ in made)


@given(pieces)
def test_byte_by_byte_is_the_same_as_at_once(made):
    whole = b"".join(data for _, data in made)
    one, many = UsageWithheld(), UsageWithheld()
    at_once = one.feed(whole) + one.finish()
    assert b"".join(many.feed(whole[at : at + 1]) for at in range(len(whole))) + many.finish() == at_once


@pytest.mark.parametrize("value", [OURS, {"usage": USAGE, "choices": []}])
def test_what_is_ours(value):
    assert is_usage_event(event(value))
    assert is_usage_event(event(value).replace(b": ", b":").replace(b"data:", b"data: "))


@pytest.mark.parametrize("data", [*(event(value) for value in ORDINARY), *OTHERS])
def test_what_is_not(data):
    assert not is_usage_event(data)


def test_an_event_without_its_blank_line_is_judged_at_the_end():
    withheld = UsageWithheld()
    assert withheld.feed(event(OURS).rstrip()) == b""
    assert withheld.finish() == b""
    assert withheld.withheld == 1
    withheld = UsageWithheld()
    withheld.feed(event(ORDINARY[0]).rstrip())
    assert withheld.finish() == event(ORDINARY[0]).rstrip()


def test_an_event_that_is_too_large_to_be_ours_is_not_held_back():
    large = event({"choices": [], "usage": {"x": "y" * HELD}})
    withheld = UsageWithheld()
    first = withheld.feed(large[: HELD + 10])
    assert first == large[: HELD + 10]
    assert withheld.feed(large[HELD + 10 :]) + withheld.feed(event(OURS)) == large[HELD + 10 :]
    assert withheld.finish() == b""
    assert withheld.withheld == 1


def test_a_large_event_that_ends_with_the_stream_goes_on_whole():
    large = event({"choices": [], "usage": {"x": "y" * HELD}})
    withheld = UsageWithheld()
    assert withheld.feed(large[:-1]) + withheld.feed(b"\n") + withheld.finish() == large
    withheld = UsageWithheld()
    assert withheld.feed(large[:-2] + b"\r") + withheld.finish() == large[:-2] + b"\r"
