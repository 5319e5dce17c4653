"""Whose answer an id of the provider's is, from the moment it was told.

A client may ask for a response, or go on from it, before the entry of the call that made it has been settled (a stream
tells its id in its first event) or stored (a few milliseconds, or as long as a database is away); and it may ask
another process of this server than the one that made the call.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from talkmeter.metering.ledger import LedgerEntry, LedgerStore, OpenEntry, SettleEntry

ASKED_FOR_AGAIN = frozenset({"responses", "batches"})  # endpoints whose answers are
MOST = 512
LONGEST_ID = 512  # characters; no provider's is as long


class Live(Protocol):
    """A call under way."""

    @property
    def opening(self) -> OpenEntry: ...

    @property
    def tap(self) -> Any: ...


class Answers:
    """live: the calls under way in this process. others: asks the other processes; None: there are none."""

    def __init__(self, store: LedgerStore, live: Iterable[Live]) -> None:
        self._store = store
        self._live = live
        self._lately: dict[str, LedgerEntry] = {}
        self.others: Callable[[str], Awaitable[LedgerEntry | None]] | None = None

    @property
    def lately(self) -> Mapping[str, LedgerEntry]:
        """The entries of the last answers that ended here."""
        return self._lately

    async def entry_of(self, upstream_id: str) -> LedgerEntry | None:
        """The entry whose answer the provider gave this id, be it under way, or not stored yet, here or elsewhere."""
        found = await self._store.entry_of_answer(upstream_id) or self.here(upstream_id)
        if found is None and self.others is not None and len(upstream_id) <= LONGEST_ID:
            # Stored meanwhile by whoever has nothing to tell any more, or still in the making there.
            found = await self.others(upstream_id) or await self._store.entry_of_answer(upstream_id)
        return found

    def here(self, upstream_id: str) -> LedgerEntry | None:
        """As far as this process knows of it besides what is stored."""
        for call in self._live:
            if call.tap is not None and call.opening.endpoint in ASKED_FOR_AGAIN:
                call.tap.read()
                if call.tap.upstream_id == upstream_id:
                    return LedgerEntry(opening=call.opening)
        return self._lately.get(upstream_id)

    def note(self, opening: OpenEntry, upstream_id: str | None, change: SettleEntry | None = None) -> None:
        """A call has ended. change: its settlement; None while it is being counted."""
        if upstream_id is None or opening.endpoint not in ASKED_FOR_AGAIN:
            return
        if len(self._lately) >= MOST:
            del self._lately[next(iter(self._lately))]
        self._lately[upstream_id] = LedgerEntry(opening=opening, settlement=change)
