"""Entries by the provider's name for their answer, while they are on their way to the disk.

A client may ask for a response, or go on from it, before the entry of the call that made it has been stored: a few
milliseconds, or as long as a database is away.
"""

from collections.abc import Mapping

from talkmeter.metering.ledger import LedgerEntry, OpenEntry, SettleEntry

ASKED_FOR_AGAIN = frozenset({"responses", "batches"})  # endpoints whose answers are
MOST = 512


class Lately:
    """The last settlements of answers that can be asked for again."""

    def __init__(self) -> None:
        self._entries: dict[str, LedgerEntry] = {}

    @property
    def entries(self) -> Mapping[str, LedgerEntry]:
        return self._entries

    def note(self, opening: OpenEntry, change: SettleEntry) -> None:
        if change.upstream_id is None or opening.endpoint not in ASKED_FOR_AGAIN:
            return
        if len(self._entries) >= MOST:
            del self._entries[next(iter(self._entries))]
        self._entries[change.upstream_id] = LedgerEntry(opening=opening, settlement=change)
