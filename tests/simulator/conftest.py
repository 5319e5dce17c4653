import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from support.simulator_bench import Bench
from talkmeter.simulator import Simulator

_ON_BOTH_LOOPS = ("test_faults.py", "test_steps.py")


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Production runs on uvloop; what depends on how a connection ends is tested on asyncio's own loop, too."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if item.path.name in _ON_BOTH_LOOPS:
        loops["asyncio"] = asyncio.new_event_loop
    return loops


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    simulator = Simulator(None, tokens_per_second=0)
    yield Bench(simulator, await simulator.start())
    await simulator.stop()
