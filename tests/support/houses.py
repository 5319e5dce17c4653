"""A gateway that is killed and started again on the same data: its data directory, its database, its keys and budgets."""

import asyncio
import os
import signal
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import psycopg.rows

from support import books
from support.processes import Server, SimulatorProcess, spawn_server, start_server
from support.worker_processes import children, gone
from talkmeter.app.wiring import Application, open_application
from talkmeter.config import resolve
from talkmeter.metering.budget_making import new_budget

TOP_UP = 1_320_000_000_000  # picodollars: what the budget of the tight key gets for each round; some ten chats
KEYS = ("drain", "cut", "tight")


@dataclass
class House:
    """simulator: its provider. url: of a PostgreSQL database; None: SQLite. tokens: of its keys, by their names."""

    data_dir: Path
    simulator: SimulatorProcess
    url: str | None = None
    workers: int = 1
    tokens: dict[str, str] = field(default_factory=dict)
    server: Server | None = None
    position: int = 0  # of the last entry that was checked
    counted: dict[tuple[str, int], int] = field(default_factory=dict)  # (budget, period) → what its calls came to

    def __str__(self) -> str:
        return f"{'PostgreSQL' if self.url else 'SQLite'}, {self.workers} worker{'s' * (self.workers > 1)}"

    @property
    def _options(self) -> dict[str, Any]:
        """Of each of its lives. Bytecode is kept: compiling anew takes longer than starting."""
        kept = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(self.data_dir.parent.parent / "bytecode")}
        database = {"TALKMETER_DATABASE_URL": self.url} if self.url else {}
        return {"flags": ("--shutdown-seconds", "2", "--workers", str(self.workers)), **kept, **database}

    async def furnish(self) -> None:
        """Makes its keys and budgets, once."""
        if not self.tokens:
            await self.furnish_with(self._issue)

    async def furnish_with(self, work: Callable[[Application], Awaitable[None]]) -> None:
        """Does this while no server runs."""
        flags = {"data_dir": str(self.data_dir)} | ({"database_url": self.url} if self.url else {})
        application = await open_application(resolve(flags, {}))
        try:
            await work(application)
        finally:
            await application.close()

    async def _issue(self, application: Application) -> None:
        async def limit(name: str, amount: str, **more: Any) -> None:
            await application.budgets.add(new_budget(name=name, amount=amount, period="total", **more))

        ids = {}
        for name in KEYS:
            way = "cut" if name == "cut" else "drain"
            key, self.tokens[name] = await application.accounts.keys.issue(user_id="owner", name=name, disconnect=way)
            ids[name] = key.id
        await limit("everything", "1 USD", hard=False)
        await limit("cut", "1000000000000 tokens", scope="key", scope_id=ids["cut"])
        await limit("drained", "1000000000000 tokens", scope="key", scope_id=ids["drain"])
        await limit("tight", "0.000000000001 USD", scope="key", scope_id=ids["tight"])

    async def start(self) -> None:
        """Blocks nobody; afterwards it answers. Raises NotStarted."""
        start = partial(start_server, self.data_dir, self.simulator.url, **self._options)
        starting = asyncio.create_task(asyncio.to_thread(start))
        try:
            self.server = await asyncio.shield(starting)
        except asyncio.CancelledError:  # no server is to be left behind by a test that has failed elsewhere
            self.server = await starting
            raise

    async def kill_while_starting(self, seconds: float) -> None:
        starting = await asyncio.to_thread(spawn_server, self.data_dir, self.simulator.url, **self._options)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(starting.kill)

    async def kill_worker(self, number: int) -> None:
        """One of them, if there are any; the main process goes on and settles for it."""
        assert self.server is not None
        if workers := sorted(children(self.server)):
            victim = workers[number % len(workers)]
            os.kill(victim, signal.SIGKILL)
            await gone(victim)

    async def kill(self) -> None:
        assert self.server is not None
        workers = children(self.server)
        await asyncio.to_thread(self.server.kill)
        for pid in workers:
            await gone(pid)

    def leave(self) -> None:
        """For the end, however it came."""
        if self.server is not None:
            self.server.stop()

    # What it has written down

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """statement: one that both databases understand."""
        if self.url is None:
            with books.reading(self.data_dir) as connection:
                return books.rows(connection, statement)
        with psycopg.connect(self.url, row_factory=psycopg.rows.dict_row) as connection:
            return list(connection.execute(statement))  # type: ignore[arg-type]

    def texts_kept(self) -> int:
        """How many pieces of text it keeps for the case that it dies now."""
        return self.rows("SELECT count(*) AS pieces FROM partial_texts")[0]["pieces"]

    def top_up(self) -> None:
        """More for the tight key. Only while no server runs."""
        statement = f"UPDATE budgets SET amount = amount + {TOP_UP} WHERE name = 'tight'"
        if self.url is None:
            with closing(sqlite3.connect(self.data_dir / books.DATABASE)) as connection, connection:
                connection.execute(statement)
        else:
            with psycopg.connect(self.url) as connection:
                connection.execute(statement)

    def new_entries(self) -> dict[str, dict[str, Any]]:
        """The ledger's entries since the last time, by their ids."""
        found = self.rows(f"SELECT * FROM ledger_entries WHERE position > {self.position} ORDER BY position")
        if found:
            self.position = found[-1]["position"]
        return {row["id"]: row for row in found}
