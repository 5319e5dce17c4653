"""What an open entry has set aside, and what becomes of it once the entry is settled, priced late or reconciled. Pure.

It stands on the entry itself, as JSON: whoever settles it, in whatever period and after whatever crash, releases
exactly what was reserved. What a call has used is counted where it is known; where it is not, the worst case stays.
"""

from functools import lru_cache

import msgspec
from msgspec import Struct, structs

from talkmeter.metering.budget_store import (
    AdjustRate,
    Reserve,
    SettleBudgets,
    SettleItem,
    TakeRates,
    Unit,
)
from talkmeter.metering.cost import Cost
from talkmeter.metering.ledger import OpenEntry, SettleEntry
from talkmeter.metering.usage import Usage


class Reserved(Struct, frozen=True):
    """`amount` of a budget's unit, in its period that began at `period_start`."""

    budget_id: str
    period_start: int
    unit: Unit
    amount: int


class TakenTokens(Struct, frozen=True):
    """Tokens taken from the bucket of a rate limit."""

    id: str
    limit_per_minute: int
    cost: int


class Reservations(Struct, frozen=True, omit_defaults=True):
    budgets: tuple[Reserved, ...] = ()
    tokens: tuple[TakenTokens, ...] = ()


NONE = Reservations()
_decode = msgspec.json.Decoder(Reservations).decode
_encode = msgspec.json.Encoder().encode


def reservations_text(reserve: Reserve | None, rates: TakeRates | None = None) -> str | None:
    """What `OpenEntry.reservations` keeps; None if nothing needs to be settled later."""
    budgets: list[Reserved] = []
    tokens: list[TakenTokens] = []
    if reserve is not None:
        budgets = [Reserved(item.budget_id, item.period_start, item.unit, item.amount) for item in reserve.items]
    if rates is not None:
        for item in rates.items:
            if item.kind == "tokens":
                tokens.append(TakenTokens(item.id, item.limit_per_minute, item.cost))  # noqa: PERF401 - few
    return _encode(Reservations(tuple(budgets), tuple(tokens))).decode() if budgets or tokens else None


def reservations_of(opening: OpenEntry) -> Reservations:
    return NONE if opening.reservations is None else _reservations(opening.reservations)


_reservations = lru_cache(maxsize=512)(_decode)  # a settlement asks twice, and many calls set the same aside


def spent_of(reserved: Reserved, usage: Usage | None, cost: Cost) -> int:
    """What a call counts in a budget: what it came to or, where that is not known, its worst case."""
    known = cost.picodollars if reserved.unit == "picodollars" else _tokens(usage)
    return reserved.amount if known is None else known


def _tokens(usage: Usage | None) -> int | None:
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return usage.prompt_tokens + usage.completion_tokens


def release(opening: OpenEntry, settled: SettleEntry) -> tuple[SettleBudgets | AdjustRate, ...]:
    """The changes to commit in one transaction with the settlement, which happens only once."""
    if opening.reservations is None:
        return ()
    kept = _reservations(opening.reservations)
    changes: list[SettleBudgets | AdjustRate] = []
    if kept.budgets:
        changes.append(
            SettleBudgets(
                tuple(
                    SettleItem(one.budget_id, one.period_start, one.amount, spent_of(one, settled.usage, settled.cost))
                    for one in kept.budgets
                )
            )
        )
    used = _tokens(settled.usage)
    if used is not None:
        for taken in kept.tokens:
            if used != taken.cost:
                more = used - taken.cost
                changes.append(AdjustRate(taken.id, taken.limit_per_minute, more, settled.settled_at))
    return tuple(changes)


def correction(opening: OpenEntry, before: SettleEntry, usage: Usage | None, cost: Cost) -> tuple[SettleBudgets, ...]:
    """To be committed with what changes a settled entry's usage or cost: a price that arrived, a reconciliation.

    before: the settlement as it stands. Periods that have ended are corrected too.
    """
    items = tuple(
        SettleItem(one.budget_id, one.period_start, 0, after - counted)
        for one in reservations_of(opening).budgets
        if (after := spent_of(one, usage, cost)) != (counted := spent_of(one, before.usage, before.cost))
    )
    return (SettleBudgets(items),) if items else ()


def flagged(opening: OpenEntry, settled: SettleEntry) -> SettleEntry:
    """The settlement, with a `problem` that says so if the call came to more than had been reserved for it."""
    if opening.reservations is None or not (budgets := _reservations(opening.reservations).budgets):
        return settled
    more = [
        f"{over} {one.unit} more than the {one.amount} reserved"
        for one in budgets
        if (over := spent_of(one, settled.usage, settled.cost) - one.amount) > 0
    ]
    if not more:
        return settled
    said = f"the call came to {'; '.join(dict.fromkeys(more))}"
    return structs.replace(settled, problem=f"{settled.problem}; {said}" if settled.problem else said)
