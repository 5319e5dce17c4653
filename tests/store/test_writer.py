"""The writer: all or nothing, in groups, for any number of tasks, whoever stops waiting."""

import asyncio
import sqlite3
from contextlib import closing

import pytest
from msgspec import Struct

from support.held_writer import HeldWriter
from support.store_values import UNPRICED, a_message, a_room, a_settlement, an_opening
from talkmeter.accounts.store import SaveSettings
from talkmeter.conversation.changes import AddMessage, AddRoom, ChangeRoom, DeleteRoom
from talkmeter.errors import Conflict, StoreError
from talkmeter.metering.usage import Usage
from talkmeter.store import open_store


async def test_a_commit_is_applied_whole_or_not_at_all(store):
    opening = an_opening()
    with pytest.raises(Conflict):
        await store.commit(SaveSettings({"a": 1}), opening, a_settlement(opening), a_settlement(opening))
    assert await store.settings() == {}
    assert await store.entry(opening.id) is None


async def test_changes_are_applied_in_the_order_given(store):
    room = a_room()
    await store.commit(AddRoom(room), ChangeRoom(id=room.id, title="2"), ChangeRoom(id=room.id, title="3"))
    assert (await store.room(room.id, room.principal)).title == "3"
    with pytest.raises(Conflict):
        await store.commit(DeleteRoom(room.id), ChangeRoom(id=room.id, title="4"))
    assert (await store.room(room.id, room.principal)).title == "3"


async def test_a_read_after_a_commit_sees_it_under_100_tasks(store):
    async def one(number):
        opening = an_opening(room_id=f"room_{number % 7}")
        await store.commit(opening)
        assert (await store.entry(opening.id)).settlement is None
        await store.commit(a_settlement(opening))
        assert (await store.entry(opening.id)).settlement is not None

    await asyncio.gather(*(one(number) for number in range(100)))
    assert sum([(await store.totals(f"room_{number}")).calls for number in range(7)]) == 100
    assert await store.open_entries() == []


async def test_nothing_to_commit_is_nothing(store):
    before = store.written
    await store.commit()
    assert store.written == before


async def test_what_waits_together_is_made_durable_together(store):
    before = store.written
    async with HeldWriter(store):
        commits = [asyncio.ensure_future(store.commit(an_opening())) for _ in range(200)]
        await asyncio.sleep(0)
        assert store.written.waiting == 200
    await asyncio.gather(*commits)
    assert store.written.commits - before.commits == 201
    assert store.written.transactions - before.transactions == 2
    assert store.written.waiting == 0
    assert len(await store.open_entries()) == 200


async def test_a_lone_commit_is_one_transaction_of_three_statements(sqlite):
    seen = []
    sqlite._writer._connection.set_trace_callback(seen.append)
    await sqlite.commit(an_opening())
    assert [text.split(" ")[0] for text in seen] == ["BEGIN", "INSERT", "COMMIT"]


async def test_a_group_has_one_commit_and_a_savepoint_for_each(sqlite):
    seen = []
    sqlite._writer._connection.set_trace_callback(seen.append)
    async with HeldWriter(sqlite):
        commits = [asyncio.ensure_future(sqlite.commit(AddRoom(a_room()))) for _ in range(3)]
        await asyncio.sleep(0)
    await asyncio.gather(*commits)
    one = ["SAVEPOINT", "INSERT", "RELEASE"]
    group = [text.split(" ")[0] for text in seen][-11:]
    assert group == ["BEGIN", *one, *one, *one, "COMMIT"]


