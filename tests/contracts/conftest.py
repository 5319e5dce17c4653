"""One simulator and one server, both processes of their own, for all tests of a file; a browser that is signed in."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest

from support import books
from support.browser import Browser
from support.processes import Server, SimulatorProcess, start_server, start_simulator
from support.small_disk import mounted


@dataclass
class Street:
    """A server, its upstream, and the session that the browsers of the tests share."""

    server: Server
    simulator: SimulatorProcess
    cookie: str

    def browser(self) -> Browser:
        return Browser(self.server.url, self.cookie)

    async def check_books(self) -> None:
        """The contract over everything so far, once nothing runs any more: the ledger is the bill."""
        bill = await self.simulator.rows()
        async with asyncio.timeout(60):
            while books.unfinished(self.server.data_dir):
                await asyncio.sleep(0.02)
        books.check_equal(books.entries(self.server.data_dir), bill)

    async def entry_of(self, asked: dict[str, Any]) -> dict[str, Any]:
        """The one ledger entry of a question."""
        found = [one for one in books.entries(self.server.data_dir).values() if one["run_id"] == asked["run_id"]]
        assert len(found) == 1
        return found[0]


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    folder = tmp_path_factory.mktemp("street")
    simulator = start_simulator(folder / "bill.jsonl")
    try:
        server = start_server(folder / "data", simulator.url)
        try:
            yield Street(server, simulator, asyncio.run(_signed_in(server)))
        finally:
            server.stop()
    finally:
        simulator.stop()


@pytest.fixture
def simulator(tmp_path):
    """A process for one test, with a bill of its own."""
    made = start_simulator(tmp_path / "bill.jsonl")
    yield made
    made.stop()


async def _signed_in(server: Server) -> str:
    async with Browser(server.url) as browser:
        return await browser.sign_in(server.link)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with little room."""
    with mounted(tmp_path / "disk") as folder:
        yield folder
