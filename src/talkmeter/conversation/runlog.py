"""The log of one run while it lives: events for any number of followers, and a writer that persists them.

Followers read at their own pace from any seq; deltas that wait together reach them as one. What is on the disk lags
by at most 250 ms or 32 deltas, which is what a killed process can lose of an answer's text (never of its entry).
Text that is billed but shown to nobody is kept beside it, so that a killed process is counted by all that came.
In memory, too, deltas are merged once they have been persisted: a long answer would else be thousands of objects.
"""

import asyncio
import logging
from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from operator import attrgetter
from typing import Any

from talkmeter.conversation.changes import AppendRunEvents
from talkmeter.conversation.store import ConversationStore
from talkmeter.errors import TalkmeterError
from talkmeter.messages import RunEvent

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.25
FLUSH_DELTAS = 32
ENDS = frozenset({"finished", "stopped", "failed", "interrupted"})
HIDDEN = "hidden"  # a delta that followers do not get
RESTARTING = "restarting"  # the last a follower gets of a run that is not decided when the server stops


def merge_deltas(events: Sequence[RunEvent]) -> list[RunEvent]:
    """Deltas that continue each other become one, with the first's offset and the last's seq. Reads the same."""
    merged: list[RunEvent] = []
    pieces: list[str] = []
    end: tuple[str, int] | None = None  # kind of the delta that is being put together, and where it ends
    for event in events:
        at = (event.kind, event.data["offset"]) if event.kind in ("delta", HIDDEN) else None
        if pieces and at == end:
            pieces.append(event.data["text"])
            merged[-1] = RunEvent(seq=event.seq, kind=event.kind, data=merged[-1].data)
        else:
            _close(merged, pieces)
            merged.append(event)
            pieces = [] if at is None else [event.data["text"]]
        end = None if at is None else (event.kind, at[1] + len(event.data["text"]))
    _close(merged, pieces)
    return merged


def _close(merged: list[RunEvent], pieces: list[str]) -> None:
    """Puts the collected pieces into the delta they belong to, which is the last one."""
    if len(pieces) > 1:
        last = merged[-1]
        merged[-1] = RunEvent(seq=last.seq, kind=last.kind, data={**last.data, "text": "".join(pieces)})


def continues(seq: int) -> RunEvent:
    """What a follower is told who has seen everything up to `seq`, when the server stops. It is not kept."""
    said = {
        "message": "Talkmeter is stopping: this answer continues after the restart.",
        "message_ko": "Talkmeter가 종료됩니다. 이 답변은 다시 시작한 뒤에 이어집니다.",
    }
    return RunEvent(seq=seq, kind=RESTARTING, data=said)


def text_of(events: Sequence[RunEvent], kind: str = "delta") -> str:
    """The answer's text as a log tells it; kind HIDDEN: what was billed besides."""
    text = ""
    for event in merge_deltas(events):
        if event.kind == kind:
            text = text[: event.data["offset"]] + event.data["text"]
    return text


_seq_of = attrgetter("seq")


class RunLog:
    """Events of a run under way; `add` never waits. kept: what an earlier process has persisted, from seq 1 on."""

    def __init__(self, run_id: str, store: ConversationStore, kept: Sequence[RunEvent] = ()) -> None:
        self.run_id = run_id
        self._store = store
        self._events: list[RunEvent] = list(kept)  # seqs ascend, with gaps where deltas have been merged
        self._seq = kept[-1].seq if kept else 0
        self._pending: list[RunEvent] = []
        self._news = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._closed = False
        self._left = False
        self._length = 0
        self._hidden = 0

    @property
    def ended(self) -> bool:
        return bool(self._events) and self._events[-1].kind in ENDS

    @property
    def end(self) -> str | None:
        """How it ended; None: it has not."""
        return self._events[-1].kind if self.ended else None

    @property
    def length(self) -> int:
        """Code points of the answer so far."""
        return self._length

    def text(self, text: str) -> None:
        self.add("delta", {"offset": self._length, "text": text})
        self._length += len(text)

    def hidden(self, text: str) -> None:
        """Billed text that followers do not get: a model's reasoning, and what comes after a stop."""
        self.add(HIDDEN, {"offset": self._hidden, "text": text})
        self._hidden += len(text)

    def add(self, kind: str, data: dict[str, Any]) -> None:
        self._seq += 1
        event = RunEvent(seq=self._seq, kind=kind, data=data)
        self._events.append(event)
        self._news.set()
        self._news = asyncio.Event()
        if self._closed:
            return
        self._pending.append(event)
        if len(self._pending) >= FLUSH_DELTAS:
            self._flush_soon()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_soon)

    async def follow(self, after: int) -> AsyncIterator[RunEvent]:
        """Events with a seq above `after`, the waiting deltas merged; ends with the run.

        A delta may begin before `after`, where it was merged since: its offset says so.
        """
        at = after
        while True:
            news = self._news
            waiting = self._events[self._index(at) :]
            at = max(at, self._seq)
            for event in merge_deltas([event for event in waiting if event.kind != HIDDEN]):
                yield event
            if at < self._seq:
                continue
            if self.ended:
                return
            if self._left:
                yield continues(at)
                return
            await news.wait()

    def leave(self) -> None:
        """Shutdown: followers of a run that goes on after the next start are told so and let go."""
        self._left = True
        self._news.set()

    async def put_down(self) -> None:
        """Shutdown: what is there is written if it can be; whether or not, nothing is from then on."""
        await self.flush()
        await self.close()

    @property
    def closed(self) -> bool:
        """Whether the run is being settled: its end is on its way to the disk."""
        return self._closed

    async def flush(self) -> None:
        """On return all that had been added is on the disk, unless the store cannot take it now."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        if self._pending:
            self._flush_soon()
        if self._flushing is not None:
            await asyncio.wait([self._flushing])

    async def close(self) -> None:
        """No more flushes: what follows is written with the settlement."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is not None:
            await asyncio.wait([self._flushing])

    def _flush_soon(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._flushing is None and not self._closed:
            self._flushing = asyncio.get_running_loop().create_task(self._flush())

    def _index(self, seq: int) -> int:
        """Where the events above a seq begin."""
        return bisect_right(self._events, seq, key=_seq_of)

    async def _flush(self) -> None:
        taken, self._pending = self._pending, []
        merged = merge_deltas(taken)
        try:
            await self._store.commit(AppendRunEvents(self.run_id, tuple(merged)))
            start = self._index(taken[0].seq - 1)
            self._events[start : start + len(taken)] = merged
        except TalkmeterError as error:
            # The answer goes on; the next flush, or the settlement, writes what this one could not.
            log.warning("run %s: events cannot be written yet: %s", self.run_id, error)
            self._pending = taken + self._pending
        finally:
            self._flushing = None
        if self._pending and not self._closed and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._flush_soon)
