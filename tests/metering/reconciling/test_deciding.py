"""What the books decide: the table of deciding.py, row by row, and whatever calls, borders and strangers there are."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.reconciling import NOON, a_line, an_entry
from talkmeter.metering.reconciling.components import MINUTE, booking_rule, components
from talkmeter.metering.reconciling.deciding import decide
from talkmeter.metering.reconciling.figures import Figures

LATER = NOON + 86_400


def only(lines, entries, until=LATER):
    """What is decided, where all hangs together."""
    (component,) = components(lines, entries)
    return decide(component, until)


def as_told(decided):
    return {one.entry.id: one.figures and (one.figures.input, one.figures.output) for one in decided.decisions}


def test_nothing_undecided_nothing_decided():
    decided = only([a_line(input=5, output=2)], [an_entry(input=5, output=2)])
    assert (decided.decisions, decided.doubt) == ((), None)


def test_one_entry_and_one_request_is_the_rest():
    lines = [a_line(requests=2, input=46, cached=8, output=11)]
    entries = [an_entry(input=5, output=2), an_entry(id="x", standing="undecided", provenance="unknown")]
    (decision,) = only(lines, entries).decisions
    assert (decision.entry.id, decision.model, decision.tier) == ("x", "m", "standard")
    assert decision.figures == Figures(requests=1, input=41, cached=8, output=9)
    assert (decision.since, decision.until) == (NOON, NOON + 60)


def test_its_model_and_tier_are_found_where_no_answer_has_said_them():
    lines = [a_line(input=5, output=2), a_line(model="m-2026", tier="flex", input=41, output=9)]
    entries = [
        an_entry(model="m", input=5, output=2),
        an_entry(model="m-2026", requested="m", begun=NOON + 600, ended=NOON + 601),
        an_entry(id="x", standing="undecided", provenance="unknown", model=None, requested="m", tier=None),
    ]
    lines.append(a_line(start=NOON + 600, model="m-2026", input=0, output=0))
    (mixed,) = [one for one in components(lines, entries) if one.undecided]
    (decision,) = decide(mixed, LATER).decisions
    assert (decision.model, decision.tier, decision.figures.input) == ("m-2026", "flex", 41)


def test_it_may_be_booked_in_the_minute_of_its_end():
    lines = [a_line(start=NOON + MINUTE, input=41, output=9)]
    entry = an_entry(id="x", standing="undecided", provenance="counted", ended=NOON + 70, input=40, output=8)
    assert as_told(only(lines, [entry])) == {"x": (41, 9)}


def test_what_is_not_there_is_nothing():
    entries = [an_entry(id=name, standing="undecided", provenance="unknown") for name in "xy"]
    decided = only([], entries)
    assert as_told(decided) == {"x": None, "y": None}


def test_who_was_answered_must_be_there_and_the_others_are_not():
    entries = [
        an_entry(id="x", standing="undecided", provenance="counted", sure=True, input=40, output=8),
        an_entry(id="y", standing="undecided", provenance="unknown"),
    ]
    assert as_told(only([a_line(input=41, output=9)], entries)) == {"x": (41, 9), "y": None}


def test_exact_counts_that_add_up_to_the_rest_are_right():
    def pair(**more):
        common = {"standing": "undecided", "provenance": "counted", "exact": True} | more
        return [an_entry(id="x", input=40, output=8, **common), an_entry(id="y", input=20, output=3, **common)]

    lines = [a_line(requests=2, input=60, output=11)]
    assert as_told(only(lines, pair())) == {"x": (40, 8), "y": (20, 3)}
    for less in ({"exact": False}, {"tier": None}, {"model": None}):
        decided = only(lines, pair(**less))
        assert (decided.decisions, decided.doubt) == ((), "split")
    assert only([a_line(requests=2, input=61, output=11)], pair()).doubt == "split"
    assert only([a_line(requests=2, input=60, output=11, model="n")], pair()[:0]).decisions == ()


def test_counts_under_another_model_are_no_proof():
    common = {"standing": "undecided", "provenance": "counted", "exact": True, "kind": "completions"}
    entries = [an_entry(id="x", input=40, output=8, **common), an_entry(id="y", input=20, output=3, **common)]
    entries.append(an_entry(id="z", standing="undecided", provenance="unknown", model=None, requested="m"))
    entries.append(an_entry(requested="m", model="n", begun=NOON + 3600, ended=NOON + 3600, input=1, output=1))
    lines = [
        a_line(requests=3, input=60, output=11, model="n"),
        a_line(start=NOON + 3600, model="n", input=1, output=1),
    ]
    decided = [decide(one, LATER) for one in components(lines, entries) if one.undecided]
    assert [(one.decisions, one.doubt) for one in decided] == [((), "split")]


@pytest.mark.parametrize(
    ("doubt", "lines", "more"),
    [
        ("open", [a_line(input=41, output=9)], [an_entry(standing="open", provenance="open")]),
        ("outside", [a_line(requests=3, input=41, output=9)], []),
        ("missing", [a_line(requests=1, input=4, output=9)], [an_entry(input=5)]),
        ("split", [a_line(requests=1, input=41, output=9)], [an_entry(standing="undecided", provenance="unknown")]),
        ("split", [a_line(input=41), a_line(requests=0, tier="flex", output=9)], []),
        ("untold", [a_line(input=41, untold=("cached",))], []),
        ("missing", [a_line(requests=0, input=41)], []),
    ],
)
def test_anything_else_stays_as_it_is(doubt, lines, more):
    entry = an_entry(id="x", standing="undecided", provenance="unknown", tier=None)
    decided = only(lines, [entry, *more])
    assert (decided.decisions, decided.doubt) == ((), doubt)


def test_the_books_may_be_behind():
    entry = an_entry(standing="undecided", provenance="unknown")
    assert only([], [entry], until=NOON - 1).doubt == "recent"
    assert only([], [entry], until=NOON).doubt is None


def test_what_does_not_look_like_the_call_is_not_taken_for_it():
    entry = an_entry(standing="undecided", provenance="unknown", expected_input=40)
    assert only([a_line(input=400, output=9)], [entry]).doubt == "unlikely"
    assert only([a_line(input=56, output=9)], [entry]).doubt is None
    spoken = an_entry(kind="audio_speeches", tier="", standing="undecided", provenance="counted", expected_input=40)
    assert only([a_line(kind="audio_speeches", tier="", characters=400)], [spoken]).doubt is None


def test_a_batch_decides_nothing_beside_it():
    lines = [a_line(kind="embeddings", tier="", requests=5, input=50)]
    entries = [
        an_entry(kind="embeddings", tier="", batch=True, input=50),
        an_entry(kind="embeddings", tier="", standing="undecided", provenance="unknown"),
    ]
    assert only(lines, entries).doubt == "untold"


# Whatever happens: worlds of calls, booked by the one rule or the other.


class Call(NamedTuple):
    """at, lasts: seconds from noon. seen: whether the provider has it; figures: what it came to there."""

    standing: str
    at: int
    lasts: int
    seen: bool
    input: int
    output: int


calls = st.builds(
    Call,
    standing=st.sampled_from(["known", "known", "known", "unknown", "counted", "outside"]),
    at=st.integers(0, 900),
    lasts=st.integers(0, 90),
    seen=st.booleans(),
    input=st.integers(0, 500),
    output=st.integers(0, 500),
)


def books_and_entries(world, rule):
    lines, entries = [], []
    for number, call in enumerate(world):
        begun, ended = NOON + call.at, NOON + call.at + call.lasts
        booked = begun if rule == "beginning" else ended
        seen = call.seen or call.standing in ("known", "outside", "counted")
        if seen:
            lines.append(a_line(start=booked // MINUTE * MINUTE, input=call.input, output=call.output))
        more = {"id": f"{number}", "begun": begun, "ended": ended}
        if call.standing == "known":
            entries.append(an_entry(**more, input=call.input, output=call.output))
        elif call.standing == "unknown":
            entries.append(an_entry(**more, standing="undecided", provenance="unknown"))
        elif call.standing == "counted":
            wrong = {"input": call.input + 1, "output": call.output // 2}
            entries.append(an_entry(**more, standing="undecided", provenance="counted", sure=True, **wrong))
    return lines, entries


@given(st.lists(calls, max_size=12), st.sampled_from(["beginning", "end"]))
def test_what_is_decided_is_the_truth(world, rule):
    """But for one: a call that never came through, and a stranger's in its minutes, look like a call that did."""
    lines, entries = books_and_entries(world, rule)
    for proven in {None, booking_rule(lines, entries)}:
        for component in components(lines, entries, proven):
            ids = {int(one.id) for one in (*component.undecided, *component.known)}
            strangers = component.comparable and any(call.standing == "outside" for call in world)
            lost = any(world[number].standing == "unknown" and not world[number].seen for number in ids)
            if strangers and lost:
                continue
            for decision in decide(component, LATER).decisions:
                call = world[int(decision.entry.id)]
                there = call.seen or call.standing == "counted"
                assert (decision.figures is not None) == there
                if decision.figures is not None:
                    assert decision.figures == Figures(requests=1, input=call.input, output=call.output)


