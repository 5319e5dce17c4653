"""After a start: settles what a dead process left open, and takes up the questions that were waiting."""

import logging
from collections.abc import Collection
from typing import Protocol

from msgspec import structs

from talkmeter.clock import now
from talkmeter.conversation.changes import ChangeRun, FinishMessage, ForgetRunEvents
from talkmeter.conversation.driving import finish
from talkmeter.conversation.runlog import HIDDEN, text_of
from talkmeter.conversation.runs import Runs
from talkmeter.conversation.store import ConversationStore
from talkmeter.metering.ledger import ForgetPartials, LedgerEntry, LedgerStore
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.recovered import settle_recovered

log = logging.getLogger(__name__)


class RecoveryStore(ConversationStore, LedgerStore, Protocol):
    """Both views of the same store."""


async def settle_open_entries(store: RecoveryStore, prices: PriceBook) -> int:
    """Settles every entry that is still open, with the text that had been persisted; how many there were.

    Must be done before anything new is sent, and by one process only.
    """
    entries = await store.open_entries()
    for entry in entries:
        await _settle(store, prices, entry)
    for run in await store.unfinished_runs():
        if run.status == "running":  # its entry was settled, yet the run was not ended with it
            await store.commit(*finish(run, text_of(await store.run_events(run.id, 0)), "interrupted", None))
    if entries:
        log.warning("%d answers were interrupted by the last end of the process and are settled now", len(entries))
    return len(entries)


async def settle_abandoned(store: RecoveryStore, prices: PriceBook, ids: Collection[str]) -> int:
    """Settles those of these entries that are still open, since the process that opened them is gone; how many."""
    entries = [entry for entry in await store.open_entries() if entry.opening.id in ids]
    for entry in entries:
        await _settle(store, prices, entry)
    return len(entries)


async def _settle(store: RecoveryStore, prices: PriceBook, entry: LedgerEntry) -> None:
    opening = entry.opening
    if opening.run_id is None:  # it passed through the gateway
        kept = await store.partial_texts(opening.id)
        if not any(kept):  # nobody knows whether it was sent at all, or answered: its prompt may not have been billed
            entry = structs.replace(entry, opening=structs.replace(opening, preflight_tokens=None))
        await settle_recovered(store, prices, entry, kept, ForgetPartials(opening.id))
        return
    events = await store.run_events(opening.run_id, 0)
    text = text_of(events)
    billed = text + text_of(events, HIDDEN)
    assert opening.answer_id is not None  # a run always has its answer
    at = now()
    await settle_recovered(
        store,
        prices,
        entry,
        [billed],
        FinishMessage(id=opening.answer_id, text=text, status="interrupted", finished_at=at),
        ChangeRun(id=opening.run_id, status="interrupted", finished_at=at),
        ForgetRunEvents(opening.run_id),
    )


async def resume_waiting(store: ConversationStore, runs: Runs) -> int:
    """Questions that were acknowledged but had not been sent go out now, in their order."""
    waiting = [run for run in await store.unfinished_runs() if run.status == "queued"]
    for run in waiting:
        runs.enqueue(run, await store.run_events(run.id, 0))
    return len(waiting)
