"""From how a call ended to the change that settles its entry, and getting that change onto the disk."""

import asyncio
import logging
import time

from msgspec import Struct

from talkmeter.errors import Conflict, StoreError
from talkmeter.metering.ledger import LedgerStore, OpenEntry, SettleEntry
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.reservations import flagged
from talkmeter.metering.settlement import Ending, Figures, Reading, decide_figures, decide_outcome

log = logging.getLogger(__name__)


def settle(
    opening: OpenEntry,
    prices: PriceBook,
    ending: Ending,
    tap: Reading | None,
    *,
    completion_tokens: int,
    at: int,
    drained: bool = False,
    stopped: bool = False,
    figures: Figures | None = None,
) -> SettleEntry:
    """The settlement of an entry, settled at `at`. figures: where they have been decided already. Pure."""
    figures = figures or decide_figures(
        ending,
        tap,
        prompt_tokens=opening.preflight_tokens,
        completion_tokens=completion_tokens,
        quality=opening.preflight_quality or "exact",
        drained=drained,
    )
    tier = tap.service_tier if tap else None
    served = tap.model if tap else None
    change = SettleEntry(
        id=opening.id,
        outcome=decide_outcome(ending, tap, stopped=stopped),
        provenance=figures.provenance,
        usage=figures.usage,
        raw_usage=tap.raw_usage if tap else None,
        cost=prices.cost(
            figures.usage,
            opening.provider_id,
            (served, opening.model_requested),
            tier,
            opening.opened_at,
            opening.billing,
            tap.uses if tap else None,
        ),
        settled_at=at,
        first_byte_at=ending.first_byte_at,
        model_served=served,
        service_tier=tier,
        finish_reason=tap.finish_reason if tap else None,
        http_status=ending.http_status,
        error=ending.error,
        problem=tap.problem if tap else None,
        upstream_id=tap.upstream_id if tap else None,
    )
    return flagged(opening, change)


async def commit_until_done(store: LedgerStore, change: SettleEntry, *also: Struct) -> None:
    """Tries again while the store cannot take it: a settlement may wait for the disk, it may not be dropped."""
    delay = 0.1
    warned = 0.0
    while True:
        try:
            await store.commit(change, *also)
        except Conflict as conflict:
            log.error("entry %s was settled already: %s", change.id, conflict)
            return
        except StoreError as error:
            if time.monotonic() - warned > 30:
                warned = time.monotonic()
                log.error("entry %s cannot be settled yet: %s", change.id, error)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)
        else:
            return
