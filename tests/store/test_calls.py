"""The list of calls: filtered, in four orders, page by page, summed; on both databases, and by the index."""

import itertools
import random

import pytest
from sqlalchemy import event

from support.store_values import PRICED, UNPRICED, a_settlement, an_opening
from talkmeter.errors import BadInput
from talkmeter.metering.calls import QUARTER, CallFilter
from talkmeter.metering.cost import Cost
from talkmeter.metering.ledger import Totals
from talkmeter.metering.usage import Usage
from talkmeter.store import read_calls

ORDERS = ("newest", "cost", "tokens", "duration")


async def one(store, settled=True, opening=None, **settlement):
    opened = an_opening(**(opening or {}))
    await store.commit(opened)
    if settled:
        await store.commit(a_settlement(opened, **settlement))
    return opened.id


async def ids(store, order="newest", limit=100, **wanted):
    page = await store.calls(CallFilter(**wanted), order, None, limit)
    return [call.id for call in page.calls]


async def test_a_call_is_what_the_ledger_says(store):
    given = {
        "key_id": "key_1", "end_user": "민지", "tags": '["a","b"]', "metadata": '{"x":1}', "room_id": "room_1",
        "attempt": 2, "surface": "openai",
    }  # fmt: skip
    await one(
        store, opening=given, http_status=429, error={"code": "rate_limited"}, model_served="m", service_tier="flex",
        finish_reason="stop", first_byte_at=5_500, upstream_id="chatcmpl-1",
    )  # fmt: skip
    ((call,), end) = (page := await store.calls(CallFilter(), "newest", None, 10)).calls, page.next
    assert end is None
    shown = {name: getattr(call, name) for name in given}
    assert shown == given
    assert (call.state, call.principal, call.picodollars, call.priced) == ("settled", "owner", PRICED.picodollars, True)
    assert (call.error, call.http_status, call.model_served, call.service_tier) == ("rate_limited", 429, "m", "flex")
    assert (call.prompt_tokens, call.completion_tokens, call.has_usage) == (41, 9, True)
    assert (call.first_byte_at, call.settled_at, call.upstream_id) == (5_500, 6_000, "chatcmpl-1")


async def test_what_is_missing_stays_missing(store):
    await one(store, opening={"opened_at": 1}, settled=False)
    await one(store, opening={"opened_at": 2}, cost=UNPRICED)
    await one(store, opening={"opened_at": 3}, usage=None, cost=Cost(None), provenance="unknown")
    unknown, unpriced, still_open = (await store.calls(CallFilter(), "newest", None, 10)).calls
    assert (unknown.priced, unpriced.priced, still_open.priced) == (None, False, None)
    assert (still_open.state, still_open.outcome, still_open.provenance, still_open.settled_at) == (
        "open", None, None, None,
    )  # fmt: skip
    assert (unknown.prompt_tokens, unknown.picodollars) == (None, None)
    assert await store.call_totals(CallFilter()) == Totals(
        calls=3, prompt_tokens=41, completion_tokens=9, unpriced_calls=1, unknown_calls=1, open_calls=1
    )
    assert await store.call_totals(CallFilter(state="open")) == Totals(calls=1, open_calls=1)
    assert await store.call_totals(CallFilter(principal="nobody")) == Totals()


@pytest.mark.parametrize(
    ("opening", "settlement", "wanted"),
    [
        ({"opened_at": 9_000}, {"settled_at": 9_001}, {"since": 9_000}),
        ({"opened_at": 4_999}, {}, {"until": 5_000}),
        ({"principal": "user_2"}, {}, {"principal": "user_2"}),
        ({"key_id": "key_2"}, {}, {"key_id": "key_2"}),
        ({"provider_id": "provider_2"}, {}, {"provider_id": "provider_2"}),
        ({"model_requested": "gpt-5"}, {}, {"model": "gpt-5"}),
        ({"model_asked": "fast"}, {}, {"model": "fast"}),
        ({}, {"model_served": "gpt-5-2027"}, {"served": "gpt-5-2027"}),
        ({"endpoint": "embeddings"}, {}, {"endpoint": "embeddings"}),
        ({"surface": "openai"}, {}, {"surface": "openai"}),
        ({}, {"outcome": "failed"}, {"outcome": "failed"}),
        ({}, {"provenance": "drained"}, {"provenance": "drained"}),
        ({"tags": '["team","team-b"]'}, {}, {"tag": "team-b"}),
        ({"end_user": "민지"}, {}, {"end_user": "민지"}),
        ({}, {"cost": UNPRICED}, {"unpriced": True}),
    ],
)
async def test_each_filter_finds_what_it_is_for(store, opening, settlement, wanted):
    await one(store, opening={"tags": '["Team-B","team-bc","xteam-b"]'})
    found = await one(store, opening=opening, **settlement)
    assert await ids(store, **wanted) == [found]
    assert (await store.call_totals(CallFilter(**wanted))).calls == 1
    assert await ids(store, state="open", **wanted) == []


