"""Time as the ledger keeps it: integers, microseconds since 1970 UTC."""

import time

SECOND = 1_000_000  # µs


def now() -> int:
    """The wall clock in µs. For records only: time-outs use the monotonic clock."""
    return time.time_ns() // 1000
