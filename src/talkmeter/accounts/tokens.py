"""The text of an API key: `tm_`, 30 random characters, and 6 that check the rest, so that a slip of the pen is told
apart from a key that is not there, without looking anything up. Pure but for the random source.
"""

import secrets
import string
import zlib

PREFIX = "tm_"
ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
RANDOM = 30  # characters: 178 bits, so that a plain SHA-256 keeps the token
CHECK = 6
LENGTH = len(PREFIX) + RANDOM + CHECK


def new_token() -> str:
    body = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM))
    return body + checksum(body)


def checksum(body: str) -> str:
    """CRC-32 in base 62, most significant digit first."""
    number = zlib.crc32(body.encode())
    digits = []
    for _ in range(CHECK):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def hint_of(token: str) -> str:
    """What may be shown of a token: too little to guess the rest, enough to find it again."""
    return f"{token[:8]}…{token[-4:]}"


def has_form(token: str) -> bool:
    """Whether it looks like one of ours, typing errors aside."""
    return len(token) == LENGTH and token.startswith(PREFIX) and token.isascii() and token[len(PREFIX) :].isalnum()


def checks(token: str) -> bool:
    """Whether the checksum of a token of the right form fits."""
    return checksum(token[:-CHECK]) == token[-CHECK:]
