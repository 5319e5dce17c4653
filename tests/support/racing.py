"""A hundred requests at once to /v1 against a budget for ten, again and again.

A quarter of the races each on SQLite and on PostgreSQL, each in one process and with four workers. Every race has a
budget of its own, of money or of tokens, for ten times what the request can come to at most. In its first wave the
upstream holds all answers back, so that exactly ten fit; then these end, and a second wave spends what came back.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

from support import books
from support.houses import House
from support.postgres import Postgres
from support.processes import SimulatorProcess, start_simulator
from support.raw_http import RawConnection
from talkmeter.app.wiring import Application
from talkmeter.metering.budget_making import new_budget

RACERS, PLACES = 100, 10
KINDS = (("sqlite", 1), ("sqlite", 4), ("postgresql", 1), ("postgresql", 4))  # database, processes
UNITS = {"picodollars": "USD", "tokens": "tokens"}
BODY = json.dumps(
    {"model": "sim-fast", "messages": [{"role": "user", "content": "say: 하나 둘 셋"}], "max_completion_tokens": 60,
     "stream": True, "stream_options": {"include_usage": True}}
).encode()  # fmt: skip


def amount_of(unit: str, figure: int) -> str:
    return f"{figure} tokens" if unit == "tokens" else f"{figure // 10**12}.{figure % 10**12:012} USD"


class Course:
    """One gateway with its upstream, and all its races."""

    def __init__(self, house: House, simulator: SimulatorProcess) -> None:
        self.house = house
        self.simulator = simulator
        self.races = 0
        self.admitted = 0
        self.refused = 0

    def __str__(self) -> str:
        return f"{self.house}: {self.races} races, {self.admitted} admitted, {self.refused} refused"

    async def run(self, rounds: int) -> None:
        worst = await self._worst()
        await self._limit({f"race-{number}": self._budget(number, worst) for number in range(rounds)})
        async with self._life() as connections:
            for number in range(rounds):
                await self._race(connections, number, worst)
        bill = await self.simulator.rows()
        books.check_billed(self.house.new_entries(), bill)

    @staticmethod
    def _budget(number: int, worst: dict[str, int]) -> str:
        unit = tuple(UNITS)[number % 2]
        return amount_of(unit, PLACES * worst[unit])

    async def _limit(self, amounts: dict[str, str]) -> None:
        """A budget for each of these tags."""

        async def add(application: Application) -> None:
            for tag, amount in amounts.items():
                budget = new_budget(name=f"{tag} {amount}", amount=amount, period="total", scope="tag", scope_id=tag)
                await application.budgets.add(budget)

        await self.house.furnish_with(add)

    async def _worst(self) -> dict[str, int]:
        """What the request sets aside in a budget of money and in one of tokens, by asking once."""
        await self._limit({"money": "1000 USD", "tokens": "1000000000 tokens"})
        async with self._life() as connections:
            await self._ask(connections[0], "money, tokens")
            await connections[0].rest()
            assert connections[0].answer.status == 200
        await self.simulator.rows()
        await self.simulator.clear()
        (entry,) = self.house.new_entries().values()
        return {item["unit"]: item["amount"] for item in json.loads(entry["reservations"])["budgets"]}

    @asynccontextmanager
    async def _life(self) -> AsyncIterator[list[RawConnection]]:
        """From a start to an orderly end, with everybody's connection."""
        await self.house.start()
        connections = [await RawConnection.open(self.house.server.url) for _ in range(RACERS)]
        try:
            yield connections
        finally:
            for connection in connections:
                connection.abort()
            status = await asyncio.to_thread(self.house.server.terminate)
        assert status == 0

    async def _ask(self, connection: RawConnection, tags: str) -> None:
        await connection.send("POST", "/v1/chat/completions", BODY, {"X-Talkmeter-Tags": tags})
        await connection.head()

    async def _race(self, connections: list[RawConnection], number: int, worst: dict[str, int]) -> None:
        unit, tag = tuple(UNITS)[number % 2], f"race-{number}"
        limit = PLACES * worst[unit]
        await self.simulator.script({"gate": True, "times": PLACES})
        await asyncio.gather(*(self._ask(connection, tag) for connection in connections))
        running = [connection for connection in connections if connection.answer.status == 200]
        for connection in connections:
            if connection.answer.status != 200:
                await _refused(connection)
        statuses = Counter(connection.answer.status for connection in connections)
        assert statuses == {200: PLACES, 429: RACERS - PLACES}, (number, statuses)
        assert self._counted(tag) == (0, limit), number
        await self.simulator.step(1000)
        for connection in running:
            assert (await connection.rest()).ended == "complete"
        spent = await self._settled(tag, PLACES)
        assert spent < limit, number
        await asyncio.gather(*(self._ask(connection, tag) for connection in connections))
        again = [connection for connection in connections if connection.answer.status == 200]
        for connection in connections:
            if connection.answer.status == 200:
                assert (await connection.rest()).ended == "complete"
            else:
                await _refused(connection)
        assert again, number
        assert await self._settled(tag, PLACES + len(again)) <= limit, number
        self.races += 1
        self.admitted += PLACES + len(again)
        self.refused += 2 * RACERS - PLACES - len(again)

    def _counted(self, tag: str) -> tuple[int, int]:
        (row,) = self.house.rows(
            "SELECT spent, reserved FROM budget_periods JOIN budgets ON budgets.id = budget_id "
            f"WHERE scope = 'tag' AND scope_id = '{tag}'"
        )
        return row["spent"], row["reserved"]

    async def _settled(self, tag: str, calls: int) -> int:
        """What the tag's calls have spent, once nothing is reserved: the sum of what its entries came to."""
        async with asyncio.timeout(60):
            while self._counted(tag)[1]:
                await asyncio.sleep(0.005)
        entries = self.house.rows(f"SELECT * FROM ledger_entries WHERE tags = '[\"{tag}\"]'")
        assert len(entries) == calls
        assert {entry["provenance"] for entry in entries} == {"reported"}
        spent, _ = self._counted(tag)
        money = json.loads(entries[0]["reservations"])["budgets"][0]["unit"] == "picodollars"
        assert spent == sum(
            entry["cost_picodollars"] if money else sum(entry[name] for name in books.FIGURES) for entry in entries
        )
        return spent


async def _refused(connection: RawConnection) -> None:
    answer = await connection.rest()
    assert answer.status == 429, answer.body
    assert answer.json()["error"]["code"] == "insufficient_quota", answer.body


async def race_again_and_again(folder: Path, rounds: int, postgres: Postgres) -> list[Course]:
    """The rounds are shared out among the four."""
    courses = []
    with ExitStack() as stack:
        for place, (database, workers) in enumerate(KINDS):
            home = folder / f"{database}-{workers}"
            home.mkdir()
            simulator = await asyncio.to_thread(start_simulator, home / "bill.jsonl")
            stack.callback(simulator.stop)
            url = postgres.create() if database == "postgresql" else None
            if url is not None:
                stack.callback(postgres.drop, url)
            house = House(home / "data", simulator, url, workers)
            stack.callback(house.leave)
            course = Course(house, simulator)
            await course.run(rounds // len(KINDS) + (place < rounds % len(KINDS)))
            courses.append(course)
            print(course, flush=True)
    return courses
