"""A hundred calls race for a budget for ten: in one process and in four, on SQLite and on PostgreSQL.

TALKMETER_RACES rounds (3 by default).
"""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from support.store_values import a_settlement, an_opening
from talkmeter.errors import Conflict
from talkmeter.ids import new_id
from talkmeter.metering.budget_making import new_budget
from talkmeter.metering.budget_store import AddBudget, DeleteBudget, RateItem, Reserve, ReserveItem, TakeRates
from talkmeter.metering.cost import Cost
from talkmeter.metering.reservations import release, reservations_text

ROUNDS = int(os.environ.get("TALKMETER_RACES", "3"))
TESTS = Path(__file__).resolve().parents[1]
RACERS, PLACES, PRICE = 100, 10, 7_000

# Each process says when it is ready, starts at a line of input, and says how many of its calls were opened.
PROCESS = """
import asyncio, json, sys
sys.path[:0] = [sys.argv[3], sys.argv[4]]
from store.test_races import race
from talkmeter.metering.budget_store import Budget
from talkmeter.store import open_store

async def main():
    store = await open_store(sys.argv[1], ballast=4096, busy_timeout=60)
    print("ready", flush=True)
    while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
        told = json.loads(line)
        budgets = [Budget(**each) for each in told["budgets"]]
        print(len(await race(store, budgets, told["racers"])), flush=True)
    await store.close()

asyncio.run(main())
"""


async def race(store, budgets, racers):
    """The ids of the calls that were opened."""

    async def one(number):
        items = [ReserveItem(each.id, 0, each.amount, PRICE, "picodollars") for each in budgets]
        if number % 2:  # as if they had been asked for in another order
            items.reverse()
        reserve = Reserve(new_id("call"), tuple(items))
        opening = an_opening(id=reserve.entry_id, reservations=reservations_text(reserve))
        try:
            await store.commit(reserve, opening)
        except Conflict as conflict:
            if conflict.code != "budget_exhausted":
                raise
            return None
        return opening

    return [opening for opening in await asyncio.gather(*map(one, range(racers))) if opening is not None]


async def two_budgets(store):
    """The first for ten calls, the second for more."""
    made = [
        new_budget(name=new_id("budget"), amount=f"$0.{PRICE * places:012}", period="total") for places in (PLACES, 99)
    ]
    await store.commit(*(AddBudget(budget) for budget in made))
    return made


async def reserved(store, budgets):
    counted = await store.counted({budget.id: 0 for budget in budgets})
    return [counted[budget.id].reserved for budget in budgets]


async def settle_all(store):
    """Half of them come to less, half to nothing."""
    opened = [entry.opening for entry in await store.open_entries()]
    for number, opening in enumerate(opened):
        settlement = a_settlement(opening, cost=Cost(5_000 * (number % 2)))
        await store.commit(settlement, *release(opening, settlement))
    return sum(5_000 * (number % 2) for number in range(len(opened)))


async def test_in_one_process(store):
    for _ in range(ROUNDS):
        budgets = await two_budgets(store)
        opened = await race(store, budgets, RACERS)
        assert len(opened) == len(await store.open_entries()) == PLACES
        assert await reserved(store, budgets) == [PLACES * PRICE] * 2
        spent = await settle_all(store)
        for counted in (await store.counted({budget.id: 0 for budget in budgets})).values():
            assert (counted.spent, counted.reserved) == (spent, 0)
        again = await race(store, budgets, RACERS)  # what came back can be spent, and no more
        assert len(again) == (PLACES * PRICE - spent) // PRICE
        await settle_all(store)
        await store.commit(*(DeleteBudget(budget.id) for budget in budgets))


@pytest.mark.parametrize("processes", [4])
async def test_in_several_processes(store, url, processes):
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, url, "", str(TESTS), str(TESTS.parent / "src"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(processes)
    ]  # fmt: skip
    try:
        assert [(await each.stdout.readline()).strip() for each in running] == [b"ready"] * processes
        for _ in range(ROUNDS):
            budgets = await two_budgets(store)
            fields = [{name: getattr(each, name) for name in each.__struct_fields__} for each in budgets]
            line = json.dumps({"budgets": fields, "racers": RACERS // processes}).encode() + b"\n"
            for each in running:
                each.stdin.write(line)
            opened = [int(await each.stdout.readline()) for each in running]
            assert sum(opened) == len(await store.open_entries()) == PLACES
            assert await reserved(store, budgets) == [PLACES * PRICE] * 2
            await settle_all(store)
    finally:
        for each in running:
            each.stdin.close()
            await each.wait()
    assert [each.returncode for each in running] == [0] * processes


async def test_for_a_rate_limit(store):
    for number in range(ROUNDS):
        take = TakeRates((RateItem(f"key_{number}:requests", "requests", PLACES, 1),), 1)
        outcomes = await asyncio.gather(
            *(store.commit(take, an_opening()) for _ in range(RACERS)), return_exceptions=True
        )
        assert sum(isinstance(outcome, tuple) for outcome in outcomes) == PLACES
