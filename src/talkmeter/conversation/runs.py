"""Runs: answers in the making. Each is a task of its own, not the client's; any number of clients follow its log.

A room answers one question at a time, in the order they came. A client that goes away changes nothing; `stop` is a
call of its own: *drain* ends the answer for the reader and reads on for the bill, *cut* cancels it upstream. The next
question need not wait for an answer that is drained: that is read on aside.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence

from msgspec import Struct

from talkmeter.clock import now
from talkmeter.conversation.changes import ChangeRun, FinishMessage
from talkmeter.conversation.driving import Driver, LiveRun
from talkmeter.conversation.runlog import ENDS, HIDDEN, continues
from talkmeter.conversation.store import ConversationStore
from talkmeter.errors import BadInput, NotFound
from talkmeter.messages import Run, RunEvent, StopMode
from talkmeter.metering.budget_store import RateStanding

log = logging.getLogger(__name__)

SETTLE_SECONDS = 3.0  # how long settlements may wait for the disk at a shutdown
KEPT_SECONDS = 30.0  # how long an ended run's log stays in memory for clients that come a moment later


class Closed(Struct, frozen=True):
    """How many answers were interrupted by the shutdown, and how many go on after the next start."""

    interrupted: int
    waiting: int


class Runs:
    def __init__(self, store: ConversationStore, driver: Driver) -> None:
        self._store = store
        self._driver = driver
        self._live: dict[str, LiveRun] = {}
        self._rooms: dict[str, deque[LiveRun]] = {}
        self._aside: set[LiveRun] = set()  # no room waits for these any more
        self._stopped: dict[str, StopMode] = {}  # before they were enqueued
        self._closing = False

    def enqueue(self, run: Run, kept: Sequence[RunEvent] = ()) -> None:
        """The run starts when those before it in its room have ended. Its rows must be committed.

        kept: the log of a run that waited in an earlier process; it is continued.
        """
        if self._closing:
            return  # it is stored as queued; the next start takes it up
        live = LiveRun(run, self._store, kept)
        self._live[run.id] = live
        queue = self._rooms.setdefault(run.room_id, deque())
        queue.append(live)
        if len(queue) == 1:
            self._start(live)
        else:
            live.log.add("queued", {"behind": queue[-2].run.id})
        if (mode := self._stopped.pop(run.id, None)) is not None:
            live.stop(mode)
            if live.task is None:  # it need not wait for the others to be ended
                self._leave(live)
                live.task = asyncio.get_running_loop().create_task(self._driver.end_unsent(live), name=run.id)
                live.task.add_done_callback(lambda task: self._tell(live, task))

    def is_running(self, room_id: str) -> bool:
        """Whether an answer is being written or waits in this room."""
        return bool(self.under_way(room_id))

    def under_way(self, room_id: str) -> list[str]:
        """The ids of the runs that are being answered or wait in a room, in their order."""
        return [live.run.id for live in self._rooms.get(room_id, ()) if not live.log.ended]

    def running(self) -> int:
        """How many answers are being written, wait or are read on for the bill, in all rooms."""
        return sum(len(queue) for queue in self._rooms.values()) + len(self._aside)

    def rates(self, principal: str, run_id: str) -> Sequence[RateStanding]:
        """How the rate limits stood when a run's call was let in; empty if none applied, or if that was long ago."""
        live = self._live.get(run_id)
        return live.call.rates if live is not None and live.run.principal == principal and live.call is not None else ()

    async def follow(self, principal: str, run_id: str, after: int = 0) -> AsyncGenerator[RunEvent, None]:
        """A run's events with a seq above `after`, up to and with its end. Raises NotFound at the first step."""
        live = self._live.get(run_id)
        if live is not None and live.run.principal == principal:
            async for event in live.log.follow(after):
                yield event
            return
        run = await self._store.run(run_id, principal)
        if run is None:
            raise run_not_found(run_id)
        for event in await self._replay(run, after):
            yield event
            after = event.seq
        if self._closing and run.status not in ENDS:  # it was asked a moment ago: the next start takes it up
            yield continues(after)

    async def stop(self, principal: str, run_id: str, mode: StopMode) -> None:
        """Asks a run to end; its log says when it has. A run that has ended already is left as it is."""
        if mode not in ("drain", "cut"):
            raise BadInput(
                f"A run is stopped by “drain” or “cut”, not “{mode}”.",
                f"중지 방식은 “drain” 또는 “cut”입니다. 받은 값: “{mode}”",
                param="mode",
            )
        live = self._live.get(run_id)
        if live is None or live.run.principal != principal:
            run = await self._store.run(run_id, principal)
            if run is None:
                raise run_not_found(run_id)
            live = self._live.get(run_id)
            if live is None and run.status == "queued":  # stored a moment ago, it is about to be enqueued
                self._stopped[run_id] = mode
                await self._store.commit(ChangeRun(id=run_id, stop_mode=mode))
                return
        if live is None or live.log.ended or live.stop_mode == mode or live.stop_mode == "cut":
            return
        live.stop(mode)
        waiting = live.task is None
        if waiting:  # out of the queue at once, or it could start while it is being ended
            self._leave(live)
        await self._store.commit(ChangeRun(id=run_id, stop_mode=mode))
        if waiting:
            await self._driver.end_unsent(live)
        elif len(self._rooms.get(live.run.room_id, ())) > 1:
            await self.make_way(live.run.room_id)

    async def interrupt(self, principal: str, run_id: str) -> None:
        """Stops a run for the next question in its room, which need not wait: see make_way. Raises as stop does, and
        StoreError.
        """
        await self.stop(principal, run_id, "drain")
        await self._give_way(self._live.get(run_id))

    async def make_way(self, room_id: str) -> None:
        """The next question in a room need not wait for an answer that is only read on for the bill: on return what
        was said of that is on the disk, for the question's history, and the rest is read aside. Raises StoreError.
        """
        queue = self._rooms.get(room_id)
        if queue and queue[0].stop_mode == "drain":
            await self._give_way(queue[0])

    async def _give_way(self, live: LiveRun | None) -> None:
        if live is None or live.call is None:
            return  # it waited, or it ends at once because it has not left
        await live.log.flush()
        if live.log.closed:
            return
        await self._store.commit(
            FinishMessage(id=live.run.answer_id, text=live.text, status="stopped", finished_at=now())
        )
        self._put_aside(live)

    async def abandon(self, room_id: str) -> None:
        """Cuts everything under way in a room that is about to be deleted, and waits for the settlements."""
        queue = [*(live for live in self._aside if live.run.room_id == room_id), *self._rooms.get(room_id, ())]
        for live in reversed(queue):
            await self.stop(live.run.principal, live.run.id, "cut")
        tasks = [live.task for live in queue if live.task is not None]
        if tasks:
            await asyncio.wait(tasks)
        for live in queue:
            self._live.pop(live.run.id, None)  # the text goes with the room

    @property
    def closing(self) -> bool:
        """Whether nothing new is begun any more."""
        return self._closing

    async def close(self, grace: float = 0.0) -> Closed:
        """Shutdown: nothing new starts; what runs gets `grace` seconds, then is interrupted and settled.

        What the store does not take even now stays open: the next start settles it from the persisted text.
        """
        self._closing = True
        tasks = [live.task for live in self._live.values() if live.task is not None and not live.task.done()]
        if tasks and grace:
            await asyncio.wait(tasks, timeout=grace)
        for live in self._live.values():
            live.interrupt()
        if tasks:
            _, unsettled = await asyncio.wait(tasks, timeout=SETTLE_SECONDS)
            for task in unsettled:
                log.error("run %s could not be ended; the next start does", task.get_name())
                task.cancel()
        logs = [live.log for live in self._live.values()]
        for log_ in logs:
            log_.leave()
        writing = [asyncio.create_task(log_.put_down()) for log_ in logs if not log_.closed]
        if writing:  # the store is closed after this
            await asyncio.wait(writing, timeout=SETTLE_SECONDS)
        return Closed(sum(log.end == "interrupted" for log in logs), sum(not log.ended for log in logs))

    def _start(self, live: LiveRun) -> None:
        live.task = asyncio.get_running_loop().create_task(self._driver.drive(live), name=live.run.id)
        live.task.add_done_callback(lambda task: self._done(live, task))

    def _tell(self, live: LiveRun, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("run %s ended unexpectedly", live.run.id, exc_info=error)

    def _done(self, live: LiveRun, task: asyncio.Task[None]) -> None:
        self._tell(live, task)
        if live in self._aside:
            self._aside.remove(live)
            self._forget_later(live)
        else:
            self._go_on(self._leave(live))

    def _put_aside(self, live: LiveRun) -> None:
        if live in self._rooms.get(live.run.room_id, ()):  # or it has ended meanwhile
            self._aside.add(live)
            self._go_on(self._out_of_queue(live))

    def _go_on(self, queue: deque[LiveRun]) -> None:
        if queue and not self._closing:
            self._start(queue[0])

    def _leave(self, live: LiveRun) -> deque[LiveRun]:
        """Takes a run that has ended, or need not begin, out of its room's queue."""
        self._forget_later(live)
        return self._out_of_queue(live)

    def _out_of_queue(self, live: LiveRun) -> deque[LiveRun]:
        queue = self._rooms[live.run.room_id]
        queue.remove(live)
        if not queue:
            del self._rooms[live.run.room_id]
        return queue

    def _forget_later(self, live: LiveRun) -> None:
        """Its log stays a while for clients that come late."""
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._live.pop, live.run.id, None)

    async def _replay(self, run: Run, after: int) -> list[RunEvent]:
        """The log of a run that is not in memory: what is kept of it, or its answer as one delta and its end."""
        stored = [event for event in await self._store.run_events(run.id, after) if event.kind != HIDDEN]
        if run.status not in ENDS:
            return stored
        answer = await self._store.message(run.answer_id, run.principal)
        last = max([after, *(event.seq for event in stored)])
        text = answer.text if answer else ""
        whole = RunEvent(seq=last + 1, kind="delta", data={"offset": 0, "text": text})
        ids = {"room_id": run.room_id, "question_id": run.question_id, "answer_id": run.answer_id}
        return [*stored, whole, RunEvent(seq=last + 2, kind=run.status, data=ids)]


def run_not_found(run_id: str) -> NotFound:
    named = bool(run_id)
    return NotFound(
        f"There is no run {run_id:.80}." if named else "No run was named.",
        f"{run_id:.80} 실행이 없습니다." if named else "실행을 지정하지 않았습니다.",
        code="run_not_found",
    )