async def test_openings_come_first_and_settlements_last_each_kind_at_once(store):
    """What a settlement needs is there, in whatever order a group is applied, and one that fails harms no other."""
    old, twice = an_opening(), an_opening()
    await store.commit(old, twice)
    openings = [an_opening() for _ in range(3)]
    failed = []
    async with HeldWriter(store):
        store.submit_quietly((a_settlement(old),), failed.append)
        store.submit_quietly((a_settlement(twice),), failed.append)
        store.submit_quietly((a_settlement(twice, outcome="stopped"),), failed.append)
        commits = [asyncio.ensure_future(store.commit(each)) for each in (*openings, old)]
        counted = asyncio.ensure_future(store.commit(a_settlement(openings[0], outcome="failed")))
        await asyncio.sleep(0)
    outcomes = await asyncio.gather(*commits, counted, return_exceptions=True)
    assert [getattr(each, "code", each) for each in outcomes] == [(), (), (), "entry_exists", ()]
    assert [each.code for each in failed] == ["already_settled"]
    assert [each.opening for each in await store.open_entries()] == openings[1:]
    assert (await store.entry(twice.id)).settlement.outcome == "finished"
    assert (await store.entry(openings[0].id)).settlement.outcome == "failed"


async def test_settlements_at_once_keep_every_field(store):
    openings = [an_opening(key_id=f"key_{n}", billing="seconds") for n in range(3)]
    await store.commit(*openings)
    settled = [
        a_settlement(openings[0], usage=None, cost=UNPRICED, error={"code": "x", "message": "비용"}, raw_usage=None),
        a_settlement(openings[1], upstream_id="resp_1", service_tier="flex", http_status=200),
        a_settlement(openings[2], usage=Usage(seconds=3), problem="odd"),
    ]
    async with HeldWriter(store):
        for each in settled:
            store.submit_quietly((each,), pytest.fail)
        last = asyncio.ensure_future(store.commit(AddRoom(a_room())))
        await asyncio.sleep(0)
    await last
    for opening, each in zip(openings, settled, strict=True):
        entry = await store.entry(opening.id)
        assert (entry.opening, entry.settlement) == (opening, each)


async def test_what_nobody_waits_for_is_written_all_the_same(store):
    opening = an_opening()
    await store.commit(opening)
    store.submit_quietly((a_settlement(opening),), pytest.fail)
    await store.close()
    assert store.written.waiting == 0


async def test_a_refused_commit_touches_no_other_in_its_group(store):
    room = a_room()
    await store.commit(AddRoom(room))
    opening = an_opening()
    async with HeldWriter(store):
        commits = [
            store.commit(opening),
            store.commit(SaveSettings({"half": 1}), AddMessage(a_message(a_room()))),  # no such room
            store.commit(a_settlement(opening)),
            store.commit(SaveSettings({"other half": 1}), opening),  # exists already
            store.commit(a_settlement(opening)),  # settled already
            store.commit(AddMessage(a_message(room))),
        ]
        waiting = asyncio.gather(*commits, return_exceptions=True)
        await asyncio.sleep(0)
        before = store.written
    outcomes = await waiting
    codes = [outcome and outcome.code for outcome in outcomes]
    assert codes == [(), "room_gone", (), "entry_exists", "already_settled", ()]
    assert await store.settings() == {"first": 1}
    assert (await store.room(room.id, room.principal)).message_count == 1
    assert store.written.commits - before.commits == 4
    assert store.written.transactions - before.transactions == 2


async def test_a_group_that_is_refused_throughout_commits_nothing(store):
    async with HeldWriter(store):
        waiting = asyncio.gather(*(store.commit(a_settlement(an_opening())) for _ in range(5)), return_exceptions=True)
        await asyncio.sleep(0)
    outcomes = await waiting
    assert [each.code for each in outcomes] == ["no_such_entry"] * 5
    assert store.written.transactions == 1  # of the one that was held


async def test_a_programming_error_reaches_its_committer_alone(store):
    wrong = ChangeRoom(id=a_room().id, title=object())
    async with HeldWriter(store):
        waiting = asyncio.gather(store.commit(wrong), store.commit(SaveSettings({"a": 1})), return_exceptions=True)
        await asyncio.sleep(0)
    outcomes = await waiting
    assert isinstance(outcomes[0], Exception)
    assert outcomes[1] == ()
    with pytest.raises(StoreError):
        await store.commit(wrong)
    await store.commit(SaveSettings({"b": 2}))
    assert await store.settings() == {"first": 1, "a": 1, "b": 2}


