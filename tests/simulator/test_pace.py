"""The speed of an answer: when events are due, without measuring any clock."""

import asyncio

import pytest

from talkmeter.simulator import models, pace
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.pace import Pace, tokens_per_second


class Clock:
    """A clock that only moves when somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(pace.time, "monotonic", lambda: self.now)
        monkeypatch.setattr(asyncio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_tokens_come_at_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    pace = Pace(50)
    for number in range(1, 101):
        await pace.wait(2.0)
        assert clock.now == pytest.approx(100 + number * 2 / 50)


async def test_time_that_was_lost_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    pace = Pace(10)
    await pace.wait(1)
    clock.now += 0.25
    await pace.wait(1)
    await pace.wait(1)
    assert clock.now == pytest.approx(100.35)
    await pace.wait(1)
    assert clock.now == pytest.approx(100.4)


async def test_zero_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    await Pace(0).wait(1_000_000)
    assert clock.now == 100


def test_who_decides_about_the_speed() -> None:
    def speed(model: str, **fields: object) -> float:
        return tokens_per_second(Fault(**fields), models.find(model), 80)

    assert speed("sim-fast") == 80
    assert speed("sim-slow") == 8
    assert speed("sim-slow@20") == 20
    assert speed("sim-slow@20", tokens_per_second=5.0) == 5
    assert speed("sim-fast", tokens_per_second=0.0) == 0
    assert speed("sim-fast", fault="endless", tokens_per_second=0.0) == 2000
    assert speed("sim-fast", fault="endless") == 80
