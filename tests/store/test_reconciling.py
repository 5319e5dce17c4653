"""What reconciliation asks of the ledger and writes to it, on both databases."""

from support.store_values import PRICED, a_settlement, an_opening
from talkmeter.metering.ledger import CorrectEntry
from talkmeter.metering.usage import Usage


async def test_entries_of_a_provider_come_in_pages_by_time(store):
    ids = ["e", "b", "a", "d", "c"]
    times = dict(zip(ids, (10, 10, 10, 20, 30), strict=True))
    entries = [an_opening(id=name, opened_at=times[name]) for name in ids]
    others = [an_opening(provider_id="provider_2", opened_at=15), an_opening(opened_at=9), an_opening(opened_at=40)]
    await store.commit(*entries, *others, a_settlement(entries[0]))
    seen, after = [], (9, "")
    while page := await store.entries_of_provider("provider_1", 10, 40, after, 2):
        seen += page
        after = page[-1].opening.opened_at, page[-1].opening.id
    assert [entry.opening.id for entry in seen] == ["a", "b", "e", "d", "c"]
    assert [entry.settlement is not None for entry in seen] == [False, False, True, False, False]


async def test_what_a_reconciled_entry_was_stays_with_it(store):
    opened = an_opening()
    before = a_settlement(opened, provenance="counted", problem="odd", raw_usage=None)
    await store.commit(opened, before)
    usage = Usage(prompt_tokens=7, completion_tokens=1)
    change = CorrectEntry(
        id=opened.id, provenance="reconciled", usage=usage, cost=PRICED, problem="odd; was counted 41/9"
    )
    await store.commit(change)
    settled = (await store.entry(opened.id)).settlement
    assert (settled.provenance, settled.usage, settled.problem) == ("reconciled", usage, "odd; was counted 41/9")
    assert settled.outcome == before.outcome
    other = an_opening()
    await store.commit(other, a_settlement(other, provenance="counted", problem="odd"))
    await store.commit(CorrectEntry(id=other.id, provenance="reported", usage=usage, cost=PRICED))
    assert (await store.entry(other.id)).settlement.problem == "odd"
