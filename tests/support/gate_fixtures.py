"""Fixtures: one gate for a test, or as many as it opens, each on a simulator of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support.gate import Gate, gate_open

OpenGate = Callable[..., Awaitable[Gate]]


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
