"""The settlement of a call whose process has died."""

import asyncio
from collections.abc import Sequence

from msgspec import Struct, structs

from talkmeter.clock import now
from talkmeter.metering.asked import Asked, as_preflight, count_asked
from talkmeter.metering.ledger import LedgerEntry, LedgerStore, OpenEntry
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.reservations import release
from talkmeter.metering.settlement import Ending
from talkmeter.metering.settling import commit_until_done, settle
from talkmeter.metering.tokens import PromptCount, count_texts


async def settle_recovered(
    store: LedgerStore,
    prices: PriceBook,
    entry: LedgerEntry,
    texts: Sequence[str],
    *also: Struct,
    stopped: bool = False,
) -> None:
    """Settles an entry that a dead process left open, from the partial texts, shown or not, that it had persisted.

    Tokens that arrived after the last flush (250 ms, 32 tokens) cannot be known: the entry says `interrupted`.
    stopped: somebody had stopped it before, and that is on the disk; it says that, then.
    """
    opening = entry.opening
    tokens = await asyncio.to_thread(count_texts, texts, opening.model_requested)
    ending = Ending(kind="cut")
    at = max(now(), opening.opened_at)  # the clock may have been set back meanwhile
    change = settle(opening, prices, ending, None, completion_tokens=tokens, at=at, stopped=stopped)
    if not any(texts) and change.usage is not None:  # it may have been killed before the first byte went out
        change = structs.replace(change, provenance="estimated")
    await commit_until_done(store, change, *release(opening, change), *also)


def count_kept(opening: OpenEntry, request: str) -> PromptCount | None:
    """The prompt of a call, of which the request was kept. Slow: for a thread."""
    asked = Asked(
        endpoint=opening.endpoint, model=opening.model_requested, body=request.encode(), billing=opening.billing
    )
    return count_asked(asked)


def with_count(opening: OpenEntry, count: PromptCount | None) -> OpenEntry:
    """None: what was kept cannot be counted, so nobody knows."""
    return structs.replace(opening, **({"preflight_tokens": None} if count is None else as_preflight(count)))
