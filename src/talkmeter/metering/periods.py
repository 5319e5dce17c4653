"""Calendar periods in a time zone: when the one around an instant began, and when the next begins. Pure."""

from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from msgspec import Struct

from talkmeter.clock import SECOND
from talkmeter.errors import BadInput

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


def midnight(day: str, zone: ZoneInfo, days: int = 0) -> int:
    """The first µs of a day such as `2026-11-28`, or of so many days later. Raises BadInput."""
    try:
        meant = date.fromisoformat(day) + timedelta(days=days)
    except (ValueError, OverflowError):
        raise BadInput(
            f"{day:.40} is not a day.",
            f"{day:.40}은(는) 날짜가 아닙니다.",
            param="day",
            hint="Write it as 2026-11-28.",
            hint_ko="2026-11-28처럼 쓰십시오.",
        ) from None
    return _midnight(meant, zone)


def iso(at: int, zone: ZoneInfo) -> str:
    """`2026-11-28T00:00:00+09:00`, for people."""
    return (_EPOCH + timedelta(seconds=at // SECOND)).astimezone(zone).isoformat()
