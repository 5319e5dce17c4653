"""Sums of the ledger by day, model, key, user or provider. Pure but for the reading."""

from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from talkmeter.metering.calls import CallFilter, CallStore, CallSums, Grouping
from talkmeter.metering.ledger import Totals
from talkmeter.metering.periods import iso


class UsageRow(Struct, frozen=True):
    """name: the day as 2026-11-28, the model, or an id; None for calls that have none."""

    name: str | None
    totals: Totals


async def usage_rows(store: CallStore, wanted: CallFilter, by: Grouping, zone: ZoneInfo) -> list[UsageRow]:
    """Days in their order; else what cost most first."""
    sums = await store.call_sums(wanted, by)
    if by == "day":
        return by_days(sums, zone)
    rows = [UsageRow(None if one.key is None else str(one.key), one.totals) for one in sums]
    return sorted(rows, key=lambda row: (-row.totals.picodollars, -row.totals.calls, row.name or ""))


def by_days(quarters: Sequence[CallSums], zone: ZoneInfo) -> list[UsageRow]:
    days: dict[str, Totals] = {}
    for one in quarters:
        day = iso(int(one.key or 0), zone)[:10]
        days[day] = added(days.get(day, Totals()), one.totals)
    return [UsageRow(day, days[day]) for day in sorted(days)]


def added(one: Totals, other: Totals) -> Totals:
    sums: dict[str, Any] = {name: figure + getattr(other, name) for name, figure in structs.asdict(one).items()}
    return Totals(**sums)
