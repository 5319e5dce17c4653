"""The models that the simulator offers, and what a model's name asks for.

A name may end in `@N`: N tokens per second, 0 = as fast as possible (`sim-fast@200`).
"""

import re
from typing import NamedTuple

from talkmeter.simulator.faults import Fault, fault_names, parse_name
from talkmeter.simulator.refusals import unknown_model

DEFAULT = "sim-fast"
SLOW_TOKENS_PER_SECOND = 8.0
CONTEXT_WINDOW = 128_000  # tokens, prompt and answer
_PREFIX = "sim-fault-"
_PLAIN = (DEFAULT, "sim-slow", "sim-reasoning", "sim-korean", "sim-markdown")
_SPEED = re.compile(r"(?P<name>.+)@(?P<speed>\d{1,6}(?:\.\d{1,3})?)")


class SimModel(NamedTuple):
    """name: without the speed. tokens_per_second: None = the simulator's own."""

    name: str
    tokens_per_second: float | None = None
    fault: Fault | None = None

    @property
    def reasons(self) -> bool:
        return self.name == "sim-reasoning"


def offered() -> list[str]:
    """Every model `GET /v1/models` lists; any k works where the list shows one."""
    return [*_PLAIN, *(_PREFIX + name for name in fault_names())]


def find(model: str) -> SimModel:
    """What this name means. Raises Refusal 404 as OpenAI does."""
    match = _SPEED.fullmatch(model)
    name = match["name"] if match else model
    speed = float(match["speed"]) if match else None
    if name in _PLAIN:
        if name == "sim-slow" and speed is None:
            speed = SLOW_TOKENS_PER_SECOND
        return SimModel(name, speed)
    fault = parse_name(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else None
    if fault is None:
        raise unknown_model(model)
    return SimModel(name, speed, fault)
