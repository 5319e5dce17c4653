"""One gate for a test, or as many as it opens, each on a simulator of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import uvloop

from support.gate import Gate, gate_open

OpenGate = Callable[..., Awaitable[Gate]]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def open_gate(tmp_path: Path) -> AsyncIterator[OpenGate]:
    """`await open_gate(gateway_local=False)`: with these settings."""
    async with AsyncExitStack() as opened:
        number = 0

        async def start(**settings: Any) -> Gate:
            nonlocal number
            number += 1
            folder = tmp_path / f"gate{number}"
            folder.mkdir()
            return await opened.enter_async_context(gate_open(folder, **settings))

        yield start


@pytest.fixture
async def gate(open_gate: OpenGate) -> Gate:
    return await open_gate()
