"""Money: the provider's line items beside the lines of our costs, day by day. Pure.

A difference in quantity is what the calls behind it explain (see comparing); the rest is price, or rounding.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from msgspec import Struct

from talkmeter.metering.prices import normal_tier
from talkmeter.metering.reconciling.books import CostItem, Scope
from talkmeter.metering.reconciling.comparing import UNEXPLAINED, Line
from talkmeter.metering.reconciling.components import DAY
from talkmeter.metering.reconciling.figures import Figures
from talkmeter.metering.reconciling.ours import Ours

ZERO = Decimal(0)


class Item(NamedTuple):
    """unit: as in the provider's line items, `cached input`."""

    day: int
    model: str
    tier: str
    unit: str


class MoneyReason(Struct, frozen=True, kw_only=True):
    """names: as a Reason's, and price · rounding · unpriced. picodollars: its share."""

    names: tuple[str, ...]
    picodollars: Fraction


class MoneyLine(Struct, kw_only=True):
    """quantity: None where the provider does not tell it. calls: of ours with such a line."""

    item: Item
    provider: Decimal = ZERO
    provider_quantity: Decimal | None = ZERO
    ours: int = 0
    ours_quantity: int = 0
    calls: int = 0
    reasons: list[MoneyReason] = []
    outside_scope: bool = False

    @property
    def difference(self) -> Fraction:
        return Fraction(self.provider) - self.ours

    @property
    def explained(self) -> bool:
        return all(UNEXPLAINED not in reason.names for reason in self.reasons)


def item_of(day: int, line_item: str) -> Item:
    """`gpt-4o batch, cached input`: a model, a tier unless it is the usual one, and what is counted."""
    named, _, unit = line_item.rpartition(", ")
    model, _, tier = named.partition(" ")
    return Item(day, model, normal_tier(tier), unit.lower())


def compare_money(
    days: Sequence[int], costs: Iterable[CostItem], entries: Iterable[Ours], usage: Sequence[Line], scope: Scope
) -> list[MoneyLine]:
    """usage: the table of figures, whose reasons explain what quantities differ by."""
    wanted = frozenset(days)
    lines: dict[tuple[Item, bool], MoneyLine] = {}

    def at(item: Item, *, outside: bool = False) -> MoneyLine:
        key = item, outside
        if key not in lines:
            lines[key] = MoneyLine(item=item, reasons=[], outside_scope=outside)
        return lines[key]

    for cost in costs:
        day = cost.start // DAY * DAY
        if day in wanted:
            line = at(item_of(day, cost.item), outside=cost not in scope)
            line.provider += cost.picodollars
            known = line.provider_quantity
            line.provider_quantity = None if known is None or cost.quantity is None else known + cost.quantity
    unpriced: dict[tuple[int, str, str], Figures] = {}
    for one in entries:
        if one.day not in wanted:
            continue
        for charged in one.lines:
            unit = charged.unit.replace("_", " ").replace(":", " ").lower()
            line = at(Item(one.day, one.name, one.money_tier, unit))
            line.ours += charged.picodollars
            line.ours_quantity += charged.quantity
            line.calls += 1
        if one.picodollars is None and one.standing != "open" and one.figures:
            key = one.day, one.name, one.money_tier
            unpriced[key] = unpriced.get(key, Figures()) + one.figures
    for line in lines.values():
        line.reasons = _reasons(line, usage, unpriced)
    return [lines[key] for key in sorted(lines)]


def _reasons(
    line: MoneyLine, usage: Sequence[Line], unpriced: dict[tuple[int, str, str], Figures]
) -> list[MoneyReason]:
    if line.outside_scope:
        return [MoneyReason(names=("outside",), picodollars=line.difference)]
    names, expected = _behind(line.item, usage, unpriced)
    told = line.provider_quantity
    if told is None:
        # Without quantities a difference is the calls' if there are any, else the price's.
        return _price(line, line.difference) if not names else _named(names, line.difference)
    more = Fraction(told) - line.ours_quantity
    if more == 0:
        return _price(line, line.difference)
    per = Fraction(line.provider) / Fraction(told) if told else Fraction(line.ours, line.ours_quantity)
    if not names:
        by_calls, left = Fraction(0), more
    else:
        by_calls = more if expected is None else _within(more, expected)
        left = more - by_calls
    rest = line.difference - per * more
    found = _named(names, per * by_calls)
    if left:
        found += _named((UNEXPLAINED,), per * left)
    return [*found, *_price(line, rest)]


def _within(more: Fraction, expected: Fraction) -> Fraction:
    """As much of a difference as goes the way that is expected, and no further."""
    if (more > 0) != (expected > 0):
        return Fraction(0)
    return min(more, expected) if more > 0 else max(more, expected)


def _named(names: tuple[str, ...], picodollars: Fraction) -> list[MoneyReason]:
    return [MoneyReason(names=names, picodollars=picodollars)] if picodollars else []


def _price(line: MoneyLine, rest: Fraction) -> list[MoneyReason]:
    """Each of our lines is rounded to a whole picodollar; what is more than that is another price."""
    if not rest:
        return []
    rounded = abs(rest) <= Fraction(line.calls, 2) + 1
    return _named(("rounding",) if rounded else ("price",), rest)


def _behind(
    item: Item, usage: Sequence[Line], unpriced: dict[tuple[int, str, str], Figures]
) -> tuple[tuple[str, ...], Fraction | None]:
    """Why quantities of this item may differ, and by how much; None: by whatever they do, the books do not tell."""
    names: set[str] = set()
    share = Figures()
    vague = False
    for line in usage:
        group = line.group
        same = group.tier in (item.tier, "") if item.tier != "standard" else group.tier in ("standard", "")
        if line.outside_scope or (group.day, group.model) != (item.day, item.model) or not same:
            continue
        for reason in line.reasons:
            if UNEXPLAINED not in reason.names:
                names |= set(reason.names)
                share = share + reason.share
        # Of spoken, heard and drawn the books tell pieces, where some models are paid by the token.
        vague = vague or group.kind not in ("completions", "embeddings")
    missing = unpriced.get((item.day, item.model, item.tier))
    if missing is not None:
        names.add("unpriced")
        share = share + missing
    return tuple(sorted(names)), None if vague else _quantity(share, item.unit)


def _quantity(share: Figures, unit: str) -> Fraction | None:
    quantities = {
        "input": share.input - share.cached - share.cache_write - share.audio_input,
        "cached input": share.cached,
        "cache write": share.cache_write,
        "output": share.output - share.audio_output - share.image_output,
        "audio input": share.audio_input,
        "audio output": share.audio_output,
        "image output": share.image_output,
    }
    found = quantities.get(unit)
    return None if found is None else Fraction(found)