async def test_every_order_is_read_page_by_page_without_a_gap_or_a_repeat(store):
    rng = random.Random(5)
    expected = {}
    for n in range(60):
        at = 5_000 + rng.randrange(12)
        settled = n % 7 != 0
        prompt = rng.choice([None, 0, 3, 8])
        cost = rng.choice([None, 0, 5, 7])
        took = rng.randrange(5)
        id_ = await one(
            store, settled, {"opened_at": at}, settled_at=at + took, cost=Cost(cost),
            usage=None if prompt is None else Usage(prompt_tokens=prompt, completion_tokens=rng.choice([None, 2])),
        )  # fmt: skip
        expected[id_] = n
    for order in ORDERS:
        for limit in (1, 7, 60):
            seen, cursor = [], None
            while True:
                page = await store.calls(CallFilter(), order, cursor, limit)
                seen += page.calls
                cursor = page.next
                if cursor is None:
                    break
                assert len(page.calls) == limit
            assert {call.id for call in seen} == set(expected)
            keys = [(key_of(call, order), expected[call.id]) for call in seen]
            assert keys == sorted(keys, reverse=True), order


def key_of(call, order):
    if order == "newest":
        return call.opened_at
    if order == "cost":
        return -1 if call.picodollars is None else call.picodollars
    if order == "tokens":
        figures = (call.prompt_tokens, call.completion_tokens)
        return -1 if figures == (None, None) else sum(figure or 0 for figure in figures)
    return -1 if call.settled_at is None else call.settled_at - call.opened_at


async def test_pages_hold_while_calls_come_and_settle(store):
    first = [await one(store, False, {"opened_at": 5_000 + n}) for n in range(6)]
    page = await store.calls(CallFilter(), "newest", None, 3)
    await store.commit(a_settlement(an_opening(id=first[1])))
    await one(store, opening={"opened_at": 9_000})
    rest = await store.calls(CallFilter(), "newest", page.next, 3)
    assert [call.id for call in (*page.calls, *rest.calls)] == first[::-1]


@pytest.mark.parametrize(
    "cursor", ["", "newest", "newest.1", "cost.1.1", "newest.x.1", "newest.1.1.1", "newest.9999999999999999999.1"]
)
async def test_a_cursor_of_another_order_is_refused(store, cursor):
    with pytest.raises(BadInput):
        await store.calls(CallFilter(), "newest", cursor, 10)


async def test_large_money_fits_a_cursor(store):
    for cost in (2**62, 2**63 - 1, None):
        await one(store, cost=Cost(cost))
    seen, cursor = [], None
    for _ in range(3):
        page = await store.calls(CallFilter(), "cost", cursor, 1)
        seen += [call.picodollars for call in page.calls]
        cursor = page.next
    assert (seen, cursor) == ([2**63 - 1, 2**62, None], None)


async def test_sums_by_whatever_is_asked(store):
    await one(store, opening={"opened_at": 5, "key_id": "key_1", "model_requested": "a"})
    await one(store, opening={"opened_at": QUARTER - 1, "key_id": "key_1", "principal": "user_2"})
    await one(store, False, {"opened_at": QUARTER + 3, "provider_id": "provider_2", "model_requested": "a"})

    async def calls_by(by):
        return {found.key: found.totals.calls for found in await store.call_sums(CallFilter(), by)}

    assert await calls_by("day") == {0: 2, QUARTER: 1}
    assert await calls_by("model") == {"a": 2, "gpt-4o": 1}
    assert await calls_by("key") == {"key_1": 2, None: 1}
    assert await calls_by("user") == {"owner": 2, "user_2": 1}
    assert await calls_by("provider") == {"provider_1": 2, "provider_2": 1}
    (of_key,) = await store.call_sums(CallFilter(key_id="key_1"), "key")
    assert of_key.totals == await store.call_totals(CallFilter(key_id="key_1"))


async def test_all_but_what_is_shown_is_read_from_the_index(sqlite):
    """Only tags, end users and the name that answered are looked up in the rows."""
    wanted = CallFilter(
        since=1, until=9_000, principal="owner", key_id="key_1", provider_id="provider_1", model="gpt-4o",
        endpoint="chat/completions", surface="web", outcome="finished", provenance="reported", unpriced=True,
    )  # fmt: skip
    for order, cursor in itertools.product(ORDERS, (None, "5.5")):
        after = cursor and f"{order}.{cursor}"
        settled, still_open, _ = await plans(sqlite, lambda c, o=order, a=after: read_calls.calls(c, wanted, o, a, 10))
        assert settled == ("ix_ledger_figures", order != "newest", False)
        assert still_open[0] == "ix_ledger_open"
    for query in (read_calls.totals, lambda c, w: read_calls.sums(c, w, "user")):
        settled, still_open = await plans(sqlite, lambda c, q=query: q(c, wanted))
        assert (settled[0], settled[2]) == ("ix_ledger_figures", False)
        assert still_open[0] == "ix_ledger_open"


async def plans(sqlite, query):
    """Of each statement: its index, whether it sorts, and whether it reads a column of the table itself."""
    seen, found = [], []

    def read(connection):
        event.listen(connection, "before_cursor_execute", lambda *about: seen.append(about[2:4]))
        query(connection)
        raw = connection.connection.dbapi_connection
        for statement, values in seen:
            plan = " ".join(row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", values))
            steps = list(raw.execute(f"EXPLAIN {statement}", values))
            opened = {row[2]: str(row[5]).startswith("k(") for row in steps if row[1] == "OpenRead"}
            columns = any(row[1] == "Column" and opened.get(row[2]) is False for row in steps)
            index = plan.partition("INDEX ")[2].partition(" ")[0]
            found.append((index, "TEMP B-TREE FOR ORDER BY" in plan, columns))

    await sqlite._readers.read(read)
    return found
