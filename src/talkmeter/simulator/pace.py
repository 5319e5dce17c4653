"""The speed of an answer: when its events are due."""

import asyncio
import time

from talkmeter.simulator.faults import Fault
from talkmeter.simulator.models import SimModel

_ENDLESS_TOKENS_PER_SECOND = 2000.0  # an endless stream as fast as possible would starve everybody else


class Pace:
    """Holds events back so that tokens come at a rate; 0 = no waiting."""

    def __init__(self, tokens_per_second: float) -> None:
        self._rate = tokens_per_second
        self._due = time.monotonic()

    async def wait(self, tokens: float) -> None:
        if self._rate <= 0:
            return
        self._due += tokens / self._rate
        rest = self._due - time.monotonic()
        if rest > 0:
            await asyncio.sleep(rest)


def tokens_per_second(fault: Fault, model: SimModel, usual: float) -> float:
    """The speed: the request's own wish, else the model's, else the simulator's."""
    speed = next(speed for speed in (fault.tokens_per_second, model.tokens_per_second, usual) if speed is not None)
    if fault.is_any("endless"):
        return min(speed, _ENDLESS_TOKENS_PER_SECOND) or _ENDLESS_TOKENS_PER_SECOND
    return speed
