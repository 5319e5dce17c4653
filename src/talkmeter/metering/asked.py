"""What the meter must know of a request that passes through, and how its prompt is counted should it matter. Pure."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from talkmeter.metering.billing import TOKENS
from talkmeter.metering.tokens import (
    PromptCount,
    count_embeddings,
    count_legacy_prompt,
    count_prompt,
    count_responses_prompt,
)

_COUNTERS: Mapping[str, Callable[[Any, str], PromptCount]] = {
    "chat/completions": count_prompt,
    "responses": count_responses_prompt,
    "completions": count_legacy_prompt,
    "embeddings": count_embeddings,
}


class Asked(Struct, frozen=True, kw_only=True):
    """One request. body: its JSON, empty where it is none. choices: how many answers it asks for at once.

    max_output_tokens: as asked; None: as many as the model can. characters, images: what it asks to be spoken, drawn.
    model_asked: the name that the client said, where a route has made another of it. form: the fields of a body that is
    no JSON. late: asks for the answer to an earlier call, whose figures it may tell.
    """

    endpoint: str
    model: str
    streamed: bool = False
    body: bytes = b""
    request_bytes: int = 0
    max_output_tokens: int | None = None
    choices: int = 1
    service_tier: str | None = None
    billing: str = TOKENS
    characters: int | None = None
    images: int | None = None
    late: bool = False
    form: Mapping[str, Any] | None = None
    model_asked: str | None = None


class PassingContext(Struct, frozen=True, kw_only=True):
    """Whose call this is; goes onto the ledger entry as it is. tags, metadata: JSON texts."""

    surface: str
    principal: str
    key_id: str | None = None
    end_user: str | None = None
    tags: str | None = None
    metadata: str | None = None


def is_countable(asked: Asked) -> bool:
    """Whether there is a formula for its prompt; none is known for audio and pictures."""
    return asked.billing == TOKENS and asked.endpoint in _COUNTERS


def count_asked(asked: Asked) -> PromptCount | None:
    """The prompt by our own count; None where it cannot be counted. Slow: for a thread."""
    if not is_countable(asked):
        return None
    try:
        request = msgspec.json.decode(asked.body)
        return _COUNTERS[asked.endpoint](request, asked.model)
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None  # the provider refuses what is so malformed; there is nothing to be counted


def as_preflight(count: PromptCount) -> dict[str, Any]:
    """The fields of an entry that tell of a count."""
    return {
        "preflight_tokens": count.total,
        "preflight_quality": count.quality,
        "preflight_encoding": count.encoding,
    }
