"""The simulator's own bill: every request it saw, kept as JSON lines that outlive the process.

A row is appended when a request starts, changes and ends; the last line with an id counts. Nothing is
ever rewritten, so a killed process leaves at worst a torn last line, which is cut off at the next start.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from talkmeter.simulator.charging import Charge

RUNNING = "running"
STOPPED = "stopped"


class Row(msgspec.Struct, kw_only=True):
    """One request to an endpoint that docs/simulator.md lists. Times in µs since 1970; figures are what is charged.

    outcome: running · finished · client_left · cut · hung · refused · error · stopped.
    usage_sent: the last usage object that was fully written, as sent. sent_bytes: body bytes without
    HTTP framing. sent_text: characters of answer text whose events were fully written.
    key: the last four characters of the request's key.
    """

    id: str
    at: int
    client_request_id: str | None = None
    completion_id: str | None = None
    method: str = "POST"
    endpoint: str = "/v1/chat/completions"
    key: str | None = None
    project: str | None = None
    model: str | None = None
    served_model: str | None = None
    service_tier: str | None = None
    batch: bool = False
    size: str | None = None
    quality: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    stream: bool = False
    fault: str | None = None
    status: int | None = None
    outcome: str = RUNNING
    prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    prompt_audio_tokens: int = 0
    prompt_image_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    completion_audio_tokens: int = 0
    completion_image_tokens: int = 0
    characters: int = 0
    seconds: int = 0
    images: int = 0
    usage_sent: dict[str, Any] | None = None
    sent_bytes: int = 0
    sent_text: int = 0
    ended_at: int | None = None

    def charge(self, cost: Charge) -> None:
        """Put the figures of a charge, which have the same names."""
        for name, figure in zip(Charge._fields, cost, strict=True):
            setattr(self, name, figure)


class Bill:
    """Rows in order of arrival, in memory and, if a path is given, in an append-only file."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.damaged_lines = 0
        self._rows: dict[str, Row] = {}
        self._refresh: dict[str, Callable[[], None]] = {}
        self._file: int | None = None

    def open(self) -> None:
        """Read what is there and be ready to append. A row left running by a dead process: stopped."""
        if self.path is None or self._file is not None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._rows, self.damaged_lines = _read(self._file)
        for row in self._rows.values():
            if row.outcome == RUNNING:
                row.outcome, row.ended_at = STOPPED, row.at
                self._append(row)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def start(self, row: Row, refresh: Callable[[], None]) -> None:
        """Put a new request on the bill. `refresh` brings the row's figures up to date."""
        self._rows[row.id] = row
        self._refresh[row.id] = refresh
        self._append(row)

    def add(self, row: Row) -> None:
        """Put a request on the bill that has ended already."""
        self._rows[row.id] = row
        self._append(row)

    def end(self, row: Row) -> None:
        """Write the row's last state."""
        self._refresh.pop(row.id, None)
        self._append(row)

    def save(self, row: Row) -> None:
        """Append the row's present state, unless it was cleared away meanwhile."""
        if row.id in self._rows:
            self._append(row)

    @property
    def rows(self) -> list[Row]:
        """All rows, oldest first, running ones with the figures of this moment."""
        for refresh in list(self._refresh.values()):
            refresh()
        return list(self._rows.values())

    @property
    def running(self) -> int:
        """How many requests have not ended yet."""
        return len(self._refresh)

    def totals(self) -> dict[str, int]:
        """Number of requests and the sum of each figure."""
        rows = self.rows
        return {"requests": len(rows), **{name: sum(getattr(row, name) for row in rows) for name in Charge._fields}}

    def as_dict(self) -> dict[str, Any]:
        """What `GET /_bill` answers."""
        rows = [msgspec.to_builtins(row) for row in self.rows]
        return {"requests": rows, "totals": self.totals(), "damaged_lines": self.damaged_lines}

    def clear(self) -> None:
        """Forget every row, also on disk. Requests that still run stay off the bill."""
        self._rows.clear()
        self._refresh.clear()
        self.damaged_lines = 0
        if self._file is not None:
            os.ftruncate(self._file, 0)

    def _append(self, row: Row) -> None:
        if self._file is None or row.id not in self._rows:
            return
        line = msgspec.json.encode(row) + b"\n"
        while line:
            line = line[os.write(self._file, line) :]


def _read(file: int) -> tuple[dict[str, Row], int]:
    """Rows by id and the number of lines that could not be read. Cuts off a torn last line."""
    with os.fdopen(os.dup(file), "rb") as reader:
        content = reader.read()
    whole = content.rfind(b"\n") + 1
    damaged = int(whole < len(content))
    if damaged:
        os.ftruncate(file, whole)
    rows: dict[str, Row] = {}
    decode = msgspec.json.Decoder(Row).decode
    for line in content[:whole].splitlines():
        try:
            row = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError):
            damaged += 1
        else:
            rows[row.id] = row
    return rows, damaged
