"""Reading log files again: filters, lines for people, and following a file across its rotations."""

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from talkmeter.logs.files import piece
from talkmeter.logs.rendering import as_text_line

LEVELS = ("debug", "info", "warning", "error", "critical")
ID_FIELDS = ("request_id", "run_id", "call_id", "entry_id", "room_id", "key_id")
POLL_SECONDS = 0.2
READ_BYTES = 1 << 18

Line = dict[str, Any]


class Filter(Struct, frozen=True, kw_only=True):
    """What a line must be to pass; None: anything. All that is given must hold.

    id: of a request, run, call, room or key. status: an HTTP status (`404`), a class of them (`5xx`) or an outcome
    (`failed`). since: `2026-11-27T06:51:26`, UTC. level: at least. text: somewhere in the line, in any case.
    """

    surface: str | None = None
    principal: str | None = None
    model: str | None = None
    id: str | None = None
    event: str | None = None
    status: str | None = None
    since: str | None = None
    level: str | None = None
    text: str | None = None

    def passes(self, line: Line, raw: str) -> bool:
        """raw: the line as it stands in the file."""
        wanted = (("surface", self.surface), ("principal", self.principal), ("event", self.event))
        return (
            all(value is None or line.get(name) == value for name, value in wanted)
            and (self.model is None or self.model in (line.get("model"), line.get("model_served")))
            and (self.id is None or any(line.get(name) == self.id for name in ID_FIELDS))
            and (self.status is None or _has_status(line, self.status))
            and (self.since is None or str(line.get("at", "")) >= self.since)
            and (self.level is None or _rank(line.get("level")) >= _rank(self.level))
            and (self.text is None or self.text.lower() in raw.lower())
        )


def _has_status(line: Line, wanted: str) -> bool:
    status = str(line.get("status", ""))
    if wanted.lower().endswith("xx"):
        return len(status) == 3 and status[0] == wanted[0]
    return wanted in (status, line.get("outcome"))


def _rank(level: object) -> int:
    return LEVELS.index(level) if isinstance(level, str) and level in LEVELS else LEVELS.index("info")


def parsed(raw: str) -> Line | None:
    """None for what is no JSON object: a line that was cut off by a full disk, say."""
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    return line if isinstance(line, dict) else None


def for_people(line: Line) -> str:
    """`12:03:04 warning event name=value`, without what is missing."""
    return as_text_line(None, "", {name: value for name, value in line.items() if value is not None})


def pieces(path: Path) -> list[Path]:
    """The file and what was rotated away beside it, oldest first, as far as they exist."""
    found, number = [], 1
    while (older := piece(path, number)).exists():
        found.append(older)
        number += 1
    return [*reversed(found), *([path] if path.exists() else [])]


class Follower:
    """The lines of a log from its oldest piece on, and those that are added; across rotations, however many."""

    def __init__(self, path: Path, wanted: Filter) -> None:
        self._path = path
        self._wanted = wanted
        self._file: IO[bytes] | None = None
        self._inode = 0
        self._rest = b""

    def new(self) -> Iterator[tuple[Line, str]]:
        """What passes of what has been added since the last time, at first of all that is there. Raises OSError."""
        yield from self._read()
        for newer in self._newer():
            yield from self._read()  # what was added between the last look and the rotation
            if self._open(newer):
                yield from self._read()

    def follow(self, wait: Callable[[float], object] = time.sleep) -> Iterator[tuple[Line, str]]:
        """For ever. wait: called when there is nothing new."""
        while True:
            yield from self.new()
            wait(POLL_SECONDS)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self, path: Path) -> bool:
        try:
            opened = path.open("rb")
        except FileNotFoundError:  # it has got another name just now; the next look finds it
            return False
        self.close()
        self._file, self._rest = opened, b""
        self._inode = os.fstat(opened.fileno()).st_ino
        return True

    def _newer(self) -> list[Path]:
        """The files after ours, oldest first; all that is there if ours is none of them any more."""
        there = pieces(self._path)
        for at, file in enumerate(there):
            with contextlib.suppress(FileNotFoundError):
                if self._file is not None and file.stat().st_ino == self._inode:
                    return there[at + 1 :]
        return there

    def _read(self) -> Iterator[tuple[Line, str]]:
        while self._file is not None and (data := self._file.read(READ_BYTES)):
            *whole, self._rest = (self._rest + data).split(b"\n")
            for each in whole:
                raw = each.decode("utf-8", "replace")
                line = parsed(raw)
                if line is not None and self._wanted.passes(line, raw):
                    yield line, raw
