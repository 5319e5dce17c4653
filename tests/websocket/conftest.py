"""Tests of the WebSocket door run on the loop of the server."""

import asyncio
from collections.abc import Callable

import uvloop

from support.gate_fixtures import gate, open_gate

__all__ = ["gate", "open_gate"]


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop}
