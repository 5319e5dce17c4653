from collections.abc import AsyncIterator

import pytest

from support.simulator_bench import Bench
from talkmeter.simulator import Simulator


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    simulator = Simulator(None, tokens_per_second=0)
    yield Bench(simulator, await simulator.start())
    await simulator.stop()
