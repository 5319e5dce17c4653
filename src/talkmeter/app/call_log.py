"""One line for each call, told from what the writer has made durable: no answer waits for it, no worker writes it.

The writer's thread only leaves its changes here. A thread of its own comes by four times a second while there is
something, puts openings and settlements together, and has the lines written many at once.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from msgspec import Struct

from talkmeter import logs
from talkmeter.clock import SECOND, now
from talkmeter.metering.cost import plain_dollars
from talkmeter.metering.ledger import CorrectEntry, OpenEntry, SettleEntry

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.25
AT_ONCE = 64  # lines; then others may run
MOST_OPEN = 100_000  # openings that are remembered; beyond that the oldest are told without them

Changes = tuple[Struct, ...]
Told = tuple[OpenEntry | None, SettleEntry | CorrectEntry]
Tell = Callable[[Sequence[Told]], None]


class CallLog:
    """tell: those who want to hear of calls; called on a thread of this object's own."""

    def __init__(self, tell: Sequence[Tell]) -> None:
        self._tell = tell
        self._noted: deque[Sequence[Changes]] = deque()
        self._open: dict[str, OpenEntry] = {}
        self._news = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="call-log", daemon=True)
        self._thread.start()

    def note(self, groups: Sequence[Changes]) -> None:
        """For the writer's thread."""
        self._noted.append(groups)
        if not self._news.is_set():
            self._news.set()

    def remember(self, openings: Iterable[OpenEntry]) -> None:
        """What an earlier process had opened and this one settles."""
        self.note([(opening,) for opening in openings])

    def close(self) -> None:
        """Waits until all has been told."""
        self._ending.set()
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            self._news.wait()
            self._ending.wait(PAUSE_SECONDS)
            self._news.clear()
            self._drain()
        self._drain()

    def _drain(self) -> None:
        told: list[Told] = []
        while self._noted:
            for changes in self._noted.popleft():
                told += self._settled(changes)
            if len(told) >= AT_ONCE:
                self._say(told)
                told = []
                time.sleep(0)
        if told:
            self._say(told)

    def _settled(self, changes: Changes) -> list[Told]:
        told: list[Told] = []
        for change in changes:
            if isinstance(change, OpenEntry):
                self._open[change.id] = change
                if len(self._open) > MOST_OPEN:
                    del self._open[next(iter(self._open))]
            elif isinstance(change, SettleEntry):
                told.append((self._open.pop(change.id, None), change))
            elif isinstance(change, CorrectEntry):
                told.append((None, change))
        return told

    def _say(self, told: Sequence[Told]) -> None:
        for tell in self._tell:
            try:
                tell(told)
            except Exception:
                log.exception("calls_not_told", extra={"count": len(told)})


def write_call_lines(told: Sequence[Told]) -> None:
    """Writes each as a line of its own."""
    logs.write_lines(logging.INFO, [call_line(opening, change) for opening, change in told])


class CallLine(Struct, omit_defaults=True, kw_only=True):
    """Figures that nobody reported are missing. cost: US dollars, exact, as text. A struct, because there are many."""

    at: str
    level: str
    event: str
    call_id: str
    surface: str | None = None
    principal: str | None = None
    key_id: str | None = None
    room_id: str | None = None
    run_id: str | None = None
    endpoint: str | None = None
    provider: str | None = None
    model: str | None = None
    model_served: str | None = None
    attempt: int | None = None
    outcome: str | None = None
    status: int | None = None
    finish_reason: str | None = None
    error: str | None = None
    milliseconds: int | None = None
    first_byte_milliseconds: int | None = None
    provenance: str | None = None
    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: str | None = None


def call_line(opening: OpenEntry | None, change: SettleEntry | CorrectEntry) -> CallLine:
    """Pure."""
    usage, picodollars = change.usage, change.cost.picodollars
    settled = change if isinstance(change, SettleEntry) else None
    line = CallLine(
        at=at_text(now() if settled is None else settled.settled_at),
        level="info",
        event="call_corrected" if settled is None else "call",
        call_id=change.id,
        model_served=_redacted(change.model_served),
        provenance=change.provenance,
        cost=plain_dollars(picodollars) if picodollars is not None else None,
    )
    if usage is not None:
        line.prompt_tokens = usage.prompt_tokens
        line.cached_tokens = usage.cached_tokens
        line.completion_tokens = usage.completion_tokens
        line.reasoning_tokens = usage.reasoning_tokens
    if settled is not None:
        line.outcome = settled.outcome
        line.status = settled.http_status
        line.finish_reason = _redacted(settled.finish_reason)
        line.error = settled.error.get("code") if settled.error is not None else None
    if opening is not None:
        _begin(line, opening, settled)
    return line


def _begin(line: CallLine, opening: OpenEntry, settled: SettleEntry | None) -> None:
    line.surface = opening.surface
    line.principal = opening.principal
    line.key_id = opening.key_id
    line.room_id = opening.room_id
    line.run_id = opening.run_id
    line.endpoint = opening.endpoint
    line.provider = _redacted(opening.provider_name)
    line.model = _redacted(opening.model_requested)
    line.attempt = opening.attempt
    if settled is not None:
        line.milliseconds = (settled.settled_at - opening.opened_at) // 1000
        if settled.first_byte_at is not None:
            line.first_byte_milliseconds = (settled.first_byte_at - opening.opened_at) // 1000


def at_text(moment: int) -> str:
    """`2026-11-27T06:51:26.073225Z` of µs since 1970."""
    seconds, rest = divmod(moment, SECOND)
    return f"{_second_text(seconds)}.{rest:06d}Z"


@lru_cache(maxsize=16)
def _second_text(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


@lru_cache(maxsize=1024)
def _redacted(name: str | None) -> str | None:
    """Names of models come from clients, and reasons from providers: one may have put a key there."""
    return None if name is None else logs.redact(name[:200])
