"""The gateway killed by SIGKILL at random moments under 200 mixed requests at once, again and again on the same data.

Each lane has an upstream of its own and four gateways in turn: on SQLite and on PostgreSQL, each alone and with two
workers. A round starts one on the data that the last kill left, lets clients ask, kills it, starts it again, and holds
its ledger against the upstream's bill, its budgets against its ledger. What must hold is in after_a_kill.py.
"""

import asyncio
import json
import random
import statistics
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from support import books
from support.after_a_kill import Found
from support.crowd import Crowd
from support.houses import House
from support.postgres import Postgres
from support.processes import start_simulator

CLIENTS = 200
LANES = 2
BLOCK = 10  # kills of one gateway before it is ended in order and the next one's turn comes
TURNS = (  # of a lane; workers are three processes to start
    *("sqlite", "sqlite workers", "sqlite", "postgresql", "sqlite"),
    *("sqlite", "postgresql workers", "sqlite", "postgresql", "sqlite"),
)
KEPT = (0, 0, 1, 5, 20)  # texts under way that are kept for the next start, before the moment of the kill is chosen
LOOKS = 20  # rounds of a SQLite database between two checks of the whole file
# What may be said in the log: being killed, what upstreams did, and nothing else.
EXPECTED = ("were interrupted by the last end", "worker_ended", "server_gone")


class Lane:
    """An upstream, and the gateways before it. Whatever it chooses comes from the seed and the number of the round."""

    def __init__(self, folder: Path, number: int, seed: str, postgres: Postgres, found: Found) -> None:
        self.number = number
        self.seed = seed
        self.found = found
        self.kills = 0
        self.while_starting = 0
        self.workers_killed = 0
        self.statuses: Counter[int] = Counter()
        self._folder = folder / f"lane{number}"
        self._folder.mkdir()
        self._postgres = postgres
        self._houses: dict[str, House] = {}
        self._round = ""

    async def run(self, rounds: int) -> None:
        simulator = await asyncio.to_thread(start_simulator, self._folder / "bill.jsonl")
        with ExitStack() as stack:
            stack.callback(simulator.stop)
            try:
                for first in range(0, rounds, BLOCK):
                    kind = TURNS[(first // BLOCK + 5 * self.number) % len(TURNS)]
                    house = self._house(kind, simulator, stack)
                    await house.furnish()
                    numbers = range(first, min(first + BLOCK, rounds))
                    await self._block(house, numbers)
                    print(f"lane {self.number}: {numbers.stop} of {rounds} rounds, the last on {house}", flush=True)
            except BaseException as error:
                error.add_note(f"seed {self.seed}, lane {self.number}, {self._round}; its data: {self._folder}")
                raise

    def _house(self, kind: str, simulator, stack: ExitStack) -> House:
        if kind not in self._houses:
            url = None
            if kind.startswith("postgresql"):
                url = self._postgres.create()
                stack.callback(self._postgres.drop, url)
            made = House(self._folder / kind.replace(" ", "-"), simulator, url, 2 if "workers" in kind else 1)
            stack.callback(made.leave)
            self._houses[kind] = made
        return self._houses[kind]

    async def _block(self, house: House, numbers: range) -> None:
        bill, told = {}, set()
        for number in numbers:
            self._round = f"round {number}: {house}"
            choose = random.Random(f"{self.seed}-{self.number}-{number}")
            bill, told = await self._round_on(house, choose, bill, told)
            if house.url is None and number % LOOKS == 0:
                with books.reading_a_copy(house.data_dir, self._folder / "copy") as left:
                    books.check_sound(left)
        await self._start(house, bill, told)
        assert await asyncio.to_thread(house.server.terminate) == 0
        _check_log(house)

    async def _start(self, house: House, bill, told) -> None:
        house.top_up()
        await house.start()
        self.found.check(house, bill, told)

    async def _round_on(self, house: House, choose: random.Random, bill, told):
        """Gives what the upstream has on its bill for this round, and which calls the clients were told of."""
        if choose.random() < 0.1:
            await house.kill_while_starting(choose.uniform(0.2, 1.6))
            self.while_starting += 1
            self.kills += 1
        await self._start(house, bill, told)
        crowd = Crowd(house.server.url, house.tokens, choose)
        clients = crowd.come(CLIENTS)
        await _until(lambda: crowd.sent >= CLIENTS, 60)
        answers = choose.randrange(2 * CLIENTS)
        await _until(lambda: crowd.answered >= answers, 1)  # whichever comes first: some rounds are of slow answers
        kept = choose.choice(KEPT)
        await _until(lambda: house.texts_kept() >= kept, 5)
        await asyncio.sleep(choose.uniform(0, 0.5))
        if house.workers > 1 and choose.random() < 0.4:
            await house.kill_worker(choose.randrange(house.workers))
            self.workers_killed += 1
            self.kills += 1
            await asyncio.sleep(choose.uniform(0, 0.3))
        await house.kill()
        self.kills += 1
        crowd.over = True
        async with asyncio.timeout(60):
            await asyncio.gather(*clients)
        self.statuses += crowd.statuses
        rows = await house.simulator.rows(30)
        assert all(row["outcome"] != "running" for row in rows.values())
        await house.simulator.clear()
        return rows, crowd.told


async def _until(holds: Callable[[], bool], seconds: float) -> None:
    """Waits at most so long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while not holds():
                await asyncio.sleep(0.005)


def _check_log(house: House) -> None:
    lines = [json.loads(line) for line in house.server.log.read_text().splitlines() if line.startswith("{")]
    wrong = [line for line in lines if line["level"] not in ("debug", "info") and not _is_expected(line)]
    assert wrong == [], wrong[:5]


def _is_expected(line: dict[str, Any]) -> bool:
    if line["event"] == "request":  # an upstream that refuses or breaks off is no error of ours
        return line["status"] in (502, 503, 504)
    return any(said in line["event"] for said in EXPECTED)


async def kill_again_and_again(folder: Path, rounds: int, seed: str, postgres: Postgres) -> tuple[list[Lane], Found]:
    """The rounds are shared out among the lanes."""
    found = Found()
    lanes = [Lane(folder, number, seed, postgres, found) for number in range(min(LANES, rounds))]
    shares = [rounds // len(lanes) + (lane.number < rounds % len(lanes)) for lane in lanes]
    tasks = [asyncio.create_task(lane.run(share)) for lane, share in zip(lanes, shares, strict=True)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return lanes, found


def report(lanes: list[Lane], found: Found, seconds: float) -> str:
    kills = sum(lane.kills for lane in lanes)
    statuses = sum((lane.statuses for lane in lanes), Counter())
    lost = found.lost_seconds or [0.0]
    return (
        f"{kills} kills ({sum(lane.while_starting for lane in lanes)} of them while starting, "
        f"{sum(lane.workers_killed for lane in lanes)} of a worker) in {seconds:.0f} s. "
        f"{found.calls} calls: {found.reported} reported, {found.interrupted} interrupted, {found.kept} of those with "
        f"their kept text, {found.unseen} before the upstream heard of them. "
        f"Lost of an interrupted stream: median {statistics.median(lost):.2f} s, most {max(lost):.2f} s. "
        f"Answers by status: {dict(sorted(statuses.items()))}. Ledger = bill."
    )
