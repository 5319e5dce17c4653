"""The answers of one upstream are alike: the same names in the same order. A shape knows them, and reads such a head in
one look. Pure, but for what it remembers.

A shape is learned from an answer that `plain.read_plain` has found in order, and takes nothing that this would not:
the names as they came, values of plain characters without white space around them, one length, and exactly so much.
"""

import re

from talkmeter.providers.http.heads import HEAD_BYTES
from talkmeter.providers.http.plain import Plain

MOST_SHAPES = 128
MOST_LESS = 16  # sets of names that lines are wanted without

_VALUE = rb"[!-~\x80-\xff]++(?: [!-~\x80-\xff]++)*+"  # words with one space between them
_VALUES = {b"content-length": rb"[0-9]{1,15}", b"connection": rb"(?i:keep-alive)"}


class Shape:
    """names: as they came. at: where the first value of a name (in lower case) is in the match of a head."""

    __slots__ = ("_length", "_less", "_match", "at", "names", "reason", "status")

    def __init__(self, status: int, reason: bytes, names: tuple[bytes, ...]) -> None:
        self.status = status
        self.reason = reason
        self.names = names
        self.at: dict[bytes, int] = {}
        pattern = re.escape(b"HTTP/1.1 %d %b\r\n" % (status, reason))
        for group, name in enumerate(names, 1):
            lower = name.lower()
            self.at.setdefault(lower, group)
            pattern += b"%b: (%b)\r\n" % (re.escape(name), _VALUES.get(lower, _VALUE))
        self._match = re.compile(pattern + b"\r\n").match
        self._length = self.at[b"content-length"]
        self._less: dict[frozenset[bytes], tuple[bytes, tuple[int, ...]]] = {}

    def read(self, data: bytes) -> re.Match[bytes] | None:
        """The head, if these are the bytes of a whole answer of this shape; its groups are the values."""
        found = self._match(data)
        if found is None:
            return None
        end = found.end()
        return found if len(data) - end == int(found[self._length]) and end <= HEAD_BYTES else None

    def lines(self, found: re.Match[bytes], without: frozenset[bytes]) -> bytes:
        """The header lines as they came, but for these names (in lower case)."""
        template, groups = self._less.get(without) or self._leave_out(without)
        return template % found.group(*groups) if groups else b""

    def _leave_out(self, names: frozenset[bytes]) -> tuple[bytes, tuple[int, ...]]:
        kept = [(group, name) for group, name in enumerate(self.names, 1) if name.lower() not in names]
        template = b"".join([b"%b: %%b\r\n" % name.replace(b"%", b"%%") for _, name in kept])
        if len(self._less) >= MOST_LESS:
            self._less.clear()
        self._less[names] = found = template, tuple([group for group, _ in kept])
        return found


Key = tuple[int, bytes, tuple[bytes, ...]]

_shapes: dict[Key, Shape] = {}


def key_of(plain: Plain) -> Key:
    """What two answers have in common that have one shape."""
    return plain.status, plain.reason, tuple([name for name, _ in plain.headers])


def shape_of(key: Key) -> Shape:
    """To make one is a hundred times the work of reading a head: for answers that came twice."""
    found = _shapes.get(key)
    if found is None:
        if len(_shapes) >= MOST_SHAPES:
            _shapes.clear()
        found = _shapes[key] = Shape(*key)
    return found
