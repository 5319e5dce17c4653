"""Cuts a JSON list of objects into its objects as the bytes come, so that a list of any length fits into memory. Pure.

Only brackets and strings are looked at; whether an object is sound JSON is for whoever decodes it.
"""

import re
from collections.abc import Iterator

_PLAIN = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)  # up to a bracket, or an unfinished string
_SPACE = re.compile(rb"[ \t\r\n]*+")
_BOM = b"\xef\xbb\xbf"
_OPENING, _CLOSING = b"{[", b"}]"
_EXPECTED = {"start": b"[", "first": b"{]", "next": b",]", "object": b"{", "end": b""}


class Malformed(ValueError):
    """position: of the byte at which the list ceases to be one."""

    def __init__(self, position: int) -> None:
        super().__init__(f"byte {position}")
        self.position = position


class TooLong(ValueError):
    """One object has more bytes than are held in memory."""


class ObjectSplitter:
    """longest: bytes that one object may have."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._buffer = bytearray()
        self._gone = 0  # bytes that came before those in the buffer
        self._at = 0  # where in the buffer to read on
        self._depth = 0  # brackets open within the object that begins the buffer
        self._state = "start"

    @property
    def held(self) -> int:
        """Bytes of the object that has begun: whoever feeds as many again reads no byte more than a few times."""
        return len(self._buffer)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The objects that end in `data`. Raises Malformed, TooLong."""
        self._buffer += data
        while True:
            if self._depth == 0 and not self._begin():
                return
            if not self._finish_object():
                if len(self._buffer) > self._longest:
                    raise TooLong
                return
            yield bytes(self._buffer[: self._at])
            self._drop(self._at)
            self._state = "next"

    def finish(self) -> None:
        """Raises Malformed unless the list has ended."""
        if self._depth or self._state != "end":
            raise Malformed(self._gone + len(self._buffer))

    def _begin(self) -> bool:
        """Reads up to the beginning of the next object; false if it has not come."""
        if self._gone == 0 and self._state == "start" and self._buffer.startswith(_BOM):
            self._drop(len(_BOM))
        while True:
            self._drop(_end(_SPACE, self._buffer, 0))
            if not self._buffer:
                return False
            found = self._buffer[:1]
            if found not in [bytes([each]) for each in _EXPECTED[self._state]]:
                raise Malformed(self._gone)
            if found == b"{":
                return True
            self._drop(1)
            self._state = {b"[": "first", b",": "object", b"]": "end"}[bytes(found)]

    def _finish_object(self) -> bool:
        """Reads up to the end of the object that begins the buffer; false if it has not come."""
        while True:
            end = _end(_PLAIN, self._buffer, self._at)
            found = self._buffer[end : end + 1]
            if not found or found == b'"':
                return False
            self._at = end + 1
            self._depth += 1 if found in _OPENING else -1
            if self._depth == 0:
                return True

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._gone += count
        self._at = 0


def _end(pattern: re.Pattern[bytes], data: bytearray, at: int) -> int:
    found = pattern.match(data, at)
    assert found is not None  # both match nothing, too
    return found.end()
