"""Identifiers: a readable prefix and 128 bits from the system's random source, in lower-case base 32."""

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u
_PAIRS = tuple(low + high for high in ALPHABET for low in ALPHABET)  # of ten bits, the lower five first


def new_id(kind: str) -> str:
    """`room_5v…` (26 characters after the prefix). Unguessable, so an id found in a log opens nothing by luck."""
    number = secrets.randbits(128)
    return f"{kind}_{''.join([_PAIRS[(number >> shift) & 1023] for shift in range(0, 130, 10)])}"
