"""What the price book needs of a store: the price rows that a person has entered."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from talkmeter.metering.ledger import LedgerStore
from talkmeter.metering.prices import PriceRow


class AddPriceRow(Struct, frozen=True):
    """A change. Raises Conflict if a row of that id exists: rows are never overwritten."""

    row: PriceRow
    created_at: int


class DeletePriceRow(Struct, frozen=True):
    """A change. Raises Conflict if there is no such row."""

    id: str


class PriceBookStore(LedgerStore, Protocol):
    async def price_rows(self) -> Sequence[PriceRow]:
        """Own rows, oldest first."""
        ...
