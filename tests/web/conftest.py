"""Real uvicorn servers on ephemeral loopback ports, in the test's own loop."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvicorn
import uvloop

from support.web_client import Serve, Served
from support.web_house import House
from talkmeter.app.surfaces import build_surfaces, programs, protocol
from talkmeter.app.wiring import open_application
from talkmeter.config import resolve
from talkmeter.surfaces.web.guard import GuardLimits, guarded_protocol


def pytest_asyncio_loop_factories(item: pytest.Item) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Both loops where bytes on the wire are the matter; else the one that people get."""
    both = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
    return both if item.path.stem in ("test_guard", "test_events") else {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(app, GuardLimits(…))`: every server is stopped after the test."""
    running: list[tuple[uvicorn.Server, asyncio.Task[None], socket.socket]] = []

    async def start(app: Any, limits: GuardLimits | None = None, **options: Any) -> Served:
        options.setdefault("http", guarded_protocol(limits))
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        listening.setblocking(False)
        config = uvicorn.Config(
            app,
            ws="none",
            loop="none",
            log_config=None,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=1,
            **options,
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve(sockets=[listening]))
        running.append((server, task, listening))
        while not server.started:
            await asyncio.sleep(0.005)
        return Served(listening.getsockname()[1], server)

    yield start
    for server, task, listening in running:
        server.should_exit = True
        await task
        listening.close()


@pytest.fixture
async def open_house(serve: Serve, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[House]]]:
    """`await open_house(upload_bytes=1000)`: Talkmeter as it is, on its simulator, with these settings."""
    opened: list[House] = []

    async def start(environ: dict[str, str] | None = None, **settings: Any) -> House:
        flags = {"data_dir": str(tmp_path / f"data{len(opened)}"), "simulator_tokens_per_second": 0, **settings}
        application = await open_application(resolve(flags, environ or {}))
        await application.recover()
        await application.begin()
        door = programs(application)
        served = await serve(build_surfaces(application, door), http=protocol(application, door))
        sessions = application.accounts.sessions
        stranger = await application.accounts.users.add("stranger")
        house = House(
            served,
            application,
            cookie=f"talkmeter_session={await sessions.start()}",
            stranger_id=stranger.id,
            stranger=f"talkmeter_session={await sessions.start(stranger.id)}",
        )
        opened.append(house)
        return house

    yield start
    for house in opened:
        await house.application.end_runs(0)
        await house.application.close()


@pytest.fixture
async def house(open_house: Callable[..., Awaitable[House]]) -> House:
    return await open_house()
