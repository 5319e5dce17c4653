"""Several workers on PostgreSQL: hundreds of streams at once, clients that go at every point, and the database restarted
under load. The ledger is the simulator's bill each time.
"""

import asyncio
import hashlib
import random
from contextlib import asynccontextmanager

import psycopg
import pytest

from support import books
from support.after_a_kill import check_rest
from support.crowd import Crowd
from support.gateway_requests import STREAMED
from support.houses import House
from support.postgres import Postgres
from support.processes import NotStarted, start_server, start_simulator
from support.raw_http import RawConnection

STREAMS = 300
WORKERS = 3
CONNECTIONS_OF_A_PROCESS = 8  # readers, at most; beside them there is the one writer, and what keeps other servers off
CLIENTS = 60
LOCKED = (
    "SELECT count(*) AS locks FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def house_on(postgres, folder, workers=WORKERS):
    """A gateway that runs, furnished, with its upstream."""
    simulator = start_simulator(folder / "bill.jsonl")
    house = House(folder / "house" / "data", simulator, postgres.create(), workers)
    house.data_dir.parent.mkdir()
    try:
        await house.furnish()
        await house.start()
        yield house
    finally:
        house.leave()
        simulator.stop()
        postgres.drop(house.url)


async def settled(house, count):
    """Once there are so many entries since the last look, and none is open."""
    async with asyncio.timeout(60):
        while True:
            (row,) = house.rows(
                "SELECT count(*) AS entries, sum(CASE WHEN state = 'open' THEN 1 ELSE 0 END) AS open "
                f"FROM ledger_entries WHERE position > {house.position}"
            )
            if row["entries"] >= count and not row["open"]:
                return
            await asyncio.sleep(0.02)


async def ask(house, request, key):
    connection = await RawConnection.open(house.server.url)
    headers = {"Content-Type": request.kind, "Authorization": f"Bearer {house.tokens[key]}"}
    await connection.send("POST", f"/v1/{request.path}", request.body, headers)
    return connection


async def test_hundreds_of_streams_at_once(tmp_path, postgres):
    """All are open at the same time, and the database is asked for no more connections than a few for each process."""
    async with house_on(postgres, tmp_path) as house:
        await house.simulator.script({"gate": True, "times": STREAMS})
        request = STREAMED[0]
        connections = await asyncio.gather(*(ask(house, request, "drain") for _ in range(STREAMS)))
        heads = await asyncio.gather(*(connection.head() for connection in connections))
        assert {head.status for head in heads} == {200}
        assert len(house.rows("SELECT id FROM ledger_entries WHERE state = 'open'")) == STREAMS
        with psycopg.connect(house.url) as connection:
            statement = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            (used,) = connection.execute(statement).fetchone()
        assert used <= (WORKERS + 1) * CONNECTIONS_OF_A_PROCESS + 2
        await house.simulator.step(1000, wait=60)
        answers = await asyncio.gather(*(connection.rest() for connection in connections))
        assert {answer.ended for answer in answers} == {"complete"}
        for connection in connections:
            await connection.close()
        await settled(house, STREAMS)
        ledger, bill = house.new_entries(), await house.simulator.rows()
        books.check_equal(ledger, bill)
        check_rest(house, ledger)


async def events_of(house, request):
    """How many events its answer has."""
    await house.simulator.script({"gate": True})
    connection = await ask(house, request, "drain")
    count = 1
    while not (await house.simulator.step(1))[0]["ended"]:
        count += 1
    await connection.rest()
    await connection.close()
    return count


async def leave_after(house, request, key, steps):
    """Asks, and goes once the upstream has written so many events. Returns once nothing runs upstream any more."""
    await house.simulator.script({"gate": True})
    connection = await ask(house, request, key)
    (released,) = await house.simulator.step(steps, wait=60)
    if steps:
        await connection.head()
    connection.abort()
    if key == "drain" and not released["ended"]:
        await house.simulator.step(1000)
    bill = await house.simulator.bill(60)
    assert {row["outcome"] for row in bill["requests"]} <= {"finished", "client_left"}


@pytest.mark.slow
async def test_clients_go_at_every_point_of_every_stream(tmp_path, postgres):
    """With drain the figures are the provider's own; with cut what had been written, or at most that."""
    async with house_on(postgres, tmp_path) as house:
        for request in STREAMED:
            events = await events_of(house, request)
            await settled(house, 1)
            check_rest(house, house.new_entries())
            await house.simulator.clear()
            for key in ("drain", "cut"):
                for steps in (0, 1, events // 2, events):
                    await leave_after(house, request, key, steps)
                await settled(house, 4)
                ledger, bill = house.new_entries(), await house.simulator.rows()
                assert len(ledger) == 4
                books.check_billed(ledger, bill, unknown=key == "cut", at_most=key == "cut")
                if key == "drain":
                    found = {(entry["outcome"], entry["provenance"]) for entry in ledger.values()}
                    assert found <= {("finished", "reported"), ("finished", "drained")}, request.name
                check_rest(house, ledger)
                await house.simulator.clear()


@pytest.mark.slow
async def test_the_database_is_restarted_under_load(tmp_path, postgres):
    """What could not be written down was not sent, what was sent is settled later, and no other server gets in."""
    if postgres._again is None:
        pytest.skip("the server that TALKMETER_TEST_POSTGRES_URL names is not ours to restart")
    async with house_on(postgres, tmp_path) as house:
        crowd = Crowd(house.server.url, house.tokens, random.Random(7))
        clients = crowd.come(CLIENTS)
        for _ in range(2):
            before = crowd.statuses[200]
            await until(lambda before=before: crowd.statuses[200] >= before + CLIENTS)
            await asyncio.to_thread(postgres.down)
            ours = crowd.statuses[503]
            await until(lambda ours=ours: crowd.statuses[503] >= ours + 10)
            await asyncio.to_thread(postgres.up)
        before = crowd.statuses[200]
        await until(lambda: crowd.statuses[200] >= before + CLIENTS)
        crowd.over = True
        for client in clients:
            client.cancel()  # some wait for an answer that never comes
        await asyncio.wait(clients)
        assert set(crowd.statuses) <= {200, 429, 502, 503, 504}
        bill = await house.simulator.rows(60)
        await settled(house, len(bill))
        ledger = house.new_entries()
        books.check_billed(ledger, bill, unknown=True, at_most=True, unseen=True)
        assert crowd.told <= set(ledger)
        check_rest(house, ledger)
        await until(lambda: house.rows(LOCKED)[0]["locks"])
        with pytest.raises(NotStarted) as refused:
            await asyncio.to_thread(
                start_server, tmp_path / "other", house.simulator.url, TALKMETER_DATABASE_URL=house.url
            )
        assert "Another Talkmeter process is using" in refused.value.text
        assert await asyncio.to_thread(house.server.terminate) == 0


async def until(holds):
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.02)


async def test_a_server_whose_database_another_one_has_taken_ends(tmp_path, postgres):
    """A restarted PostgreSQL forgets who had it. Who comes second must not go on beside the first."""
    async with house_on(postgres, tmp_path, workers=1) as house:
        with psycopg.connect(house.url, autocommit=True) as other:
            await until(lambda: taken_by(other))
            assert await asyncio.to_thread(house.server.wait) == 0
        assert "database_taken_by_another_server" in house.server.log.read_text()


def taken_by(connection):
    """Ends the connection that holds the server's lock, and tries to be the first to have it then."""
    held = "FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    connection.execute(f"SELECT pg_terminate_backend(pid) {held} AND pid <> pg_backend_pid()")
    number = int.from_bytes(hashlib.sha256(b"talkmeter server").digest()[:8], signed=True)
    (got,) = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
    return got
