"""Calendar periods in a time zone: when the one around an instant began, and when the next begins. Pure."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from talkmeter.clock import SECOND

Period = Literal["day", "week", "month", "total", "request"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Span(Struct, frozen=True):
    """From `start` to before `end`, µs since 1970 UTC; end None: never."""

    start: int
    end: int | None

    def holds(self, at: int) -> bool:
        return self.start <= at and (self.end is None or at < self.end)


EVER = Span(0, None)


def span_of(period: Period, at: int, zone: ZoneInfo) -> Span:
    """The calendar period around `at` (µs UTC). A day lasts 23 or 25 hours where clocks change; weeks begin on Monday.

    `total` and `request` have no calendar: they are EVER.
    """
    if period in ("total", "request"):
        return EVER
    today = (_EPOCH + timedelta(seconds=at // SECOND)).astimezone(zone).date()
    if period == "day":
        first, following = today, today + timedelta(days=1)
    elif period == "week":
        first = today - timedelta(days=today.weekday())
        following = first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        following = (first + timedelta(days=31)).replace(day=1)
    return Span(_midnight(first, zone), _midnight(following, zone))


def _midnight(day: date, zone: ZoneInfo) -> int:
    """The first instant of a day. Where midnight is skipped it is the change itself, where it comes twice the first."""
    local = datetime(day.year, day.month, day.day, tzinfo=zone)
    return (local.astimezone(UTC) - _EPOCH) // _MICROSECOND


def iso(at: int, zone: ZoneInfo) -> str:
    """`2026-11-28T00:00:00+09:00`, for people."""
    return (_EPOCH + timedelta(seconds=at // SECOND)).astimezone(zone).isoformat()
