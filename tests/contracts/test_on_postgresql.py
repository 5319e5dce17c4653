"""The contract on PostgreSQL: the same parts on the other database, with the faults that end a call differently."""

import asyncio

import psycopg
import pytest

from support.postgres import Postgres
from support.workspace import ME, workspace
from talkmeter.accounts.principals import LOCAL_PRINCIPAL
from talkmeter.conversation.changes import DeleteRoom
from talkmeter.errors import BadInput, StoreError


@pytest.fixture(scope="module")
def server():
    postgres = Postgres()
    postgres.start()
    yield postgres
    postgres.stop()


@pytest.fixture
def database(server):
    url = server.create()
    yield url
    server.drop(url)


async def sums_are_equal(desk):
    assert await desk.simulator.settled()
    assert list(await desk.store.open_entries()) == []
    totals = [await desk.rooms.totals(room.id) for room in (await desk.rooms.page(ME)).rooms]
    bill = desk.simulator.bill.totals()
    assert sum(t.calls for t in totals) == bill["requests"]
    assert sum(t.prompt_tokens for t in totals) == bill["prompt_tokens"]
    assert sum(t.completion_tokens for t in totals) == bill["completion_tokens"]


@pytest.mark.parametrize(
    "model", ["sim-fast", "sim-reasoning", "sim-fault-cut-400", "sim-fault-429", "sim-fault-no-usage"]
)
async def test_every_end_of_a_call(tmp_path, database, model):
    async with workspace(tmp_path, database=database) as desk:
        asked, answer, kind = await desk.answer("안녕하세요\0", model=model)
        assert kind == ("failed" if model in ("sim-fault-cut-400", "sim-fault-429") else "finished")
        receipt = await desk.receipts.receipt(ME, answer.entry.opening.id)
        if kind == "finished":
            assert sum(line.tokens for line in receipt.lines) == answer.entry.settlement.usage.prompt_tokens
        await desk.answer("그리고?", asked.room.id)
        await sums_are_equal(desk)


async def test_an_id_that_no_database_can_hold_is_the_askers_to_put_right(tmp_path, database):
    async with workspace(tmp_path, database=database) as desk:
        talks, me, odd = desk.talks, LOCAL_PRINCIPAL, "a\0b"
        for asking in (
            talks.history(me, odd),
            talks.delete(me, odd),
            talks.standing(me, odd),
            talks.result(me, odd),
            talks.stop(me, odd),
            talks.rooms(me, f"0.1.{odd}"),
            desk.store.entry_of_answer(odd),
            desk.store.entry_of_answer("\ud800"),
        ):
            with pytest.raises(BadInput) as refused:
                await asking
            assert refused.value.status == 400


async def test_nobody_is_told_where_the_database_is(tmp_path, server, caplog):
    url = server.create()
    async with workspace(tmp_path, database=url) as desk:
        with psycopg.connect(url) as other:
            other.execute("ALTER TABLE rooms RENAME TO gone")
        with pytest.raises(StoreError) as read:
            await desk.talks.history(LOCAL_PRINCIPAL, "trip")
        with pytest.raises(StoreError) as written:
            await desk.store.commit(DeleteRoom("room_1"))
        with psycopg.connect(url) as other:
            other.execute("ALTER TABLE gone RENAME TO rooms")
            (user, port) = (other.info.user, str(other.info.port))
        for error in (read.value, written.value):
            assert "PostgreSQL refused a statement (SQLSTATE 42P01)" in error.message
            told = f"{error.message} {error.message_ko} {error.hint}"
            assert not any(word in told for word in (user, port, "://", "rooms"))
        assert any("rooms" in getattr(line, "reason", "") for line in caplog.records), "the log has the driver's words"
    server.drop(url)


async def test_many_rooms_at_once(tmp_path, database):
    async with workspace(tmp_path, database=database) as desk:
        results = await asyncio.gather(*(desk.answer(f"say: {number}") for number in range(40)))
        assert {kind for _, _, kind in results} == {"finished"}
        await sums_are_equal(desk)


async def test_what_a_dead_process_left_is_settled_at_the_start(tmp_path, database):
    async with workspace(tmp_path, database=database) as first:
        first.simulator.script({"gate": True})
        asked = await first.ask("long 2000")
        await first.simulator.step(60)
        while not await first.store.run_events(asked.run_id, 0):
            await asyncio.sleep(0.05)
        first.runs._closing = True
        task = first.runs._live[asked.run_id].task
        task.cancel()
        await asyncio.wait([task])
        async with workspace(tmp_path, simulator=first.simulator, database=database) as second:
            answer = await second.rooms.message_view(ME, asked.answer.message.id)
            assert (answer.message.status, answer.entry.settlement.outcome) == ("interrupted", "interrupted")
            assert answer.message.text
            assert list(await second.store.open_entries()) == []
