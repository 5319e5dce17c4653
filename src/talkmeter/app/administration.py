"""What the command line does to a data directory; the server may be running beside it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from talkmeter.accounts.sessions import Sessions
from talkmeter.app.occupancy import running
from talkmeter.app.wiring import open_database
from talkmeter.config import Resolved

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end in a loop of its own."""
    return asyncio.run(work)


async def new_link(resolved: Resolved) -> str:
    """A one-time sign-in link, good for 15 minutes."""
    store = await open_database(resolved)
    try:
        token = await Sessions(store).new_link_token()
    finally:
        await store.close()
    return f"{server_url(resolved)}/sign-in?token={token}"


def server_url(resolved: Resolved) -> str:
    """Where the server of this data directory is reached, or would be."""
    found = running(resolved.data_dir)
    return str(found["url"]) if found else f"http://localhost:{resolved.get('port')}"
