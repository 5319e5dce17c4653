"""Sums by day in a time zone, and by whatever costs most."""

from zoneinfo import ZoneInfo

import pytest

from talkmeter.errors import BadInput
from talkmeter.metering.calls import QUARTER, Call, CallFilter, CallSums
from talkmeter.metering.ledger import Totals
from talkmeter.metering.periods import midnight
from talkmeter.metering.usage_table import UsageRow, added, usage_rows

UTC, SEOUL, KATHMANDU = (ZoneInfo(name) for name in ("UTC", "Asia/Seoul", "Asia/Kathmandu"))
HOUR = 4 * QUARTER


class Sums:
    def __init__(self, *sums):
        self.sums = [CallSums(key=key, totals=Totals(calls=calls, picodollars=money)) for key, calls, money in sums]

    async def call_sums(self, wanted, by):
        return self.sums


async def days(zone, *quarters):
    rows = await usage_rows(Sums(*quarters), CallFilter(), "day", zone)
    return [(row.name, row.totals.calls, row.totals.picodollars) for row in rows]


async def test_a_day_begins_where_the_zone_says():
    quarters = [(15 * HOUR, 2, 20), (15 * HOUR - QUARTER, 1, 10), (0, 4, 40)]
    assert await days(UTC, *quarters) == [("1970-01-01", 7, 70)]
    assert await days(SEOUL, *quarters) == [("1970-01-01", 5, 50), ("1970-01-02", 2, 20)]
    late = 18 * HOUR + QUARTER  # Nepal is 5:30 ahead of UTC in 1970, 5:45 today
    assert await days(KATHMANDU, (late, 1, 1)) == [("1970-01-01", 1, 1)]
    assert await days(KATHMANDU, (late + QUARTER, 1, 1)) == [("1970-01-02", 1, 1)]
    assert await days(UTC) == []


async def test_what_costs_most_comes_first():
    rows = await usage_rows(Sums((None, 1, 5), ("b", 1, 9), ("a", 2, 5), ("c", 2, 5)), CallFilter(), "model", UTC)
    assert [row.name for row in rows] == ["b", "a", "c", None]
    assert rows[0] == UsageRow("b", Totals(calls=1, picodollars=9))


def test_every_figure_is_added():
    names = Totals.__struct_fields__
    one = Totals(**{name: 10**n for n, name in enumerate(names)})
    assert added(one, one) == Totals(**{name: 2 * 10**n for n, name in enumerate(names)})


def test_a_day_is_found_by_its_name():
    assert midnight("1970-01-02", UTC) == 24 * HOUR
    assert midnight("1970-01-02", SEOUL, days=1) == 24 * HOUR + 15 * HOUR
    for wrong in ("tomorrow", "2026-02-30", ""):
        with pytest.raises(BadInput):
            midnight(wrong, UTC)
    with pytest.raises(BadInput):
        midnight("9999-12-31", UTC, days=1)


@pytest.mark.parametrize(
    ("picodollars", "has_usage", "priced"),
    [(0, True, True), (5, True, True), (None, True, False), (None, False, None), (None, None, None)],
)
def test_unpriced_and_unknown_are_two_things(picodollars, has_usage, priced):
    fields = dict.fromkeys(Call.__struct_fields__) | {"picodollars": picodollars, "has_usage": has_usage}
    assert Call(**fields).priced is priced
