"""A chat completion in one piece is read by a short cut, which must find what reading all of it finds."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from talkmeter.metering.passing_tap import PassingTap

CITED = {"type": "url_citation", "url_citation": {"url": "u"}}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
odd = st.sampled_from([None, 7, [], {}, "x"])
messages = st.fixed_dictionaries(
    {"content": st.sampled_from(["words", None, "url_citation", "-search-"])},
    optional={"annotations": st.sampled_from([None, [], [CITED], [{"type": "file_citation"}], {}, 7])},
)
choices = st.lists(
    st.fixed_dictionaries({}, optional={"message": messages | st.none(), "finish_reason": odd | st.just("stop")}),
    max_size=3,
)
answers = st.fixed_dictionaries({"object": st.sampled_from(["chat.completion", "chat.completion", "other"])}, optional={
    "id": odd, "service_tier": odd, "choices": choices,
    "model": odd | st.sampled_from(["gpt-4o", "gpt-4o-search-preview", "GPT-4o-Search-Preview", "my-search-model"]),
    "usage": st.sampled_from([None, USAGE, USAGE, {"prompt_tokens": -1}, {}, 7]),
    "error": st.sampled_from([None, {"message": "m"}, "m"]),
})  # fmt: skip


def found(answer, *, quick):
    tap = PassingTap(streamed=False)
    if not quick:
        tap._read_usual = lambda _body: False
    tap.feed(json.dumps(answer).encode())
    tap.finish()
    return (
        *(tap.usage, tap.raw_usage, tap.problem, tap.model, tap.service_tier, tap.finish_reason),
        *(tap.upstream_id, tap.error, dict(tap.uses), tap.ended_early, tap.incomplete),
    )


@settings(max_examples=300, deadline=None)
@given(answers)
@example({"object": "chat.completion", "usage": USAGE, "choices": [{"message": {"annotations": [CITED]}}]})
@example({"object": "chat.completion", "usage": USAGE, "model": "gpt-5-search-api", "choices": [{"message": {}}]})
@example({"object": "chat.completion", "usage": USAGE, "error": {"message": "m"}})
def test_the_short_cut_finds_what_reading_all_finds(answer):
    assert found(answer, quick=True) == found(answer, quick=False)


@pytest.mark.parametrize(
    ("choice", "model", "reads_all"),
    [
        ({"message": {"content": "url_citation -search-", "annotations": []}}, "gpt-4o", False),
        ({"message": {"annotations": [CITED]}}, "gpt-4o", True),
        ({"message": {}}, "GPT-4o-search-preview", True),
    ],
)
def test_only_what_may_have_searched_is_read_whole(choice, model, reads_all, monkeypatch):
    read = []
    monkeypatch.setattr(PassingTap, "_event", lambda _tap, body: read.append(body))
    found({"object": "chat.completion", "usage": USAGE, "model": model, "choices": [choice]}, quick=True)
    assert bool(read) is reads_all
