"""Real uvicorn servers on ephemeral loopback ports, in the test's own loop."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from support.web_client import Serve, Served
from talkmeter.surfaces.web.guard import GuardLimits, guarded_protocol


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """`await serve(app, GuardLimits(…))`: every server is stopped after the test."""
    running: list[tuple[uvicorn.Server, asyncio.Task[None], socket.socket]] = []

    async def start(app: Any, limits: GuardLimits | None = None, **options: Any) -> Served:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        listening.setblocking(False)
        config = uvicorn.Config(
            app,
            http=guarded_protocol(limits),
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
        while not server.started:  # noqa: ASYNC110  (uvicorn offers no event)
            await asyncio.sleep(0.005)
        return Served(listening.getsockname()[1], server)

    yield start
    for server, task, listening in running:
        server.should_exit = True
        await task
        listening.close()
