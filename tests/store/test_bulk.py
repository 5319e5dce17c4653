"""Openings and settlements by the thousand: whatever they fill in, in their order, by few statements."""

import asyncio
import itertools

import pytest

from support.held_writer import HeldWriter
from support.store_values import a_message, a_room, a_settlement, an_opening
from talkmeter.conversation.changes import AddMessage, AddRoom
from talkmeter.errors import Conflict
from talkmeter.metering.budget_store import AdjustRate, RateItem, TakeRates
from talkmeter.metering.usage import Usage
from talkmeter.store import bulk
from talkmeter.store.apply_ledger import BULK

FILLED = (
    {"end_user": "somebody"},
    {"tags": '["a"]', "metadata": '{"b":"c"}'},
    {"room_id": "room_1", "run_id": "run_1", "question_id": "msg_1", "answer_id": "msg_2"},
    {"window": 3, "max_output_tokens": 4, "worst_case_picodollars": 5, "billing": "images"},
    {"preflight_tokens": None, "preflight_quality": None, "preflight_encoding": None, "preflight_lines": None},
    {},
)
CAME = (
    {"usage": None, "error": {"code": "x", "message": "오류"}, "outcome": "failed", "raw_usage": None},
    {"usage": Usage(seconds=3), "upstream_id": "resp_1"},
    {"usage": Usage(prompt_tokens=0, completion_tokens=0)},
    {"problem": "odd", "service_tier": "flex"},
    {},
)


async def together(store, commits):
    async with HeldWriter(store):
        waiting = [asyncio.ensure_future(store.commit(*changes)) for changes in commits]
        await asyncio.sleep(0)
    return await asyncio.gather(*waiting, return_exceptions=True)


def of_all_shapes():
    return [(an_opening(**one), come) for one, come in itertools.product(FILLED, CAME)]


async def test_all_that_is_filled_in_is_kept_in_the_order_of_the_commits(store):
    calls = of_all_shapes()
    assert await together(store, [(opening,) for opening, _ in calls]) == [()] * len(calls)
    assert [entry.opening for entry in await store.open_entries()] == [opening for opening, _ in calls]
    settled = [a_settlement(opening, **come) for opening, come in calls]
    assert await together(store, [(each,) for each in settled]) == [()] * len(calls)
    for (opening, _), settlement in zip(calls, settled, strict=True):
        entry = await store.entry(opening.id)
        assert (entry.opening, entry.settlement) == (opening, settlement)


async def test_a_lone_one_of_every_shape_is_kept_too(store):
    for opening, come in of_all_shapes():
        await store.commit(opening)
        settlement = a_settlement(opening, **come)
        await store.commit(settlement)
        entry = await store.entry(opening.id)
        assert (entry.opening, entry.settlement) == (opening, settlement)


async def test_there_is_an_end_to_the_statements_that_are_kept(store, monkeypatch):
    """Who calls decides what is filled in: beyond some shapes there is one statement for all."""
    monkeypatch.setattr(bulk, "_MOST_SHAPES", 2)
    for kind in BULK.values():
        monkeypatch.setattr(kind, "_shapes", {})
    await test_all_that_is_filled_in_is_kept_in_the_order_of_the_commits(store)
    assert [len(kind._shapes) for kind in BULK.values()] == [3, 3]


async def test_a_group_of_openings_and_settlements_is_a_statement_for_each_and_no_savepoint(sqlite):
    old = [an_opening() for _ in range(2)]
    await sqlite.commit(*old)
    seen = []
    sqlite._writer._connection.set_trace_callback(seen.append)
    given = await together(sqlite, [*((an_opening(),) for _ in range(3)), *((a_settlement(one),) for one in old)])
    assert given == [()] * 5
    assert [text.split(" ")[0] for text in seen][-7:] == ["BEGIN", *["INSERT"] * 3, *["UPDATE"] * 2, "COMMIT"]


async def test_what_cannot_be_written_at_once_is_written_singly_in_a_new_transaction(sqlite):
    known = an_opening()
    await sqlite.commit(known)
    seen = []
    sqlite._writer._connection.set_trace_callback(seen.append)
    given = await together(sqlite, [(an_opening(),), (known,), (AddRoom(a_room()),)])
    assert [getattr(one, "code", one) for one in given] == [(), "entry_exists", ()]
    begun = [text for text in seen if text in ("BEGIN IMMEDIATE", "ROLLBACK", "COMMIT")]
    assert begun[-4:] == ["BEGIN IMMEDIATE", "ROLLBACK", "BEGIN IMMEDIATE", "COMMIT"]


async def test_rates_are_counted_before_and_after_what_is_written_between(store):
    """Another commit of the group may count in the same bucket."""

    def take(cost):
        return TakeRates((RateItem("key_1:requests", "requests", 10, cost),), 1_800_000_000_000_000)

    old = an_opening()
    await store.commit(old)
    room = a_room()
    given = await together(
        store,
        [
            (a_settlement(old), AdjustRate("key_1:requests", 10, -2, 1_800_000_000_000_000)),
            (take(3), AddRoom(room), AddMessage(a_message(room))),
            (take(4), an_opening()),
            (take(4), AddRoom(a_room())),
        ],
    )
    assert isinstance(given[3], Conflict)
    assert [one[0].rates[0].remaining for one in (given[2], given[1])] == [6, 3]
    ((after,),) = [await store.commit(take(5))]
    assert after.rates[0].remaining == 0


@pytest.mark.parametrize("text", ["\ud800", "a\0b"])
async def test_what_a_database_cannot_hold_is_replaced_for_the_one_that_has_it(store, text):
    openings = [an_opening() for _ in range(3)]
    await store.commit(*openings)
    odd = [a_settlement(one, problem=text if one is openings[1] else None) for one in openings]
    assert await together(store, [(one,) for one in odd]) == [()] * 3
    assert (await store.entry(openings[0].id)).settlement == odd[0]
    kept = (await store.entry(openings[1].id)).settlement.problem
    assert kept in (text, text.replace("\0", "\ufffd"), "\ufffd")
