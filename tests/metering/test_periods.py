"""Calendar periods: where days, weeks and months begin, also where clocks change."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.metering.periods import EVER, iso, span_of

HOUR = 3_600_000_000
SEOUL, BERLIN, NEW_YORK = ZoneInfo("Asia/Seoul"), ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")


def at(text):
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


@pytest.mark.parametrize(
    ("period", "instant", "zone", "start", "end"),
    [
        ("day", "2026-11-27T03:00:00+00:00", "UTC", "2026-11-27T00:00:00+00:00", "2026-11-28T00:00:00+00:00"),
        ("day", "2026-11-27T16:00:00+00:00", "Asia/Seoul", "2026-11-28T00:00:00+09:00", "2026-11-29T00:00:00+09:00"),
        ("week", "2026-11-27T03:00:00+00:00", "UTC", "2026-11-23T00:00:00+00:00", "2026-11-30T00:00:00+00:00"),
        ("week", "2026-11-30T00:00:00+00:00", "UTC", "2026-11-30T00:00:00+00:00", "2026-12-07T00:00:00+00:00"),
        ("month", "2026-12-31T23:59:59+00:00", "UTC", "2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
        ("month", "2028-02-29T12:00:00+00:00", "UTC", "2028-02-01T00:00:00+00:00", "2028-03-01T00:00:00+00:00"),
        # Havana repeats the hour after midnight, Beirut skips it: the day begins once.
        (
            "day",
            "2024-11-03T05:30:00+00:00",
            "America/Havana",
            "2024-11-03T04:00:00+00:00",
            "2024-11-04T05:00:00+00:00",
        ),
        ("day", "2024-03-31T00:30:00+00:00", "Asia/Beirut", "2024-03-30T22:00:00+00:00", "2024-03-31T21:00:00+00:00"),
        # Samoa left out a whole day.
        ("day", "2011-12-31T12:00:00+14:00", "Pacific/Apia", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"),
        ("day", "1969-12-31T23:59:59+00:00", "UTC", "1969-12-31T00:00:00+00:00", "1970-01-01T00:00:00+00:00"),
    ],
)
def test_where_a_period_begins_and_ends(period, instant, zone, start, end):
    span = span_of(period, at(instant), ZoneInfo(zone))
    assert (span.start, span.end) == (at(start), at(end))
    assert span.holds(at(instant))
    assert not span.holds(span.end)
    assert not span.holds(span.start - 1)


@pytest.mark.parametrize(
    ("noon", "zone", "hours"),
    [
        ("2026-03-29T12:00:00+02:00", BERLIN, 23),
        ("2026-10-25T12:00:00+01:00", BERLIN, 25),
        ("2026-03-08T12:00:00-04:00", NEW_YORK, 23),
        ("2026-11-01T12:00:00-05:00", NEW_YORK, 25),
        ("2026-11-27T12:00:00+09:00", SEOUL, 24),
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(noon, zone, hours):
    span = span_of("day", at(noon), zone)
    assert span.end - span.start == hours * HOUR


def test_some_budgets_know_no_calendar():
    assert span_of("total", 1, SEOUL) == span_of("request", 1, SEOUL) == EVER
    assert EVER.holds(2**62)


def test_a_reset_is_written_in_its_zone():
    assert iso(at("2026-11-27T15:00:00+00:00"), SEOUL) == "2026-11-28T00:00:00+09:00"


@given(
    instant=st.integers(at("2013-01-01T00:00:00+00:00"), at("2037-01-01T00:00:00+00:00")),
    zone=st.sampled_from(
        ["UTC", "Asia/Seoul", "Europe/Berlin", "America/New_York", "Pacific/Auckland", "Asia/Kathmandu"]
    ),
    period=st.sampled_from(["day", "week", "month"]),
)
def test_periods_follow_each_other_without_a_gap(instant, zone, period):
    zone = ZoneInfo(zone)
    span = span_of(period, instant, zone)
    assert span.holds(instant)
    assert span_of(period, span.start, zone) == span_of(period, span.end - 1, zone) == span
    following = span_of(period, span.end, zone)
    assert following.start == span.end
    local = datetime.fromtimestamp(span.start / 1_000_000, UTC).astimezone(zone)
    assert (local.hour, local.minute) == (0, 0)
    assert period != "week" or local.weekday() == 0
    assert period != "month" or local.day == 1
