"""What an answer's head says of its body, and whether it may say so. Pure.

The parser is strict already; here stands all that must hold whatever the parser lets pass.
"""

from collections.abc import Sequence
from enum import Enum

HEAD_BYTES = 32_768  # of one head, and of all that is not body between two bytes of it
MOST_HEADERS = 100
MOST_INTERIM = 10  # answers 1xx before the real one

_START = b"HTTP/1."
_SIZES = frozenset(map(len, (b"content-length", b"transfer-encoding", b"connection")))


class Malformed(ValueError):
    """It is not HTTP as it should be. Never carries what it was."""


class Framing(Enum):
    """What ends the body."""

    NONE = "there is none"
    STATED = "its length"
    CHUNKED = "its last chunk"
    CONNECTION = "the connection's end"


def could_begin(data: bytes | bytearray) -> bool:
    """Whether these can be the first bytes of an answer."""
    return data[: len(_START)] == _START[: len(data)]


def frame(head: bytes, method: str, status: int, headers: Sequence[tuple[bytes, bytes]]) -> tuple[Framing, bool]:
    """What ends the body, and whether the connection may serve another request after it. Raises Malformed.

    head: its bytes, of which the parser has made status and headers; it refuses line ends other than CR LF.
    """
    http_1_0 = head.startswith(b"HTTP/1.0 ")
    if not (http_1_0 or head.startswith(b"HTTP/1.1 ")) or b"\0" in head or len(headers) > MOST_HEADERS:
        raise Malformed
    if status < 100 or status == 101:
        raise Malformed
    lengths = encodings = 0
    keep = not http_1_0
    for name, value in headers:
        if len(name) not in _SIZES:
            continue
        lower = name.lower()
        if lower == b"content-length":
            if lengths or not value.rstrip(b" \t").isdigit():
                raise Malformed
            lengths += 1
        elif lower == b"transfer-encoding":
            if encodings or http_1_0 or value.rstrip(b" ").lower() != b"chunked":
                raise Malformed
            encodings += 1
        elif lower == b"connection" and b"close" in value.lower():
            keep = False
    if lengths and encodings:
        raise Malformed
    if status < 200 and (lengths or encodings):
        raise Malformed
    if status < 200 or status in (204, 304) or method == "HEAD":
        return Framing.NONE, keep
    if encodings:
        return Framing.CHUNKED, keep
    if lengths:
        return Framing.STATED, keep
    return Framing.CONNECTION, False
