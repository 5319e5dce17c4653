"""Server-sent events, read from bytes in whatever pieces they arrive. Pure; any chunking gives the same events.

Source: the WHATWG HTML standard, "Server-sent events"; lines end with LF, CR or CRLF, a BOM may come first.
Only the data of events is kept: that is all an OpenAI-compatible upstream uses.
"""

import re

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"


class EventTooLarge(Exception):
    """One event is larger than the limit: whatever this is, it is not a token."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an event of more than {limit} bytes")
        self.limit = limit


class SseReader:
    """Feed it bytes, get the data of each event that is complete (bytes, lines joined by LF)."""

    def __init__(self, max_event_bytes: int = 4 << 20) -> None:
        self._rest = b""  # an unfinished line; may end in a CR whose LF has not come yet
        self._data: list[bytes] = []
        self._size = 0
        self._at_start = True
        self._limit = max_event_bytes

    def feed(self, data: bytes) -> list[bytes]:
        """Raises EventTooLarge once an event or a line passes the limit; the reader is of no use after that."""
        buffer = self._rest + data
        if self._at_start:
            if len(buffer) < len(_BOM) and _BOM.startswith(buffer):
                self._rest = buffer
                return []
            self._at_start = False
            buffer = buffer.removeprefix(_BOM)
        events: list[bytes] = []
        start = 0
        for end in _LINE_END.finditer(buffer):
            if end.end() == len(buffer) and end.group() == b"\r":
                break  # perhaps half of a CRLF
            self._line(buffer[start : end.start()], events)
            start = end.end()
        self._rest = buffer[start:]
        if self._size + len(self._rest) > self._limit:
            raise EventTooLarge(self._limit)
        return events

    def finish(self) -> list[bytes]:
        """The end of a body that ended as it should: an event without its blank line is taken as complete."""
        events: list[bytes] = []
        self._line(self._rest.removesuffix(b"\r"), events)
        self._line(b"", events)
        self._rest = b""
        return events

    def _line(self, line: bytes, events: list[bytes]) -> None:
        if not line:
            if self._data:
                events.append(b"\n".join(self._data))
                self._data = []
                self._size = 0
        elif line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            self._size += len(value) + 1
            if self._size > self._limit:
                raise EventTooLarge(self._limit)
            self._data.append(value)
        elif line == b"data":
            self._data.append(b"")
