"""What many commits count together: rate limits read once a group, and budgets and partial texts with settlements."""

import asyncio

from support.held_writer import HeldWriter
from support.store_values import a_settlement, an_opening
from talkmeter.errors import Conflict
from talkmeter.metering.budget_store import AdjustRate, RateItem, RatesTaken, SettleBudgets, TakeRates
from talkmeter.metering.ledger import ForgetPartials, KeepPartial

AT = 1_800_000_000_000_000
MINUTE = 60_000_000


def take(cost=1, limit=10, bucket="key_1:requests", at=AT):
    return TakeRates((RateItem(bucket, "requests", limit, cost),), at)


async def outcomes(store, *commits):
    """Of commits that are written as one group."""
    before = store.written.transactions
    async with HeldWriter(store):
        waiting = [asyncio.ensure_future(store.commit(*changes)) for changes in commits]
        await asyncio.sleep(0)
    given = await asyncio.gather(*waiting, return_exceptions=True)
    assert store.written.transactions - before <= 2
    return given


async def test_a_group_takes_no_more_than_a_minute_gives(store):
    openings = [an_opening() for _ in range(15)]
    given = await outcomes(store, *((take(), opening) for opening in openings))
    taken = [one for one in given if isinstance(one, tuple)]
    refused = [one for one in given if isinstance(one, Conflict)]
    assert [one[0].rates[0].remaining for one in taken] == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    assert [one.code for one in refused] == ["rate_limited"] * 5
    assert {entry.opening.id for entry in await store.open_entries()} == {each.id for each in openings[:10]}


async def test_of_several_buckets_none_gives_where_one_refuses(store):
    def both():
        return TakeRates(
            (RateItem("key_1:requests", "requests", 10, 1), RateItem("key_1:tokens", "tokens", 100, 60)), AT
        )

    first, second, third = await outcomes(store, *((both(), an_opening()) for _ in range(3)))
    assert isinstance(first[0], RatesTaken)
    assert (second.details["id"], third.details["id"]) == ("key_1:tokens", "key_1:tokens")
    ((after,),) = [(await store.commit(take()))]
    assert after.rates[0].remaining == 8  # one was taken by the first call, and one now


async def test_one_that_cannot_be_opened_takes_nothing_from_the_bucket_of_the_others(store):
    known = an_opening()
    await store.commit(known)
    given = await outcomes(store, (take(), an_opening()), (take(), known), (take(), an_opening()))
    assert [type(one) for one in given] == [tuple, Conflict, tuple]
    assert given[1].code == "entry_exists"
    (after,) = await store.commit(take())
    assert after.rates[0].remaining == 7


async def test_settlements_put_the_buckets_right_and_forget_what_was_kept(store):
    openings = [an_opening() for _ in range(3)]
    for opening in openings:
        await store.commit(take(cost=3), opening, KeepPartial(entry_id=opening.id, seq=1, text="half"))
    settled = await outcomes(
        store,
        *(
            (a_settlement(each), SettleBudgets(()), AdjustRate("key_1:requests", 10, -2, AT), ForgetPartials(each.id))
            for each in openings
        ),
    )
    assert settled == [()] * 3
    assert await store.open_entries() == []
    assert [await store.partial_texts(each.id) for each in openings] == [[]] * 3
    (after,) = await store.commit(take())
    assert after.rates[0].remaining == 6  # three of one each stayed taken, and one now


async def test_a_bucket_nobody_has_taken_from_is_not_made_by_a_correction(store):
    openings = [an_opening() for _ in range(2)]
    await store.commit(*openings)
    await outcomes(store, *((a_settlement(each), AdjustRate("key_9:requests", 10, 5, AT)) for each in openings))
    (after,) = await store.commit(take(bucket="key_9:requests"))
    assert after.rates[0].remaining == 9


async def test_a_settlement_that_is_there_already_is_refused_alone(store):
    openings = [an_opening() for _ in range(3)]
    await store.commit(take(cost=9), *openings)
    await store.commit(a_settlement(openings[1]))
    give_back = AdjustRate("key_1:requests", 10, -3, AT)
    given = await outcomes(store, *((a_settlement(each), give_back) for each in openings))
    assert [one if isinstance(one, tuple) else one.code for one in given] == [(), "already_settled", ()]
    (after,) = await store.commit(take())
    assert after.rates[0].remaining == 6  # six of the nine were given back


async def test_a_group_reads_a_bucket_once_and_writes_it_once(sqlite):
    await sqlite.commit(take())
    seen = []
    sqlite._writer._connection.set_trace_callback(seen.append)
    given = await outcomes(sqlite, *((take(), an_opening()) for _ in range(8)))
    assert all(isinstance(one, tuple) for one in given)
    about = [text.split(" ")[0] for text in seen if "rate_states" in text]
    assert about == ["SELECT", "UPDATE"]
