"""Identifiers: a readable prefix and 128 bits from the system's random source, in lower-case base 32."""

import hashlib
import json
import os
import time

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's: no i, l, o, u
_PAIRS = tuple(high + low for high in ALPHABET for low in ALPHABET)  # of ten bits, the higher five first
_LETTERS = ALPHABET.encode() * 8  # of a byte, by its lower five bits
_CHANCE = 16  # letters: 80 bits

_random: list[str] = []  # not used yet; asking the system for each id would be a fifth of a short call's work
_second = (0, "")  # the time without its last ten bits (1.024 s), and how it is spelt
os.register_at_fork(after_in_child=_random.clear)


def new_id(kind: str) -> str:
    """`room_5v…` (26 characters after the prefix). Unguessable, so an id found in a log opens nothing by luck."""
    return _spelt(kind, os.urandom(16))


def derived_id(kind: str, *names: str) -> str:
    """The same for the same names, and so as guessable as these: for what has an identity elsewhere."""
    return _spelt(kind, hashlib.sha256(json.dumps(names).encode()).digest()[:16])


def new_ordered_id(kind: str) -> str:
    """As new_id, 48 bits of the time (ms) before 80 random ones: what is made one after another sorts so, and lies
    together in an index. For ids that are made by the thousand.
    """
    global _second  # noqa: PLW0603 - many are made within the same second
    now = time.time_ns() // 1_000_000
    second = _second
    if second[0] != now >> 10:
        second = _second = now >> 10, "".join([_PAIRS[(now >> shift) & 1023] for shift in range(40, 0, -10)])
    try:
        chance = _random.pop()
    except IndexError:
        letters = os.urandom(256 * _CHANCE).translate(_LETTERS).decode("ascii")
        _random.extend([letters[at : at + _CHANCE] for at in range(_CHANCE, len(letters), _CHANCE)])
        chance = letters[:_CHANCE]
    return f"{kind}_{second[1]}{_PAIRS[now & 1023]}{chance}"


def _spelt(kind: str, chance: bytes) -> str:
    number = int.from_bytes(chance)
    return f"{kind}_{''.join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -10, -10)])}"
