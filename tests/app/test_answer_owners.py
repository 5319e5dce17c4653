"""Processes that ask each other whose answer an id is."""

import asyncio

from support.store_values import an_opening
from talkmeter.app.answer_owners import Asker, answered
from talkmeter.metering.ledger import LedgerEntry

ENTRY = LedgerEntry(opening=an_opening())


async def test_one_question_serves_all_who_wait():
    said = []
    asker = Asker(said.append, 60)
    asking = [asyncio.create_task(asker.ask("resp_1")) for _ in range(3)]
    while not said:
        await asyncio.sleep(0)
    asker.heard(answered(b"resp_1", ENTRY))
    assert await asyncio.gather(*asking) == [ENTRY] * 3
    assert [(one.kind, one.data) for one in said] == [("whose", b"resp_1")]


async def test_who_does_not_know_says_so():
    said = []
    asker = Asker(said.append, 60)
    asking = asyncio.create_task(asker.ask("resp_1"))
    while not said:
        await asyncio.sleep(0)
    asker.heard(answered(b"resp_2", ENTRY))
    asker.heard(answered(b"resp_1", None))
    assert await asking is None


async def test_who_is_busy_is_not_waited_for():
    said = []
    asker = Asker(said.append, 0)
    assert await asker.ask("resp_1") is None
    asker.heard(answered(b"resp_1", ENTRY))
    assert await asker.ask("resp_1") is None, "it is asked anew"
    assert len(said) == 2
