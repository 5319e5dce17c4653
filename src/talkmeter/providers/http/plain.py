"""Answers of the plainest form, read without the parser: final, with one length, whose body is all there. Pure.

Nearly every answer that is no stream is one. Whatever is in any way unusual is None, and the parser's to judge.
"""

import re
from typing import NamedTuple

from talkmeter.providers.http.heads import HEAD_BYTES, MOST_HEADERS

# Every byte of the head is looked at here, once: what is split up afterwards is known to be in order.
_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) ([\x20-\x7e\x80-\xff]*)\r\n"
    rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+: [\x20-\x7e\x80-\xff]*\r\n)++\r\n"
)
_LENGTH = re.compile(rb"[0-9]{1,15}")
_UNUSUAL = frozenset(b"transfer-encoding upgrade trailer te keep-alive proxy-connection".split())
_BODILESS = (b"204", b"304")


class Plain(NamedTuple):
    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class _Kinds(dict[bytes, bytes | None]):
    """By a header's name: itself, in lower case, if it says where an answer ends; empty for others; None if it rules
    out a plain answer.
    """

    def __missing__(self, name: bytes) -> bytes | None:
        lower = name.lower()
        found: bytes | None = lower if lower in (b"content-length", b"connection") else b""
        if lower in _UNUSUAL:
            found = None
        if len(self) < MOST_NAMES:  # they come from outside
            self[name] = found
        return found


MOST_NAMES = 1024
_kinds = _Kinds()


def read_plain(data: bytes) -> Plain | None:
    """data: all that has come."""
    head = _HEAD.match(data)
    if head is None:
        return None
    end = head.end()
    # White space around a value is the parser's to take away.
    if end > HEAD_BYTES or data.find(b" \r\n", 0, end) > 0 or data.find(b":  ", 0, end) > 0:
        return None
    lines = data[head.end(2) + 2 : end - 4].split(b"\r\n")
    if len(lines) >= MOST_HEADERS or head[1] in _BODILESS:
        return None
    length: bytes | None = None
    headers: list[tuple[bytes, bytes]] = []
    for line in lines:
        name, _, value = line.partition(b": ")
        kind = _kinds[name]
        if kind:
            if kind == b"connection":
                if value.lower() != b"keep-alive":
                    return None
            elif length is not None:
                return None
            else:
                length = value
        elif kind is None:
            return None
        headers.append((name, value))
    if length is None or _LENGTH.fullmatch(length) is None or len(data) - end != int(length):
        return None
    return Plain(int(head[1]), head[2], headers, data[end:])