async def test_a_cancelled_commit_is_applied_all_the_same(store):
    opening = an_opening()
    async with HeldWriter(store):
        task = asyncio.ensure_future(store.commit(SaveSettings({"a": 1}), opening))
        other = asyncio.ensure_future(store.commit(SaveSettings({"b": 2})))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await other
    assert await store.settings() == {"first": 1, "a": 1, "b": 2}
    assert await store.entry(opening.id) is not None


async def test_close_writes_what_was_submitted(url):
    store = await open_store(url)
    openings = [an_opening() for _ in range(50)]
    commits = [asyncio.ensure_future(store.commit(each)) for each in openings]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*commits)
    again = await open_store(url)
    assert [each.opening for each in await again.open_entries()] == openings
    await again.close()


async def test_a_closed_store_says_so(store):
    await store.close()
    await store.close()
    for use in (store.commit(an_opening()), store.settings(), store.check()):
        with pytest.raises(StoreError) as refused:
            await use
        assert refused.value.code == "store_closed"


async def test_an_unknown_change_is_a_mistake_of_the_caller(store):
    class Surprise(Struct):
        pass

    with pytest.raises(TypeError, match="Surprise"):
        await store.commit(SaveSettings({"a": 1}), Surprise())
    assert await store.settings() == {}


def test_a_store_serves_several_event_loops(sqlite_path):
    async def use(store):
        await asyncio.gather(*(store.commit(an_opening()) for _ in range(10)))
        return len(await store.open_entries())

    with asyncio.Runner() as first, asyncio.Runner() as second:
        store = first.run(open_store(sqlite_path))
        assert [first.run(use(store)), second.run(use(store)), first.run(use(store))] == [10, 20, 30]
        first.run(store.close())


def test_a_loop_that_ends_before_its_commit_loses_only_the_answer(sqlite_path):
    async def submit(store):
        store._writer.submit((an_opening(),))

    with asyncio.Runner() as outer:
        store = outer.run(open_store(sqlite_path))
        with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            asyncio.run(submit(store))
            other.execute("ROLLBACK")
        outer.run(store.commit(an_opening()))
        assert len(outer.run(store.open_entries())) == 2
        outer.run(store.close())


async def test_every_change_that_the_core_declares_can_be_applied():
    from talkmeter.accounts import routes
    from talkmeter.accounts import store as accounts
    from talkmeter.conversation import changes
    from talkmeter.metering import budget_store, ledger, pricebook_store
    from talkmeter.store.store import APPLY

    values = {"ProviderAccount", "OwnTimeouts", "SealedKey", "Session", "User", "Credentials", "ApiKey", "StoredKey"}
    values |= {"LedgerEntry", "Totals", "ModelRoute", "RouteTarget", "Way"}
    values |= {"Budget", "Counted", "BudgetsReserved", "RateStanding", "RatesTaken"}
    values |= {"ReserveItem", "SettleItem", "RateItem"}
    declared = {
        each
        for module in (accounts, routes, changes, budget_store, ledger, pricebook_store)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Struct) and each.__module__ == module.__name__
    }
    assert {each for each in declared if each.__name__ not in values} == set(APPLY)


async def test_a_group_has_a_limit(store):
    """One transaction does not grow without end, so nobody waits for thousands of others."""
    before = store.written
    async with HeldWriter(store):
        commits = [asyncio.ensure_future(store.commit(an_opening())) for _ in range(1_100)]
        await asyncio.sleep(0)
    await asyncio.gather(*commits)
    assert store.written.transactions - before.transactions == 1 + 3  # 512 + 512 + 76
    assert len(await store.open_entries()) == 1_100
