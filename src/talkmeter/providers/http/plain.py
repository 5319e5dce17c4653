"""Answers of the plainest form, read without the parser: final, with one length, whose body is all there. Pure.

Nearly every answer that is no stream is one. Whatever is in any way unusual is None, and the parser's to judge.
"""

import re
from functools import lru_cache
from typing import NamedTuple

from talkmeter.providers.http.heads import HEAD_BYTES, MOST_HEADERS

_START = b"HTTP/1.1 "
_END = b"\r\n\r\n"
_VISIBLE = bytes({*range(32, 127), *range(128, 256), 9})
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_LENGTH = re.compile(rb"[0-9]{1,15}")
_UNUSUAL = frozenset(b"transfer-encoding upgrade trailer te keep-alive proxy-connection".split())


class Plain(NamedTuple):
    status: int
    reason: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


def read_plain(data: bytes) -> Plain | None:
    """data: all that has come."""
    end = data.find(_END)
    if end < 0 or end + len(_END) > HEAD_BYTES or not data.startswith(_START):
        return None
    lines = data[:end].split(b"\r\n")
    if len(lines) > MOST_HEADERS or b"".join(lines).translate(None, _VISIBLE):
        return None
    status = lines[0][9:12]
    if not status.isdigit() or lines[0][12:13] != b" " or not 200 <= int(status) < 600 or status in (b"204", b"304"):
        return None
    length: bytes | None = None
    headers: list[tuple[bytes, bytes]] = []
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        kind = _kind(name)
        if not colon or kind is None or value[-1:] in (b" ", b"\t"):
            return None
        value = value.lstrip(b" \t")
        if kind:
            if kind == b"connection":
                if value.lower() != b"keep-alive":
                    return None
            elif length is not None:
                return None
            else:
                length = value
        headers.append((name, value))
    if length is None or _LENGTH.fullmatch(length) is None or len(data) - end - 4 != int(length):
        return None
    return Plain(int(status), lines[0][13:], headers, data[end + 4 :])


@lru_cache(maxsize=1024)
def _kind(name: bytes) -> bytes | None:
    """The name, in lower case, of a header that says where an answer ends; empty for others; None if it rules out a
    plain answer.
    """
    lower = name.lower()
    if _NAME.fullmatch(name) is None or lower in _UNUSUAL:
        return None
    return lower if lower in (b"content-length", b"connection") else b""
