"""Keeps back the one event that only we have asked for: the usage of a stream whose client did not ask. Pure.

Every other byte goes on as it came, at the latest with the event that it belongs to.
"""

import re

import msgspec
from msgspec import Raw, Struct

HELD = 64 << 10  # bytes of an unfinished event that are held back; the usage event is never that large
_BOUNDARY = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_NO_CHOICES = re.compile(rb'"choices"\s*:\s*\[\s*\]')
_USAGE = re.compile(rb'"usage"\s*:\s*\{')


class _Event(Struct):
    choices: list[Raw]
    usage: Raw


_decode = msgspec.json.Decoder(_Event).decode


class UsageWithheld:
    """One stream's filter: `feed` each piece, forward what it gives; at the end forward what `finish` gives."""

    def __init__(self) -> None:
        self._held = b""
        self._too_large = False  # an event is on its way that cannot be the one
        self.withheld = 0

    def feed(self, data: bytes) -> bytes:
        """What may go on."""
        if not self._held and not self._too_large and data.endswith(b"\n\n") and _NO_CHOICES.search(data) is None:
            return data
        data = self._held + data
        out: list[bytes] = []
        start = 0
        for boundary in _BOUNDARY.finditer(data):
            event = data[start : boundary.end()]
            start = boundary.end()
            if self._too_large or not is_usage_event(event):
                out.append(event)
            else:
                self.withheld += 1
            self._too_large = False
        rest = data[start:]
        if self._too_large or len(rest) > HELD:
            # All but what may be half of a boundary.
            keep = len(rest) - len(rest.rstrip(b"\r\n"))
            out.append(rest[: len(rest) - keep])
            rest, self._too_large = rest[len(rest) - keep :], True
        self._held = rest
        return b"".join(out)

    def finish(self) -> bytes:
        """The end of the stream: an event without its blank line."""
        rest, self._held = self._held, b""
        if not self._too_large and is_usage_event(rest):
            self.withheld += 1
            return b""
        return rest


def is_usage_event(event: bytes) -> bool:
    """Whether this is the event with no choices that `include_usage` adds."""
    if _NO_CHOICES.search(event) is None or _USAGE.search(event) is None:
        return False
    lines = event.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    data = b"\n".join([line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")])
    try:
        return _decode(data).choices == []
    except (msgspec.MsgspecError, RecursionError):
        return False
