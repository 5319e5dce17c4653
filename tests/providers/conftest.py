"""A provider's client against the simulator, and against servers that say exactly what a test wants."""

import asyncio
from collections.abc import Callable

import pytest
import uvloop

from support.upstreams import Scripted, provider_at
from talkmeter.metering.tokens import preload
from talkmeter.providers.client import Client, Timeouts
from talkmeter.simulator.server import Simulator


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Production runs on uvloop; how a connection ends and what a time-out does is the other one's business, too."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture(scope="session", autouse=True)
def loaded():
    """So that the simulator's first answer is not late because it loads an encoding."""
    preload("o200k_base").join()


@pytest.fixture
async def client():
    made = Client(Timeouts(connect=20, headers=20, silence=20))  # only a hang is ever that long
    yield made
    await made.close()


@pytest.fixture
async def impatient():
    """For upstreams that hang."""
    made = Client(Timeouts(connect=20, headers=1.5, silence=1.5))
    yield made
    await made.close()


@pytest.fixture
async def simulator(tmp_path):
    made = Simulator(tmp_path / "bill.jsonl", tokens_per_second=0)
    made.base_url = await made.start()
    yield made
    await made.stop()


@pytest.fixture
def provider(simulator, client):
    return provider_at(simulator.base_url, client)


@pytest.fixture
def scripted():
    return Scripted()
