"""Every difference has a name, and what has none is called unexplained."""

from decimal import Decimal

import pytest

from support.reconciling import DAY, NOON, a_line, an_entry, split
from talkmeter.metering.cost import CostLine
from talkmeter.metering.reconciling.books import CostItem, Scope
from talkmeter.metering.reconciling.comparing import compare
from talkmeter.metering.reconciling.components import components
from talkmeter.metering.reconciling.deciding import decide
from talkmeter.metering.reconciling.money import compare_money, item_of

NIGHT = DAY + 86_400
EVERYTHING = Scope()
LATER = NOON + 86_400


def table(lines, entries, *, days=(DAY,), scope=EVERYTHING, until=LATER, minutes=None):
    """minutes: where the books by the minute say something else than those by the day."""
    inside = [line for line in (lines if minutes is None else minutes) if line in scope]
    found = [(one, decide(one, until)) for one in components(inside, entries)]
    return compare(days, lines, entries, found, scope, until)


def reasons(line):
    return [(one.names, one.share.shown(), one.entries) for one in line.reasons]


def unknown(**more):
    return an_entry(standing="undecided", provenance="unknown", **more)


def test_what_is_equal_needs_no_reason():
    (line,) = table([a_line(input=5, cached=2, output=2)], [an_entry(input=5, cached=2, output=2)])
    assert (line.difference.shown(), line.reasons, line.explained, line.projects) == ({}, [], True, ("proj_1",))


def test_calls_from_outside_have_exactly_what_is_left():
    (line,) = table([a_line(requests=3, input=46, output=11)], [an_entry(input=5, output=2)])
    assert reasons(line) == [(("outside",), {"requests": 2, "input": 41, "output": 9}, 0)]
    assert line.explained


@pytest.mark.parametrize("provenance", ["counted", "estimated", "unknown", "open"])
def test_what_is_not_sure_is_named(provenance):
    standing = "open" if provenance == "open" else "undecided"
    entry = an_entry(standing=standing, provenance=provenance, input=40, output=8, requests=1)
    (line,) = table([a_line(input=41, output=9)], [entry])
    assert reasons(line) == [((provenance,), {"input": 1, "output": 1}, 1)]


def test_several_that_share_their_minutes_share_a_reason():
    entries = [unknown(), an_entry(standing="open", provenance="open")]
    (line,) = table([a_line(requests=3, input=41)], entries)
    assert reasons(line) == [(("open", "unknown", "outside"), {"requests": 3, "input": 41}, 2)]
    apart = [unknown(), unknown(begun=NOON + 600, ended=NOON + 600)]
    (line,) = table([a_line(input=41), a_line(start=NOON + 600, input=42)], apart)
    assert reasons(line) == [(("unknown",), {"requests": 2, "input": 83}, 2)]


def test_what_does_not_look_like_ours_may_be_from_outside():
    (line,) = table([a_line(input=400)], [unknown(expected_input=40)])
    assert [(one.names, one.doubt) for one in line.reasons] == [(("unknown", "outside"), "unlikely")]


def test_a_gap_in_the_books_is_not_explained():
    (line,) = table([], [an_entry(input=5, output=2)])
    assert reasons(line) == [(("unexplained",), {"requests": -1, "input": -5, "output": -2}, 0)]
    assert not line.explained
    (line,) = table([a_line(input=6, output=2)], [an_entry(input=5, output=2)])
    assert reasons(line) == [(("unexplained",), {"input": 1}, 0)]
    (line,) = table([a_line(input=4)], [an_entry(input=5), unknown()])
    assert reasons(line) == [(("unknown", "unexplained"), {"input": -1}, 1)]


def test_books_that_are_behind_are_no_gap():
    (line,) = table([], [an_entry(input=5)], until=NOON - 1)
    assert reasons(line) == [(("recent",), {"requests": -1, "input": -5}, 0)]


def test_a_call_over_midnight_is_at_the_edge_of_both_days():
    entry = an_entry(begun=NIGHT - 5, ended=NIGHT + 5, input=5)
    first, second = table([a_line(start=NIGHT, input=5)], [entry], days=(DAY, NIGHT), until=NIGHT * 2)
    assert reasons(first) == [(("edge",), {"requests": -1, "input": -5}, 0)]
    assert reasons(second) == [(("edge",), {"requests": 1, "input": 5}, 0)]
    (only,) = table([a_line(start=NIGHT, input=5)], [entry], days=(NIGHT,), until=NIGHT * 2)
    assert only.group.day == NIGHT


def test_books_that_contradict_themselves_are_not_explained():
    (line,) = table([a_line(input=6)], [an_entry(input=5)], minutes=[a_line(input=5)])
    assert reasons(line) == [(("unexplained",), {"input": 1}, 0)]


def test_what_is_out_of_scope_stands_by_itself():
    lines = [a_line(input=5), a_line(project="proj_2", input=7), a_line(project=None, input=1)]
    scope = Scope(projects=frozenset({"proj_1"}))
    ours, others = table(lines, [an_entry(input=5)], scope=scope)
    assert (ours.reasons, ours.projects) == ([], ("proj_1",))
    assert reasons(others) == [(("outside",), {"requests": 2, "input": 8}, 0)]
    assert others.projects == ("proj_2",)
    by_key = Scope(api_keys=frozenset({"key_1"}))
    assert [one in by_key for one in (a_line(), a_line(api_key="key_1"))] == [False, True]


