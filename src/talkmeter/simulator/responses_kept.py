"""Responses that can be asked for again, and those that are worked out in the background."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from talkmeter.simulator import plan
from talkmeter.simulator.bill import STOPPED
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.dialect import Event
from talkmeter.simulator.faults import HONEST, Fault
from talkmeter.simulator.responses_shapes import Item, ResponseDialect
from talkmeter.simulator.wire import Sent

if TYPE_CHECKING:
    from talkmeter.simulator.call import Call

_STATES = {b"response.queued": "queued", b"response.created": "in_progress", b"response.in_progress": "in_progress"}


class StoredResponse:
    """One response: what it was asked, what it says, and how far it has come.

    items: all of the conversation up to and with this request's input; input: only the latter.
    """

    def __init__(self, dialect: ResponseDialect, truth: Charge, fault: Fault, items: list[Item], given: int) -> None:
        self.dialect, self.truth, self.fault = dialect, truth, fault
        self.items = items
        self.input = [
            {"id": f"{dialect.id.replace('resp_', 'msg_in')}{number}", **item}
            for number, item in enumerate(items[len(items) - given :])
        ]
        self.status = dialect.end
        self.usage: dict[str, Any] | None = next(iter(reversed(plan.usages(dialect, truth, fault, stream=True))), None)
        self.in_background = False
        self.work = Sent()
        self._events: list[Event] = []
        self._ended = False
        self._changed: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None
        self._cancelled = False

    @property
    def context(self) -> list[Item]:
        """The items that a later request with this one's id begins with."""
        return [*self.items, *self.dialect.output]

    def object_(self) -> dict[str, Any]:
        ended = self.status in ("completed", "incomplete")
        return self.dialect.object_(self.status, self.usage if ended else None)

    def begin(self, call: "Call") -> None:
        """Work it out in the background of the request that asked for it."""
        self.in_background = True
        self.status = "queued"
        self.work.status = 200
        self._task = asyncio.create_task(self._run(call))
        call.background = self._task

    async def _run(self, call: "Call") -> None:
        outcome = "error"
        try:
            async for event in call.paced(plan.stream(self.dialect, self.truth, self.fault), gated=self.fault.gate):
                self.work.complete(event)
                self._events.append(event)
                name = event.data.partition(b"\n")[0].removeprefix(b"event: ").strip()
                self.status = _STATES.get(name, self.status)
                if event.last:
                    self.status = self.dialect.end
                self._notify()
                call.gate.written()
                if event.then == "hang":
                    await asyncio.get_running_loop().create_future()
            if self.work.finished:
                outcome = "finished"
            else:
                self.status = "failed"
        except asyncio.CancelledError:
            outcome = "cancelled" if self._cancelled else STOPPED
            self.status = "cancelled"
        finally:
            self._ended = True
            self._notify()
            call.close(outcome)

    async def cancel(self) -> None:
        """End the work; what has been worked out stays charged. Harmless once it has ended."""
        if self._task is not None and not self._task.done():
            self._cancelled = True
            self._task.cancel()
            await asyncio.wait([self._task])

    async def follow(self, after: int) -> AsyncIterator[Event]:
        """Its events whose number is above `after`, as they come."""
        position = after + 1
        if not self.in_background:
            for event in list(self._replayed())[position:]:
                yield event
            yield Event(b"", last=True)
            return
        while True:
            while position < len(self._events):
                # A follower does not share what befalls the work.
                yield self._events[position]._replace(then="")
                position += 1
            if self._ended:
                yield Event(b"", last=True)
                return
            self._changed = self._changed or asyncio.Event()
            await self._changed.wait()

    def _replayed(self) -> Iterator[Event]:
        self.dialect.number = -1
        return plan.stream(self.dialect, self.truth, HONEST)

    def _notify(self) -> None:
        waiting, self._changed = self._changed, None
        if waiting is not None:
            waiting.set()
