"""What people type for durations, moments and limits, and how moments are shown."""

import re
from datetime import UTC, datetime
from typing import Any

import click

from talkmeter.clock import SECOND, now

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400, "y": 365 * 86_400}


def seconds_of(text: str) -> int | None:
    """`90m`, `12h`, `30d`, `2w`, `1y` in seconds; None if it is none of them."""
    found = re.fullmatch(r"([0-9]{1,6})([smhdwy])", text.strip().lower())
    return None if found is None else int(found[1]) * SECONDS[found[2]]


def duration(_: click.Context, param: click.Parameter, value: str) -> int:
    """An option's callback: in seconds."""
    seconds = 0 if value == "0" else seconds_of(value)
    if seconds is None:
        raise click.BadParameter(f"{value!r} is no duration such as 90m, 12h or 30d.", param=param)
    return seconds


def moment(_: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """An option's callback: a duration from now, or a day to its end (UTC); µs since 1970."""
    if value is None:
        return None
    seconds = seconds_of(value)
    if seconds is not None:
        return now() + seconds * SECOND
    try:
        day = datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        text = f"{value!r} is neither a duration such as 30d nor a day such as 2027-01-31."
        raise click.BadParameter(text, param=param) from None
    return (int(day.timestamp()) + SECONDS["d"]) * SECOND


def limit(_: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    """An option's callback: a whole number, or `none`; None itself is an option that was not given."""
    if value is None or value == "none":
        return value
    if not re.fullmatch("[0-9]{1,13}", value):
        raise click.BadParameter(f"{value!r} is neither a whole number nor none.", param=param)
    return int(value)


def limits_given(**given: Any) -> dict[str, int | None]:
    """The limits that were given, as they are kept."""
    return {name: None if value == "none" else value for name, value in given.items() if value is not None}


def words_of(text: str | None) -> list[str] | None:
    """`a, b` as a list."""
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def shown(moment: int | None) -> str:
    return "" if moment is None else datetime.fromtimestamp(moment // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M")