def test_a_batch_is_one_entry_and_many_requests():
    entries = [an_entry(batch=True, tier="batch", last=NOON + 26 * 3600, input=50, output=9)]
    lines = [a_line(tier="batch", requests=5, input=50, output=9)]
    (line,) = table(lines, entries)
    assert (line.apart, line.difference.shown(), line.reasons) == (("requests",), {}, [])
    more = [a_line(tier="batch", start=NOON + 3600, requests=5, input=51, output=9)]
    (line,) = table(more, entries)
    assert reasons(line) == [(("unexplained",), {"input": 1}, 0)]


def test_figures_that_one_side_cannot_know_are_not_compared():
    entry = an_entry(kind="images", tier="", untold=("images",))
    (line,) = table([a_line(kind="images", tier="", images=1)], [entry])
    assert (line.apart, line.difference.shown(), line.reasons) == (("images",), {}, [])


# Money


def cost(item, picodollars, quantity, **more):
    told = None if quantity is None else Decimal(quantity)
    return CostItem(start=NOON, item=item, picodollars=Decimal(picodollars), quantity=told, **more)


def paid(quantity, per, unit="output", **more):
    figures, rest = split(more)
    line = CostLine(unit, quantity, per, 1, "row", quantity * per)
    entry = an_entry(lines=(line,), picodollars=quantity * per, **rest)
    return entry if not figures else an_entry(**figures.shown(), lines=(line,), picodollars=quantity * per, **rest)


def money(costs, entries, usage=(), *, scope=EVERYTHING):
    return compare_money((DAY,), costs, entries, usage, scope)


def shares(line):
    return [(one.names, one.picodollars) for one in line.reasons]


def test_line_items_are_read():
    assert item_of(DAY, "gpt-4o batch, cached input") == (DAY, "gpt-4o", "batch", "cached input")
    assert item_of(DAY, "gpt-4o, Input") == (DAY, "gpt-4o", "standard", "input")


def test_equal_money_needs_no_reason():
    (line,) = money([cost("m, output", 18, 9)], [paid(9, 2, output=9)])
    assert (line.difference, line.reasons, line.explained) == (0, [], True)


def test_another_price_is_named_with_its_share():
    (line,) = money([cost("m, output", 27_000, 9)], [paid(9, 2_000, output=9)])
    assert shares(line) == [(("price",), 9_000)]
    (line,) = money([cost("m, output", 27_000, None)], [paid(9, 2_000, output=9)])
    assert shares(line) == [(("price",), 9_000)]
    assert line.explained


def test_a_rounded_picodollar_is_rounding():
    (line,) = money([cost("m, output", "18.5", 9)], [paid(9, 2, output=9)])
    assert shares(line) == [(("rounding",), Decimal("0.5"))]


def test_money_goes_with_the_calls_behind_it():
    entry = paid(8, 2_000, output=8, standing="undecided", provenance="counted")
    usage = table([a_line(output=9)], [entry])
    (line,) = money([cost("m, output", 18_000, 9)], [entry], usage)
    assert shares(line) == [(("counted",), 2_000)]
    (line,) = money([cost("m, output", 27_000, 9)], [entry], usage)
    assert shares(line) == [(("counted",), 3_000), (("price",), 8_000)]
    (line,) = money([cost("m, output", 18_000, None)], [entry], usage)
    assert shares(line) == [(("counted",), 2_000)]
    (line,) = money([cost("m, output", 20_000, 10)], [entry], usage)
    assert shares(line) == [(("counted",), 2_000), (("unexplained",), 2_000)]
    assert not line.explained
    (line,) = money([cost("m, output", 12_000, 6)], [entry], usage)
    assert shares(line) == [(("unexplained",), -4_000)]


def test_what_nobody_can_say_is_not_explained():
    (line,) = money([cost("m, output", 20_000, 10)], [paid(8, 2_000, output=8)])
    assert shares(line) == [(("unexplained",), 4_000)]
    (line,) = money([], [paid(8, 2_000, output=8)])
    assert shares(line) == [(("unexplained",), -16_000)]
    usage = table([], [an_entry(input=5)])
    (line,) = money([cost("m, input", 5, 5)], [], usage)
    assert shares(line) == [(("unexplained",), 5)]


def test_unpriced_entries_are_named():
    entry = an_entry(output=9, input=3, cached=1)
    lines = money([cost("m, output", 18_000, 9), cost("m, input", 40, 2), cost("m, cached input", 1, 1)], [entry])
    assert [shares(line) for line in lines] == [
        [(("unpriced",), 1)],
        [(("unpriced",), 40)],
        [(("unpriced",), 18_000)],
    ]
    assert money([], [an_entry(standing="open", provenance="open"), an_entry(begun=NIGHT)]) == []


def test_other_projects_pay_for_themselves():
    scope = Scope(projects=frozenset({"proj_1"}))
    told = [cost("m, output", 18, 9, project="proj_1"), cost("m, output", 36, 18, project="proj_2")]
    ours, others = money(told, [paid(9, 2, output=9)], scope=scope)
    assert (ours.reasons, shares(others)) == ([], [(("outside",), 36)])
    assert money([CostItem(start=NIGHT, item="m, output", picodollars=Decimal(1))], []) == []


def test_pieces_that_are_paid_by_the_token_take_the_reason_of_their_calls():
    usage = table([a_line(kind="images", tier="", requests=2)], [an_entry(kind="images", tier="", untold=("images",))])
    (line,) = money(
        [cost("m, image output", 2_112, 2112)], [paid(1056, 1, "image_output", kind="images", tier="")], usage
    )
    assert shares(line) == [(("outside",), 1_056)]
    usage = table([a_line(tier="flex", output=1)], [])
    (line,) = money([cost("m flex, something new", 7, 7)], [], usage)
    assert shares(line) == [(("outside",), 7)]
    (line,) = money([cost("m batch, output", 7, 7)], [], usage)
    assert shares(line) == [(("unexplained",), 7)]
