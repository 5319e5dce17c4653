"""How SQLite goes about the queries: by an index, never through a whole table, however large it grows."""

import pytest
from sqlalchemy import CompoundSelect, Select, dialects, event

from talkmeter.store import read_accounts, read_budgets, read_ledger, read_messages, read_rooms
from talkmeter.store.schema import ledger_entries

GROWING = ("rooms", "messages", "attachments", "runs", "run_events", "ledger_entries", "sessions", "budget_periods")
# Few rows by nature, or all of them asked for.
WHOLE = {read_accounts._PROVIDERS, read_accounts._SETTINGS, read_accounts._PRICE_ROWS, read_budgets._BUDGETS}
QUERIES = {
    f"{module.__name__.rpartition('.')[2]}{name}": statement
    for module in (read_accounts, read_budgets, read_ledger, read_messages, read_rooms)
    for name, statement in vars(module).items()
    if isinstance(statement, Select | CompoundSelect) and statement not in WHOLE
}

VALUES = {
    "this": b"1",
    "whose": "1",
    "ids": ["1", "2"],
    "id": "1",
    "room": "1",
    "model": "1",
    "pinned": True,
    "last_used_at": 1,
    "limit": 1,
    "after": 1,
    "at": 1,
    "start": 1,
    "end": 2,
    "after_id": "1",
}


def test_there_are_queries_to_look_at():
    assert len(QUERIES) >= 20


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_goes_by_an_index(sqlite_plan, name):
    plan = await sqlite_plan(QUERIES[name])
    scans = [line for line in plan if line.startswith("SCAN ") and line.split()[1] in (*GROWING, "it", "other")]
    by_partial_index = [line for line in scans if "USING INDEX ix_" in line or "USING COVERING INDEX ix_" in line]
    assert scans == by_partial_index, plan


async def test_the_ledger_has_no_index_that_no_query_goes_by(sqlite_plan):
    """Each call pays for them all."""
    words = {word for name in QUERIES for line in await sqlite_plan(QUERIES[name]) for word in line.split()}
    indexes = {index.name for index in ledger_entries.indexes}
    assert "ix_ledger_open" in indexes
    assert indexes - words == set()


async def test_a_page_of_rooms_is_read_in_the_order_of_its_index(sqlite_plan):
    for query in (read_rooms._FIRST_ROOMS, read_rooms._NEXT_ROOMS):
        plan = await sqlite_plan(query)
        assert not any("TEMP B-TREE" in line for line in plan), plan
        assert any("ix_rooms_order" in line for line in plan), plan


@pytest.fixture
def sqlite_plan(sqlite):
    async def plan(statement):
        names = statement.compile(dialect=dialects.sqlite.dialect()).binds
        given = {name: value for name, value in VALUES.items() if name in names}
        seen = []

        def explain(connection):
            event.listen(connection, "before_cursor_execute", lambda *about: seen.append(about[2:4]))
            connection.execute(statement, given)
            ((text, values),) = seen
            raw = connection.connection.dbapi_connection
            return [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {text}", values)]

        return await sqlite._readers.read(explain)

    return plan