@given(st.lists(calls.filter(lambda call: call.standing == "known"), max_size=12), calls, st.booleans())
def test_one_alone_is_always_decided(world, one, unknown):
    one = one._replace(standing="unknown" if unknown else "counted")
    lines, entries = books_and_entries([*world, one], "end")
    (component,) = [each for each in components(lines, entries) if each.undecided]
    (decision,) = decide(component, LATER).decisions
    assert (decision.figures is None) == (unknown and not one.seen)


def test_a_rule_is_proven_by_a_call_over_the_end_of_a_minute():
    over = an_entry(begun=NOON + 50, ended=NOON + 70, input=5, output=1)
    within = an_entry(begun=NOON + 600, ended=NOON + 601, input=7, output=2)
    told = a_line(start=NOON + 600, input=7, output=2)
    by_beginning, by_end = (a_line(start=start, input=5, output=1) for start in (NOON, NOON + 60))
    assert booking_rule([by_beginning, told], [over, within]) == "beginning"
    assert booking_rule([by_end, told], [over, within]) == "end"
    assert booking_rule([told], [within]) is None, "either could be"
    assert booking_rule([], [within]) is None, "neither can be"
    batch = an_entry(batch=True, tier="batch", input=99)
    assert booking_rule([by_end, told], [over, within, batch]) == "end"
    stranger = an_entry(standing="undecided", provenance="unknown", begun=NOON + 65, ended=NOON + 65)
    assert booking_rule([by_end, told], [over, within, stranger]) == "end"


def test_where_the_rule_is_proven_calls_do_not_chain_minutes():
    entries = [
        an_entry(id=f"{n}", begun=NOON + 60 * n + 50, ended=NOON + 60 * n + 70, input=5, output=1) for n in range(9)
    ]
    lines = [a_line(start=NOON + 60 * n, input=5, output=1) for n in range(9)]
    for n in (0, 5):
        lines.append(a_line(start=NOON + 60 * n, input=41 + n, output=9))
        entries.append(
            an_entry(
                id=f"x{n}",
                standing="undecided",
                provenance="unknown",
                begun=NOON + 60 * n + 20,
                ended=NOON + 60 * n + 20,
            )
        )
    chained = components(lines, entries)
    assert [decide(one, LATER).doubt for one in chained] == ["split"]
    rule = booking_rule(lines, entries)
    assert rule == "beginning"
    decided = [decision for one in components(lines, entries, rule) for decision in decide(one, LATER).decisions]
    assert {one.entry.id: one.figures.input for one in decided} == {"x0": 41, "x5": 46}
