"""The ledger: one entry for every call that left for an upstream.

An entry is committed *open* before the first byte goes out and settled exactly once, whatever happens in between.
This module holds its values and what metering needs of a store; `metering.meter` holds the way of a call.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from talkmeter.metering.cost import Cost
from talkmeter.metering.usage import Usage

Provenance = Literal["reported", "drained", "counted", "estimated", "unknown", "reconciled"]
Outcome = Literal["finished", "stopped", "interrupted", "refused", "failed", "not_sent"]
Quality = Literal["exact", "estimate"]


class OpenEntry(Struct, frozen=True, kw_only=True):
    """A change: a call is about to leave.

    preflight_…: our own count before sending, lines itemised as JSON text for the receipt; None: not counted, as where
    the figure decides nothing. request_bytes: of the body; no request has more tokens than bytes.
    model_requested: what the provider is asked for; model_asked: what the client has said, where that was another name.
    billing: what the call is billed by, see metering.billing. key_id, end_user, tags and metadata (JSON texts): whose
    call it is, beside the principal.
    """

    id: str
    surface: str
    principal: str
    endpoint: str
    provider_id: str
    provider_name: str
    model_requested: str
    opened_at: int
    preflight_tokens: int | None = None
    preflight_quality: Quality | None = None
    preflight_encoding: str | None = None
    preflight_lines: str | None = None
    messages_sent: int | None = None
    attempt: int = 1
    window: int | None = None
    max_output_tokens: int | None = None
    worst_case_picodollars: int | None = None
    room_id: str | None = None
    run_id: str | None = None
    question_id: str | None = None
    answer_id: str | None = None
    reservations: str | None = None  # metering.reservations as JSON: what must be released, whoever settles it
    key_id: str | None = None
    end_user: str | None = None
    tags: str | None = None
    metadata: str | None = None
    request_bytes: int | None = None
    billing: str = "tokens"
    model_asked: str | None = None


class CountEntry(Struct, frozen=True, kw_only=True):
    """A change: an open entry gets the count of its prompt, made while its answer is awaited."""

    id: str
    preflight_tokens: int
    preflight_quality: Quality
    preflight_encoding: str


PROMPT_PART = 2047  # of what is kept of a call: the request itself, for its prompt


class KeepPartial(Struct, frozen=True, kw_only=True):
    """A change: text that a call without a room has brought so far; what a dead process had read is counted from it.

    part: whose text it is, by its place among the answer's texts (each choice is one), below PROMPT_PART, or that.
    seq: in order of arrival, from 1 to a million. It is forgotten with the settlement.
    """

    entry_id: str
    part: int = 0
    seq: int
    text: str


class ForgetPartials(Struct, frozen=True):
    """A change: an entry that is settled needs its partial text no more."""

    entry_id: str


class SettleEntry(Struct, frozen=True, kw_only=True):
    """A change: what a call came to. Refused by the store (Conflict) unless the entry is open.

    upstream_id: the provider's own name for its answer.
    """

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
    upstream_id: str | None = None


class CorrectEntry(Struct, frozen=True, kw_only=True):
    """A change: an entry that was settled without a report gets its figures from the provider, later.

    provenance: `reported` where a later answer told them, `reconciled` where the provider's own books decide them.
    Refused by the store (Conflict) unless the entry is settled as counted, estimated or unknown.
    """

    id: str
    provenance: Provenance
    usage: Usage
    cost: Cost
    raw_usage: str | None = None
    model_served: str | None = None
    service_tier: str | None = None
    problem: str | None = None  # instead of what stands there; None: that stays


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

    async def commit(self, *changes: Struct) -> tuple[Any, ...]:
        """All or nothing, durable on return (fsynced); gives what applying the changes has given, in order.

        Raises Conflict when a change's condition does not hold.
        """
        ...

    def submit(self, *changes: Struct) -> "asyncio.Future[tuple[Any, ...]]":
        """As commit, begun at once: what is submitted first is applied first. The future carries what commit raises."""
        ...

    def submit_quietly(self, changes: tuple[Struct, ...], failed: Callable[[BaseException], object]) -> None:
        """As submit, for somebody who only wants to hear if it fails: `failed` is called on this event loop then."""
        ...

    async def entry(self, entry_id: str) -> LedgerEntry | None: ...

    async def entry_of_answer(self, upstream_id: str) -> LedgerEntry | None:
        """The entry whose answer the provider gave this id: of a response or a batch."""
        ...

    async def open_entries(self) -> Sequence[LedgerEntry]:
        """Entries without a settlement, oldest first."""
        ...

    async def partial_texts(self, entry_id: str) -> Sequence[str]:
        """What KeepPartial has kept of an open entry's answer: each part's text."""
        ...

    async def kept_prompt(self, entry_id: str) -> str | None:
        """What KeepPartial has kept of an open entry's request, if it has."""
        ...

    async def unpriced_entries(self, model: str | None = None) -> Sequence[LedgerEntry]:
        """Settled entries with known usage whose cost is not known; of one model (requested or served), or of all."""
        ...
