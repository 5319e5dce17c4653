"""The ledger: one entry for every call that left for an upstream.

An entry is committed *open* before the first byte goes out and settled exactly once, whatever happens in between.
This module holds its values and what metering needs of a store; `metering.meter` holds the way of a call.
"""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from talkmeter.metering.cost import Cost
from talkmeter.metering.usage import Usage

Provenance = Literal["reported", "drained", "counted", "estimated", "unknown"]
Outcome = Literal["finished", "stopped", "interrupted", "refused", "failed", "not_sent"]
Quality = Literal["exact", "estimate"]


class OpenEntry(Struct, frozen=True, kw_only=True):
    """A change: a call is about to leave. preflight_lines: the itemised count as JSON text, for the receipt."""

    id: str
    surface: str
    principal: str
    endpoint: str
    provider_id: str
    provider_name: str
    model_requested: str
    opened_at: int
    preflight_tokens: int
    preflight_quality: Quality
    preflight_encoding: str
    preflight_lines: str
    messages_sent: int
    attempt: int = 1
    window: int | None = None
    max_output_tokens: int | None = None
    worst_case_picodollars: int | None = None
    room_id: str | None = None
    run_id: str | None = None
    question_id: str | None = None
    answer_id: str | None = None


class SettleEntry(Struct, frozen=True, kw_only=True):
    """A change: what a call came to. Refused by the store (AlreadySettled) unless the entry is open."""

    id: str
    outcome: Outcome
    provenance: Provenance
    usage: Usage | None
    raw_usage: str | None  # the provider's usage object, verbatim JSON
    cost: Cost
    settled_at: int
    first_byte_at: int | None = None
    model_served: str | None = None
    service_tier: str | None = None
    finish_reason: str | None = None
    http_status: int | None = None
    error: dict[str, Any] | None = None
    problem: str | None = None  # what was odd about the provider's figures, in English, for the receipt


class PriceEntry(Struct, frozen=True, kw_only=True):
    """A change: a settled entry that was unpriced gets its cost, because a price row arrived. Never reprices."""

    id: str
    cost: Cost


class LedgerEntry(Struct, frozen=True, kw_only=True):
    """An entry as it stands: the opening, and the settlement once there is one."""

    opening: OpenEntry
    settlement: SettleEntry | None = None


class Totals(Struct, frozen=True, kw_only=True):
    """Sums over entries. Missing figures add nothing and are counted beside."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    picodollars: int = 0
    unpriced_calls: int = 0
    unknown_calls: int = 0
    open_calls: int = 0


class LedgerStore(Protocol):
    """What metering needs of a store."""

    async def commit(self, *changes: Struct) -> None:
        """All or nothing, durable on return (fsynced). Raises Conflict when a change's condition does not hold."""
        ...

    async def entry(self, entry_id: str) -> LedgerEntry | None: ...

    async def open_entries(self) -> Sequence[LedgerEntry]:
        """Entries without a settlement, oldest first."""
        ...

    async def unpriced_entries(self, model: str | None = None) -> Sequence[LedgerEntry]:
        """Settled entries with known usage whose cost is not known; of one model (requested or served), or of all."""
        ...
