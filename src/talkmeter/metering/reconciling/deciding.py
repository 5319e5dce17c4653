"""Which undecided entries the provider's books decide, and as what. Pure, and conservative: nothing is guessed.

| in the minutes where it can be | decided |
|---|---|
| an open entry, or one that ended a moment ago | nothing: the books may not be complete |
| more requests than entries of ours, or less than were reported | nothing: there are calls from outside, or gaps |
| as many requests as were surely answered | the others were never there: nothing of anything |
| one entry, one request | the rest is its usage |
| several, and their exact counts add up to the rest | each as it was counted |
| anything else | nothing: the sum is stated, its split is not known |
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from talkmeter.metering.reconciling.components import Component
from talkmeter.metering.reconciling.figures import Figures, total
from talkmeter.metering.reconciling.ours import Ours

Doubt = Literal["open", "recent", "outside", "missing", "split", "unlikely", "untold"]
SLACK = 16  # tokens by which a count that is called exact may be off


class Decision(Struct, frozen=True, kw_only=True):
    """figures: None: the call is not in the books at all. model, tier: as the books name them."""

    entry: Ours
    figures: Figures | None
    model: str | None = None
    tier: str | None = None
    since: int = 0
    until: int = 0


class Decided(Struct, frozen=True):
    """doubt: why the undecided entries stay so; None if there are none."""

    decisions: tuple[Decision, ...]
    doubt: Doubt | None = None


def decide(component: Component, complete_until: int) -> Decided:
    """complete_until: seconds since 1970 up to which the books are taken to be complete."""
    undecided = component.undecided
    if not undecided:
        return Decided(())
    doubt = _doubt(component, complete_until)
    if doubt is not None:
        return Decided((), doubt)
    rests = component.rests()
    requests = sum(rest.requests for rest in rests.values())
    sure = [one for one in undecided if one.sure]
    if requests == len(sure):
        gone = [_absent(one) for one in undecided if not one.sure]
        rest = _split(component, sure, rests)
        return rest if rest.doubt else Decided((*gone, *rest.decisions))
    if requests == len(undecided):
        return _split(component, undecided, rests)
    return Decided((), "outside" if requests > len(undecided) else "split")


def _doubt(component: Component, complete_until: int) -> Doubt | None:
    everything = (*component.known, *component.undecided, *component.open)
    if component.open:
        return "open"
    if any(one.ended > complete_until for one in everything):
        return "recent"
    if not component.comparable or component.untold:
        return "untold"
    if any(rest.negative for rest in component.rests().values()):
        return "missing"
    return None


def _split(component: Component, entries: Sequence[Ours], rests: dict[tuple[str, str], Figures]) -> Decided:
    """Of entries that are all in the books, and nobody else with them."""
    if not entries:
        return Decided((), "missing" if rests else None)
    if len(entries) == 1:
        (one,) = entries
        if len(rests) != 1:
            return Decided((), "split")
        ((model, tier), rest) = next(iter(rests.items()))
        if not _likely(one, rest):
            return Decided((), "unlikely")
        return Decided((_booked(component, one, rest, model, tier),))
    by_group: dict[tuple[str, str], list[Ours]] = {}
    for one in entries:
        by_group.setdefault((one.name, one.tier or ""), []).append(one)
    exact = all(one.exact and one.model is not None and one.tier is not None for one in entries)
    if not exact or rests.keys() != by_group.keys():
        return Decided((), "split")
    for group, members in by_group.items():
        if total(one.figures for one in members).only(component.names) != rests[group]:
            return Decided((), "split")
    return Decided(tuple(_booked(component, one, one.figures, one.name, one.tier or "") for one in entries))


def _likely(one: Ours, rest: Figures) -> bool:
    """Whether the rest looks like this call: had it come to nothing, a call from outside could stand in its place."""
    if one.expected_input is None or one.kind != "completions":
        return True
    return abs(rest.input - one.expected_input) <= max(SLACK, one.expected_input // 4)


def _booked(component: Component, one: Ours, figures: Figures, model: str, tier: str) -> Decision:
    starts = [line.start for line in component.lines]
    return Decision(entry=one, figures=figures, model=model, tier=tier, since=min(starts), until=max(starts) + 60)


def _absent(one: Ours) -> Decision:
    return Decision(entry=one, figures=None, since=one.first, until=one.last)
