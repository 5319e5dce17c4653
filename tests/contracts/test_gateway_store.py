"""The gateway while its database is away: a full disk, another's lock, a PostgreSQL that is restarted under load.

Nothing goes upstream that could not be written down first, and what went is settled once the database is back.
"""

import asyncio
import random
import sqlite3
from contextlib import asynccontextmanager, closing

import pytest

from support import books
from support.gate import chat, gate_open
from support.gateway_requests import REQUESTS
from support.postgres import Postgres
from support.small_disk import fill

CLIENTS = 40


def errors_of_ours(answers):
    """The codes of the 5xx of ours."""
    return {answer.json()["error"]["code"] for answer in answers if answer.status >= 500}


@pytest.fixture(scope="module")
def server():
    postgres = Postgres()
    postgres.start()
    yield postgres
    postgres.stop()


@asynccontextmanager
async def crowded(gate):
    """Many clients ask for anything all the while; gives their answers so far."""
    choose, answers, running = random.Random(7), [], True

    async def client():
        while running:
            request = choose.choice(REQUESTS)
            answers.append(await gate.call(request.path, request.body, **request.headers))

    clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
    yield answers
    running = False
    await asyncio.gather(*clients)


async def until_there_are(answers, status, count):
    """So many more with this status."""
    before = len(answers)
    async with asyncio.timeout(60):
        while sum(answer.status == status for answer in answers[before:]) < count:
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_postgresql_is_restarted_under_load(tmp_path, server):
    if server._again is None:
        pytest.skip("the server that TALKMETER_TEST_POSTGRES_URL names is not ours to restart")
    url = server.create()
    async with gate_open(tmp_path, database_url=url) as gate:
        async with crowded(gate) as answers:
            for _ in range(2):
                await until_there_are(answers, 200, CLIENTS)
                await asyncio.to_thread(server.down)
                await until_there_are(answers, 503, 1)
                await asyncio.to_thread(server.up)
        assert {answer.status for answer in answers} <= {200, 503}
        assert errors_of_ours(answers) <= {"store_error", "store_busy"}
        ledger = await gate.check_books(unknown=True, unseen=True)
        assert len(ledger) >= 2 * CLIENTS
        assert (await gate.call("chat/completions", chat())).status == 200


async def test_another_process_holds_the_database(tmp_path):
    async with gate_open(tmp_path) as gate:
        assert (await gate.call("chat/completions", chat())).status == 200
        gate.wire.forget()
        gate.simulator.script({"gate": True})
        with closing(sqlite3.connect(gate.data_dir / "talkmeter.db", isolation_level=None)) as other:
            running = await gate.open("chat/completions", chat(stream=True))
            await gate.simulator.step(1)
            await running.head()
            gate.wire.forget()
            other.execute("BEGIN IMMEDIATE")
            ending = asyncio.create_task(gate.simulator.step(1000))
            answer = await gate.call("chat/completions", chat())
            assert answer.status == 503
            assert answer.json()["error"]["code"] == "store_busy"
            await ending
            assert (await running.rest()).ended == "complete", "who is being answered notices nothing"
            assert gate.wire.sent == b"", "nothing goes out that is not written down"
            other.execute("ROLLBACK")
        await running.close()
        await gate.check_books()


async def test_a_full_disk(small_disk):
    """Nothing is sent; what is under way is settled on the room kept for it, and with new room all is well."""
    async with gate_open(small_disk) as gate:
        gate.simulator.script({"gate": True})
        running = await gate.open("chat/completions", chat(stream=True))
        await gate.simulator.step(1)
        await running.head()
        fill(small_disk / "filler")
        wordy = chat(metadata={"k": "v" * 10_000})  # kept on the ledger, so it takes room there
        sent = 1
        async with asyncio.timeout(60):
            while (answer := await gate.call("chat/completions", wordy)).status != 507:
                assert answer.status in (200, 400), answer.body
                sent += 1
        assert answer.json()["error"]["code"] == "store_full"
        assert len(gate.simulator.bill.rows) == sent, "what could not be written down was not sent"
        await gate.simulator.step(1000)
        assert (await running.rest()).ended == "complete"
        await running.close()
        await gate.check_books()
        (small_disk / "filler").unlink()
        async with asyncio.timeout(30):
            while (answer := await gate.call("chat/completions", chat())).status == 507:
                await asyncio.sleep(0.05)
        assert answer.status == 200
        await gate.check_books()


async def test_the_disk_fills_up_under_load(small_disk, tmp_path):
    """Again and again: what was sent is settled with the bill's figures, and with new room all is well."""
    async with gate_open(tmp_path, data_dir=small_disk / "data") as gate:
        await gate.budget("1000000 tokens", hard=False)
        async with crowded(gate) as answers:
            for _ in range(3):
                await until_there_are(answers, 200, CLIENTS)
                fill(small_disk / "filler")
                await until_there_are(answers, 507, CLIENTS)
                (small_disk / "filler").unlink()
            await until_there_are(answers, 200, CLIENTS)
        assert {answer.status for answer in answers} == {200, 507}
        assert errors_of_ours(answers) == {"store_full"}
        ledger = await gate.check_books(unknown=True, unseen=True)
        assert len(ledger) >= 4 * CLIENTS
        ((_, reserved),) = gate.counters()
        assert reserved == 0
        with books.reading(gate.data_dir) as left:
            books.check_sound(left)
            assert books.check_budgets(left) == 1
