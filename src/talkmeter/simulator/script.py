"""What tests steer a run with: a queue of faults for the requests to come, and a gate for each event."""

import asyncio
from collections import deque

import msgspec

from talkmeter.simulator.faults import Fault


class Script:
    """A queue of scripted faults. The first entry that fits a request's model is used up by one."""

    def __init__(self) -> None:
        self._queue: deque[Fault] = deque()

    def extend(self, faults: list[Fault]) -> None:
        self._queue.extend(msgspec.structs.replace(fault) for fault in faults)

    def clear(self) -> None:
        self._queue.clear()

    @property
    def waiting(self) -> list[Fault]:
        return list(self._queue)

    def take(self, model: str | None, endpoint: str) -> Fault | None:
        """The fault for a request of `model` to `endpoint`, or None.

        A request without a model (to look something up, to cancel) gets only what names its endpoint.
        """
        for fault in self._queue:
            anywhere = fault.endpoint is None and model is not None
            if (anywhere or fault.endpoint == endpoint) and fault.model in (None, model):
                fault.times -= 1
                if fault.times == 0:
                    self._queue.remove(fault)
                return fault
        return None


class Gate:
    """Holds each event of one request back until a step allows it."""

    def __init__(self) -> None:
        self._allowed = 0
        self._passed = 0
        self._written = 0
        self._ended = False
        self._changed = asyncio.Event()

    @property
    def ended(self) -> bool:
        return self._ended

    async def wait(self) -> None:
        """Return when the next event may go."""
        while self._passed >= self._allowed:
            await self._changed.wait()
        self._passed += 1

    def written(self) -> None:
        """Say that an event is on the wire."""
        self._written += 1
        self._notify()

    def end(self) -> None:
        """Say that no event will follow."""
        self._ended = True
        self._notify()

    async def step(self, events: int) -> int:
        """Allow `events` more; once they are on the wire or the request has ended, say how many are."""
        self._allowed += events
        self._notify()
        while not self._ended and self._written < self._allowed:
            await self._changed.wait()
        return self._written

    def _notify(self) -> None:
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()
