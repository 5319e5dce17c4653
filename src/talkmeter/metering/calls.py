"""The ledger as a list of calls: which of them, in which order, a page at a time, and what they come to together."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct

from talkmeter.metering.ledger import Outcome, Provenance, Totals

Order = Literal["newest", "cost", "tokens", "duration"]
Grouping = Literal["day", "model", "key", "user", "provider"]

QUARTER = 900_000_000  # µs: every time zone's days begin with a quarter of an hour


class CallFilter(Struct, frozen=True, kw_only=True):
    """Which calls. None: whichever. since ≤ opened_at < until, µs. unpriced: usage known, price not.

    model is the name that was asked for, by the client or of the provider, served the one that answered; tag is one of
    the call's tags.
    """

    since: int | None = None
    until: int | None = None
    principal: str | None = None
    key_id: str | None = None
    provider_id: str | None = None
    model: str | None = None
    served: str | None = None
    endpoint: str | None = None
    surface: str | None = None
    outcome: str | None = None
    provenance: str | None = None
    state: Literal["open", "settled"] | None = None
    tag: str | None = None
    end_user: str | None = None
    unpriced: bool = False


class Call(Struct, frozen=True, kw_only=True):
    """One line of the list. tags and metadata are JSON texts; error is the code of what went wrong.

    Figures as in metering.usage. tools: how often each tool with a fee was used, by its unit; None: not known.
    """

    id: str
    state: Literal["open", "settled"]
    opened_at: int
    first_byte_at: int | None
    settled_at: int | None
    surface: str
    principal: str
    key_id: str | None
    endpoint: str
    provider_id: str
    provider_name: str
    model_requested: str
    model_asked: str | None
    model_served: str | None
    service_tier: str | None
    attempt: int
    outcome: Outcome | None
    provenance: Provenance | None
    has_usage: bool | None
    prompt_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    completion_tokens: int | None
    reasoning_tokens: int | None
    prompt_audio_tokens: int | None
    prompt_image_tokens: int | None
    completion_audio_tokens: int | None
    completion_image_tokens: int | None
    cached_audio_tokens: int | None
    cached_image_tokens: int | None
    cache_write_1h_tokens: int | None
    characters: int | None
    seconds: int | None
    images: int | None
    tools: Mapping[str, int] | None
    picodollars: int | None
    http_status: int | None
    finish_reason: str | None
    error: str | None
    end_user: str | None
    tags: str | None
    metadata: str | None
    room_id: str | None
    upstream_id: str | None

    @property
    def priced(self) -> bool | None:
        """False: tokens are known but a price is missing. None: open, or the tokens are not known either."""
        if self.picodollars is not None:
            return True
        return False if self.has_usage else None


class CallPage(Struct, frozen=True):
    """next: the cursor of what follows, None at the end."""

    calls: Sequence[Call]
    next: str | None


class CallSums(Struct, frozen=True, kw_only=True):
    """The calls that share a key: a quarter of an hour's first µs, a model, a key's, user's or provider's id."""

    key: int | str | None
    totals: Totals


class CallStore(Protocol):
    """What the list of calls needs of a store."""

    async def calls(self, wanted: CallFilter, order: Order, cursor: str | None, limit: int) -> CallPage:
        """The largest first, what is not known last. Raises BadInput for a cursor that is none of this order's."""
        ...

    async def call_totals(self, wanted: CallFilter) -> Totals: ...

    async def call_sums(self, wanted: CallFilter, by: Grouping) -> Sequence[CallSums]:
        """In no order. by day: quarters of an hour, since only the caller knows where a day begins."""
        ...
