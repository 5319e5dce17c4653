"""The one writer: a thread with one connection that commits in groups.

Whatever is waiting when the thread comes round goes into one transaction (groups.py), and one fsync makes all of it
durable. A lone commit waits for nobody, unless nobody waits for it.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

from msgspec import Struct
from sqlalchemy.engine.interfaces import Dialect

from talkmeter.store import faults
from talkmeter.store.bulk import Bulks
from talkmeter.store.faults import Effect
from talkmeter.store.groups import Apply, Groups, Outcome, Results

LINGER_SECONDS = 0.005  # how long commits that nobody waits for wait for company


class Quiet(NamedTuple):
    """Somebody who only wants to hear of a failure."""

    loop: asyncio.AbstractEventLoop
    failed: Callable[[BaseException], object]


class Told(NamedTuple):
    """Somebody who is told what came of it, in the order of the submissions."""

    loop: asyncio.AbstractEventLoop
    tell: Callable[[Outcome], object]


Waiter = asyncio.Future[Results] | Quiet | Told


class Job(NamedTuple):
    changes: tuple[Struct, ...]
    waiter: Waiter


# Told on the writer's thread which changes of a group are durable, after whoever waits for them.
Watch = Callable[[Sequence[tuple[Struct, ...]]], None]


class Ballast(Protocol):
    """Room on the disk that is kept for settling what is open."""

    @property
    def full(self) -> bool:
        """True from the first "disk full" until there is room again."""
        ...

    def release(self) -> None:
        """Called when the disk is full."""
        ...

    def recovered(self) -> bool:
        """Whether there is room again; looks at most once a second."""
        ...


class Writer:
    """connect: opens the connection, in autocommit mode; called on the writer's thread, again if it is lost.

    begins_work: changes that are refused while the disk is full, so that what is open can still be settled.
    counts: changes that count in rows which several commits share; before a group with one of these, `lock` is
    executed (if given), so that processes take such rows one after another and cannot wait for each other in a circle.
    bulk, beside: see Groups.
    present: whether the database is still where the next start will look for it; nothing is acknowledged otherwise.
    """

    def __init__(
        self,
        connect: Callable[[], Any],
        dialect: Dialect,
        apply: Apply,
        *,
        about: str,
        begin: str,
        ballast: Ballast,
        begins_work: frozenset[type] = frozenset(),
        counts: frozenset[type] = frozenset(),
        bulk: Bulks | None = None,
        beside: frozenset[type] = frozenset(),
        lock: str | None = None,
        present: Callable[[], bool],
        max_batch: int = 512,
    ) -> None:
        self._connect = connect
        self._dialect = dialect
        self._apply = apply
        self._about = about
        self._begin_text = begin
        self._ballast = ballast
        self._begins_work = begins_work
        self._counts = counts
        self._bulk = bulk or {}
        self._beside = beside
        self._lock_text = lock
        self._max_batch = max_batch
        self._present = present
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._closed = False
        self.watch: Watch | None = None
        self.broken: str | None = None  # why, once nothing further may be written
        self.commits = 0
        self.transactions = 0
        self._connection = connect()
        self._groups = self._make_groups()
        self._begun = self._committing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, changes: tuple[Struct, ...]) -> asyncio.Future[Results]:
        """The future is done once the changes are durable, or carries what kept them from being applied.

        Its result: what applying the changes has given, in their order, without those that gave nothing.

        No changes: asks only whether new work could be written now.

        A caller that stops waiting changes nothing: the commit is applied as a whole, or not at all.
        """
        self.check(changes)
        future = asyncio.get_running_loop().create_future()
        self._put(Job(changes, future))
        return future

    def submit_quietly(self, changes: tuple[Struct, ...], failed: Callable[[BaseException], object]) -> None:
        """As submit; only a failure is told."""
        self._put(Job(changes, Quiet(asyncio.get_running_loop(), failed)))

    def submit_telling(self, changes: tuple[Struct, ...], tell: Callable[[Outcome], object]) -> None:
        """As submit; `tell` is called on this event loop with what came of it, in the order of the submissions."""
        self._put(Job(changes, Told(asyncio.get_running_loop(), tell)))

    def _put(self, job: Job) -> None:
        with self._lock:
            if self._closed:
                raise faults.closed(self._about)
            self._jobs.put(job)

    def check(self, changes: Sequence[Struct]) -> None:
        """Raises TypeError for a change that nobody knows how to apply: a mistake of the caller's."""
        for change in changes:
            if type(change) not in self._apply:
                raise TypeError(f"The store does not know the change {type(change).__name__}.")

    def waiting(self) -> int:
        return self._jobs.qsize()

    def close(self) -> None:
        """Waits until everything submitted has been written. Idempotent; blocks, so not for the event loop."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._next_batch():
            outcomes = self._write(batch)
            _answer(batch, outcomes)
            if self.watch is not None:
                self.watch([job.changes for job, came in zip(batch, outcomes, strict=True) if isinstance(came, tuple)])
        with suppress(self._dialect.loaded_dbapi.Error):  # what was acknowledged is durable already
            self._connection.close()

    def _next_batch(self) -> list[Job]:
        """Empty: closed, and nothing is left."""
        first = self._jobs.get()
        if first is None:
            return []
        batch = [first]
        until = time.monotonic() + LINGER_SECONDS
        while len(batch) < self._max_batch:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                rest = until - time.monotonic()
                if rest <= 0 or not all(isinstance(job.waiter, Quiet) for job in batch):
                    break
                try:  # nobody waits for these: they go with what comes next, instead of making it wait for them
                    job = self._jobs.get(timeout=rest)
                except queue.Empty:
                    break
            if job is None:
                self._jobs.put(None)  # nothing can be submitted after it
                break
            batch.append(job)
        return batch

    def _write(self, batch: Sequence[Job]) -> list[Outcome]:
        if self._ballast.full:
            return self._write_what_may(batch)
        try:
            return self._together(batch)
        except BaseException as error:  # noqa: BLE001 (whoever waits must be told, whatever it was)
            what = self._note(error)
            # One alone has had its turn, and BUSY has waited its time-out already.
            alone = len(batch) == 1 and what in (Effect.REFUSED, Effect.BUSY)
            if what is Effect.BROKEN or self._unknown(what) or alone or (what is Effect.BUSY and not self._begun):
                return [faults.as_ours(error, self._about) for _ in batch]
        return self._write_what_may(batch)

    def _write_what_may(self, batch: Sequence[Job]) -> list[Outcome]:
        """One by one: so that one that cannot be written keeps no other from it."""
        outcomes: list[Outcome] = []
        for job in batch:
            begins = not job.changes or any(type(change) in self._begins_work for change in job.changes)
            if begins and self._ballast.full and not self._ballast.recovered():
                outcomes.append(faults.full(self._about))
                continue
            try:
                outcomes += self._together([job])
            except BaseException as error:  # noqa: BLE001 (as above)
                self._note(error)
                outcomes.append(faults.as_ours(error, self._about))
        return outcomes

    def _note(self, error: BaseException) -> Effect:
        """Does what an error asks of the store itself."""
        what = faults.effect(error)
        if what is Effect.BROKEN:
            self.broken = faults.reason_of(error)
        elif what is Effect.FULL:
            self._ballast.release()
        elif what is Effect.LOST:
            self._reconnect()
        return what

    def _unknown(self, what: Effect) -> bool:
        """Whether the connection went while COMMIT was on its way: it may have been done, so it is not done again."""
        return what is Effect.LOST and self._committing

    def _together(self, batch: Sequence[Job]) -> list[Outcome]:
        if self.broken is None and not self._present():
            self.broken = "its file was removed or replaced while Talkmeter runs"
        if self.broken is not None:
            raise faults.broken(self._about, self.broken)
        self._begun = self._committing = False
        self._execute(self._begin_text)
        self._begun = True
        try:
            outcomes = self._apply_all(batch)
            applied = sum([isinstance(outcome, tuple) for outcome in outcomes])
            if not applied or not any(job.changes for job in batch):
                self._execute("ROLLBACK")
            else:
                self._committing = True
                self._execute("COMMIT")
                self.transactions += 1
                self.commits += applied
        except BaseException:
            self._roll_back()
            raise
        return outcomes

    def _apply_all(self, batch: Sequence[Job]) -> list[Outcome]:
        """Within the transaction that was begun; ends it and begins another where the group must be applied singly."""
        commits = [job.changes for job in batch]
        self._lock_counters(batch)
        if len(commits) == 1 and self._groups.kind(commits[0]) is None:
            return [self._groups.one(commits[0])]
        outcomes = self._groups.many(commits)
        if outcomes is None:
            self._execute("ROLLBACK")
            self._execute(self._begin_text)
            self._lock_counters(batch)
            outcomes = self._groups.singly(commits)
        return outcomes

    def _lock_counters(self, batch: Sequence[Job]) -> None:
        if self._lock_text and any(type(change) in self._counts for job in batch for change in job.changes):
            self._execute(self._lock_text)

    def _execute(self, text: str) -> None:
        self._connection.execute(text).close()

    def _roll_back(self) -> None:
        if not getattr(self._connection, "in_transaction", True):
            return
        # If the connection is gone or the disk fails, the database itself rolls back what was not committed.
        with suppress(self._dialect.loaded_dbapi.Error):
            self._execute("ROLLBACK")

    def _reconnect(self) -> None:
        """One attempt; while it fails, each commit finds the old connection closed and attempts it again."""
        try:
            connection = self._connect()
        except self._dialect.loaded_dbapi.Error:
            return
        self._connection.close()
        self._connection = connection
        self._groups = self._make_groups()

    def _make_groups(self) -> Groups:
        return Groups(
            self._connection,
            self._dialect,
            self._apply,
            bulk=self._bulk,
            beside=self._beside,
            about=self._about,
        )


def _answer(batch: Sequence[Job], outcomes: Sequence[Outcome]) -> None:
    """Wakes each event loop once, however many commits were in the group."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Waiter, Outcome]]] = {}
    for (_, waiter), outcome in zip(batch, outcomes, strict=True):
        if isinstance(waiter, Quiet):
            if isinstance(outcome, tuple):
                continue
            loop = waiter.loop
        else:
            loop = waiter.loop if isinstance(waiter, Told) else waiter.get_loop()
        if loop in by_loop:
            by_loop[loop].append((waiter, outcome))
        else:
            by_loop[loop] = [(waiter, outcome)]
    for loop, answers in by_loop.items():
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_resolve, answers)


def _resolve(answers: Sequence[tuple[Waiter, Outcome]]) -> None:
    for waiter, outcome in answers:
        if isinstance(waiter, Quiet):
            assert isinstance(outcome, BaseException)
            waiter.failed(outcome)
        elif isinstance(waiter, Told):
            waiter.tell(outcome)
        elif waiter.done():  # its caller was cancelled
            continue
        elif isinstance(outcome, tuple):
            waiter.set_result(outcome)
        else:
            waiter.set_exception(outcome)
