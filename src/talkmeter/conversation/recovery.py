"""After a start: settles what a dead process left open, and takes up the questions that were waiting."""

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from typing import Literal, Protocol

from msgspec import structs

from talkmeter.clock import now
from talkmeter.conversation.changes import ChangeRun, FinishMessage, ForgetRunEvents
from talkmeter.conversation.driving import finish
from talkmeter.conversation.run_lines import run_line
from talkmeter.conversation.runlog import HIDDEN, text_of
from talkmeter.conversation.runs import Runs
from talkmeter.conversation.store import ConversationStore
from talkmeter.messages import Run
from talkmeter.metering.ledger import ForgetPartials, LedgerEntry, LedgerStore
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.recovered import count_kept, settle_recovered, with_count

AT_A_TIME = 100  # entries that are settled together

log = logging.getLogger(__name__)

OpenText = Callable[[str, str], str | None]


class RecoveryStore(ConversationStore, LedgerStore, Protocol):
    """Both views of the same store."""


def _plain(_entry_id: str, kept: str) -> str | None:
    return kept


async def settle_open_entries(store: RecoveryStore, prices: PriceBook, open_text: OpenText = _plain) -> int:
    """Settles every entry that is still open, with the text that had been persisted; how many there were.

    open_text: what was kept of a call that passed through, by the entry's id; None if it cannot be read any more.
    Must be done before anything new is sent, and by one process only.
    """
    entries = await store.open_entries()
    await _settle_all(store, prices, entries, open_text)
    for run in await store.unfinished_runs():
        # Either its entry was settled, yet the run was not ended with it; or it was stopped while it waited.
        if run.status == "running" or run.stop_mode is not None:
            end = _end_of(run)
            await store.commit(*finish(run, text_of(await store.run_events(run.id, 0)), end, None))
            log.info("run", extra=run_line(run, end, None, None))
    if entries:
        log.warning("%d answers were interrupted by the last end of the process and are settled now", len(entries))
    return len(entries)


async def settle_abandoned(
    store: RecoveryStore, prices: PriceBook, ids: Collection[str], open_text: OpenText = _plain
) -> int:
    """Settles those of these entries that are still open, since the process that opened them is gone; how many."""
    entries = [entry for entry in await store.open_entries() if entry.opening.id in ids]
    await _settle_all(store, prices, entries, open_text)
    return len(entries)


async def _settle_all(
    store: RecoveryStore, prices: PriceBook, entries: Sequence[LedgerEntry], open_text: OpenText
) -> None:
    """Many at a time: the store commits together what comes together, and a start waits for all of them."""
    for first in range(0, len(entries), AT_A_TIME):
        some = entries[first : first + AT_A_TIME]
        await asyncio.gather(*(_settle(store, prices, entry, open_text) for entry in some))


async def _settle(store: RecoveryStore, prices: PriceBook, entry: LedgerEntry, open_text: OpenText) -> None:
    opening = entry.opening
    if opening.run_id is None:  # it passed through the gateway
        opened = [open_text(opening.id, text) for text in await store.partial_texts(opening.id)]
        kept = [text for text in opened if text is not None]
        # Without any nobody knows whether it was sent at all, or answered: its prompt may not have been billed. And
        # what can only be read in part says nothing of the whole.
        if not any(kept) or len(kept) < len(opened):
            entry = structs.replace(entry, opening=structs.replace(opening, preflight_tokens=None))
        elif (sealed := await store.kept_prompt(opening.id)) is not None:
            count = await asyncio.to_thread(count_kept, opening, open_text(opening.id, sealed) or "")
            entry = structs.replace(entry, opening=with_count(opening, count))
        await settle_recovered(store, prices, entry, kept, ForgetPartials(opening.id))
        return
    events = await store.run_events(opening.run_id, 0)
    text = text_of(events)
    billed = text + text_of(events, HIDDEN)
    assert opening.answer_id is not None  # a run always has its answer
    end = _end_of(await store.run(opening.run_id, opening.principal))
    at = now()
    await settle_recovered(
        store,
        prices,
        entry,
        [billed],
        FinishMessage(id=opening.answer_id, text=text, status=end, finished_at=at),
        ChangeRun(id=opening.run_id, status=end, finished_at=at),
        ForgetRunEvents(opening.run_id),
        stopped=end == "stopped",
    )
    ids = {"run_id": opening.run_id, "room_id": opening.room_id, "call_id": opening.id}
    whose = {"surface": opening.surface, "principal": opening.principal, "key_id": opening.key_id}
    log.info("run", extra=ids | whose | {"model": opening.model_requested, "outcome": end})


def _end_of(run: Run | None) -> Literal["stopped", "interrupted"]:
    """Whoever had stopped it has been told so: that stands, though the reading on for the bill was interrupted."""
    return "stopped" if run is not None and run.stop_mode is not None else "interrupted"


async def resume_waiting(store: ConversationStore, runs: Runs) -> int:
    """Questions that were acknowledged but had not been sent go out now, in their order."""
    waiting = [run for run in await store.unfinished_runs() if run.status == "queued"]
    for run in waiting:
        runs.enqueue(run, await store.run_events(run.id, 0))
    return len(waiting)
