"""Identifiers: a readable prefix and 128 bits from the system's random source, in lower-case base 32."""

import os

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u
_PAIRS = tuple(low + high for high in ALPHABET for low in ALPHABET)  # of ten bits, the lower five first


_random: list[bytes] = []  # not used yet; asking the system for each id would be a fifth of a short call's work
os.register_at_fork(after_in_child=_random.clear)


def new_id(kind: str) -> str:
    """`room_5v…` (26 characters after the prefix). Unguessable, so an id found in a log opens nothing by luck."""
    try:
        chosen = _random.pop()
    except IndexError:
        fresh = os.urandom(4096)
        _random.extend([fresh[at : at + 16] for at in range(16, 4096, 16)])
        chosen = fresh[:16]
    number = int.from_bytes(chosen)
    return f"{kind}_{''.join([_PAIRS[(number >> shift) & 1023] for shift in range(0, 130, 10)])}"
