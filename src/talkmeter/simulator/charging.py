"""What a request costs on the simulator's bill: one pure rule for every way a request can end."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Charge(NamedTuple):
    """Tokens. `cached` is a part of `prompt`, `reasoning` a part of `completion`."""

    prompt: int = 0
    cached: int = 0
    completion: int = 0
    reasoning: int = 0


NOTHING = Charge()


def claimed(usage: Mapping[str, Any]) -> Charge | None:
    """The charge that a usage object claims; None when it claims something below zero."""
    prompt_details = usage.get("prompt_tokens_details") or {}
    completion_details = usage.get("completion_tokens_details") or {}
    charge = Charge(
        prompt=usage["prompt_tokens"],
        cached=prompt_details.get("cached_tokens", 0),
        completion=usage["completion_tokens"],
        reasoning=completion_details.get("reasoning_tokens", 0),
    )
    return None if min(charge) < 0 else charge


def charge(
    *,
    status: int | None,
    finished: bool,
    usage_sent: Mapping[str, Any] | None,
    truth: Charge,
    written_tokens: int,
) -> Charge:
    """The charge in tokens, by the first rule that applies.

    1. No status went out, or an error status: nothing.
    2. A usage object was fully written: what the last one says, zero included, unless it is negative.
    3. The answer was written to its end: the true usage.
    4. The stream broke off (by us or by the client): the prompt and `written_tokens`, the tokens of
       the text whose events were fully written. Neither cached nor reasoning tokens: a broken stream
       is charged by what both sides can see.
    """
    if status != 200:
        return NOTHING
    if usage_sent is not None and (claim := claimed(usage_sent)) is not None:
        return claim
    if finished:
        return truth
    return Charge(prompt=truth.prompt, completion=written_tokens)
