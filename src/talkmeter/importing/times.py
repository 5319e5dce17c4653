"""Times as other programs write them, in µs since 1970 UTC. Pure."""

from datetime import UTC, datetime
from typing import Any

from talkmeter.clock import SECOND

_LATEST = 253_402_300_799  # the last second of the year 9999


def from_seconds(seconds: Any) -> int | None:
    """Seconds since 1970; None for what is no such time."""
    if isinstance(seconds, int | float) and 0 < seconds <= _LATEST:
        return int(seconds * SECOND)
    return None


def from_text(text: Any) -> int | None:
    """ISO 8601, UTC unless it says otherwise; None for anything else."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return from_seconds((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
