"""Identifiers: a readable prefix and 128 bits from the system's random source, in lower-case base 32."""

import hashlib
import json
import os
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)  # of ten bits, the higher five first


_TIME = (1 << 48) - 1
_random: list[bytes] = []  # not used yet; asking the system for each id would be a fifth of a short call's work
os.register_at_fork(after_in_child=_random.clear)


def new_id(kind: str) -> str:
    """`room_5v…` (26 characters after the prefix). Unguessable, so an id found in a log opens nothing by luck."""
    return _spelt(kind, int.from_bytes(_chance()))


def new_ordered_id(kind: str) -> str:
    """As new_id, 48 bits of the time (ms) before 80 random ones: what is made one after another sorts so, and lies
    together in an index. For ids that are made by the thousand.
    """
    return _spelt(kind, (time.time_ns() // 1_000_000 & _TIME) << 80 | int.from_bytes(_chance()[:10]))


def derived_id(kind: str, *names: str) -> str:
    """The same id for the same names, and another one for any others: for what has an identity elsewhere."""
    digest = hashlib.sha256(json.dumps(names).encode()).digest()
    return _spelt(kind, int.from_bytes(digest[:16]))


def _chance() -> bytes:
    """16 random bytes."""
    try:
        return _random.pop()
    except IndexError:
        fresh = os.urandom(4096)
        _random.extend([fresh[at : at + 16] for at in range(16, 4096, 16)])
        return fresh[:16]


def _spelt(kind: str, number: int) -> str:
    return f"{kind}_{''.join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -10, -10)])}"
