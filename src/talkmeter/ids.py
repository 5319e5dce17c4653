"""Identifiers: a readable prefix and 128 bits from the system's random source, in lower-case base 32."""

import secrets

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u


def new_id(kind: str) -> str:
    """`room_5v…` (26 characters after the prefix). Unguessable, so an id found in a log opens nothing by luck."""
    number = secrets.randbits(128)
    letters = [ALPHABET[(number >> shift) & 31] for shift in range(0, 130, 5)]
    return f"{kind}_{''.join(letters)}"
