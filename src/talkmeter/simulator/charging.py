"""What a request costs on the simulator's bill: one pure rule for every way a request can end."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Charge(NamedTuple):
    """Figures of one request, named as in a bill's row.

    Tokens: cached, cache-written, audio and image tokens of the prompt are parts of it; reasoning, audio and
    image tokens of the completion are parts of that. characters: spoken; seconds: heard; images: drawn.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0
    prompt_audio_tokens: int = 0
    prompt_image_tokens: int = 0
    completion_audio_tokens: int = 0
    completion_image_tokens: int = 0
    characters: int = 0
    seconds: int = 0
    images: int = 0


NOTHING = Charge()


def claimed(usage: Mapping[str, Any], *, draws: bool = False) -> Charge | None:
    """The charge that a usage object claims; None when it claims what cannot be (below zero, no integer).

    Reads the forms of chat, completions and embeddings (`prompt_tokens`), of responses, images and audio
    (`input_tokens`), and a duration in seconds. draws: output of which no part is named is image output.
    """
    into = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    into = into or usage.get("input_token_details") or {}
    out = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    completion = _first(usage, "completion_tokens", "output_tokens")
    image = out.get("image_tokens")
    if draws and image is None and isinstance(completion, int):
        image = completion - (out.get("text_tokens") or 0)
    charge = Charge(
        prompt_tokens=_first(usage, "prompt_tokens", "input_tokens"),
        cached_tokens=into.get("cached_tokens") or 0,
        completion_tokens=completion,
        reasoning_tokens=out.get("reasoning_tokens") or 0,
        cache_write_tokens=into.get("cache_write_tokens") or 0,
        prompt_audio_tokens=into.get("audio_tokens") or 0,
        prompt_image_tokens=into.get("image_tokens") or 0,
        completion_audio_tokens=out.get("audio_tokens") or 0,
        completion_image_tokens=image or 0,
        seconds=usage.get("seconds") or 0,
    )
    if not all(type(figure) is int and figure >= 0 for figure in charge):
        return None
    return charge


def charge(
    *,
    status: int | None,
    finished: bool,
    usage_sent: Mapping[str, Any] | None,
    truth: Charge,
    written_tokens: int,
    draws: bool = False,
) -> Charge:
    """What is charged, by the first rule that applies.

    1. No status went out, or an error status: nothing.
    2. A usage object was fully written: what the last one says, zero included, unless it is negative; and
       what no usage object says (characters, seconds beside tokens).
    3. The answer was written to its end: the true usage.
    4. The stream broke off (by us or by the client): what the client sent (prompt, characters to speak,
       seconds to hear) and `written_tokens`, the tokens of the text whose events were fully written.
       Neither cached nor reasoning tokens: a broken stream is charged by what both sides can see.
    """
    if status != 200:
        return NOTHING
    if usage_sent is not None and (claim := claimed(usage_sent, draws=draws)) is not None:
        heard = claim.seconds if "seconds" in usage_sent else truth.seconds
        return claim._replace(characters=truth.characters, seconds=heard)
    if finished:
        return truth
    return Charge(
        prompt_tokens=truth.prompt_tokens,
        completion_tokens=written_tokens,
        prompt_audio_tokens=truth.prompt_audio_tokens,
        prompt_image_tokens=truth.prompt_image_tokens,
        characters=truth.characters,
        seconds=truth.seconds,
    )


def _first(usage: Mapping[str, Any], *names: str) -> Any:
    return next((usage[name] for name in names if usage.get(name) is not None), 0)
