"""Usage: what a provider says a call has used, in one normal form.

The convention is OpenAI's. Cached, cache-written, audio and image tokens of the prompt are *inside* `prompt_tokens`;
reasoning, audio and image tokens of the answer are *inside* `completion_tokens`. Dialects that count them outside
(Anthropic's cache, xAI's reasoning) are turned into this form here and nowhere else: mixing the two bills twice.
"""

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import msgspec
from msgspec import Struct

MOST_TOKENS = 10**12  # more than any single call can use; a larger figure is a mistake


class Usage(Struct, frozen=True, kw_only=True):
    """What one call has used. None: not said. 0: said to be zero.

    Calls that are not billed by the token say characters (speech), seconds (transcription, rounded up) or images.
    cached_audio_tokens and cached_image_tokens are inside cached_tokens (realtime and image endpoints say them);
    cache_write_1h_tokens is inside cache_write_tokens (Anthropic's dearer, longer-lived writes).
    """

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    prompt_audio_tokens: int | None = None
    prompt_image_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    completion_audio_tokens: int | None = None
    completion_image_tokens: int | None = None
    cached_audio_tokens: int | None = None
    cached_image_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    characters: int | None = None
    seconds: int | None = None
    images: int | None = None


# What the parts of a whole are called: by Chat Completions, by Responses, by transcriptions and Realtime.
_OF_PROMPT = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OF_COMPLETION = ("completion_tokens_details", "output_tokens_details", "output_token_details")

_Figure = Annotated[int, msgspec.Meta(ge=0, le=MOST_TOKENS)]


class _Into(Struct, forbid_unknown_fields=True):
    cached_tokens: _Figure | None = None
    cache_write_tokens: _Figure | None = None
    audio_tokens: _Figure | None = None
    text_tokens: Any = None
    image_tokens: _Figure | None = None


class _Out(Struct, forbid_unknown_fields=True):
    reasoning_tokens: _Figure | None = None
    audio_tokens: _Figure | None = None
    text_tokens: Any = None
    image_tokens: _Figure | None = None
    accepted_prediction_tokens: Any = None
    rejected_prediction_tokens: Any = None


class _Usual(Struct, forbid_unknown_fields=True):
    """Chat Completions' usage, and nothing else beside it."""

    prompt_tokens: _Figure
    completion_tokens: _Figure
    total_tokens: _Figure
    prompt_tokens_details: _Into | None = None
    completion_tokens_details: _Out | None = None


_usual = msgspec.json.Decoder(_Usual).decode
_NO_INTO, _NO_OUT = _Into(), _Out()
_CHAT = b'{"prompt_tokens"'  # how it nearly always begins


def _plain(usual: _Usual) -> Usage | None:
    """The usage, if its parts fit into their wholes; else the reading that says what is wrong decides."""
    prompt, completion = usual.prompt_tokens, usual.completion_tokens
    into, out = usual.prompt_tokens_details or _NO_INTO, usual.completion_tokens_details or _NO_OUT
    cached, written, audio, image = into.cached_tokens, into.cache_write_tokens, into.audio_tokens, into.image_tokens
    reasoning, audio_out, image_out = out.reasoning_tokens, out.audio_tokens, out.image_tokens
    if (
        prompt + completion != usual.total_tokens
        or (cached or 0) + (written or 0) > prompt
        or (audio or 0) + (image or 0) > prompt
        or (reasoning or 0) > completion
        or (audio_out or 0) + (image_out or 0) > completion
    ):
        return None
    return Usage(
        prompt_tokens=prompt,
        cached_tokens=cached,
        cache_write_tokens=written,
        prompt_audio_tokens=audio,
        prompt_image_tokens=image,
        completion_tokens=completion,
        reasoning_tokens=reasoning,
        completion_audio_tokens=audio_out,
        completion_image_tokens=image_out,
    )


class UsageProblem(ValueError):
    """A usage object whose figures cannot be believed. The text says which figure and why."""


def read_usage(raw: bytes) -> Usage | None:
    """As parse_usage, from the JSON as it came. The form that nearly all usage has is read without a detour."""
    if raw.startswith(_CHAT) or _CHAT[1:] in raw:
        try:
            usual = _usual(raw)
        except msgspec.ValidationError:
            usual = None
        if usual is not None and (usage := _plain(usual)) is not None:
            return usage
    value = json.loads(raw)
    if not isinstance(value, dict):
        _refuse("usage is not an object")
    return parse_usage(value)


def parse_usage(raw: Mapping[str, Any] | None) -> Usage | None:
    """The usage of Chat Completions, Completions, Embeddings, Responses, Transcriptions or Realtime in the normal form.

    Reads `prompt_tokens`/`completion_tokens` or `input_tokens`/`output_tokens` with their details, and the cache
    figures of DeepSeek (`prompt_cache_hit_tokens`) and Moonshot (`cached_tokens`). Unknown fields are ignored, null is
    the same as absent. `total_tokens` fills in a completion that is not said (embeddings), and shows when reasoning
    was counted outside the completion. None if no token figure is there. Raises UsageProblem for figures that are
    negative, not integers, absurd or contradict each other.
    """
    if raw is None:
        return None
    if raw.get("type") == "duration":  # transcription by the second
        return Usage(seconds=_seconds(raw))
    _refuse_foreign_cache(raw)
    prompt = _first(raw, "prompt_tokens", "input_tokens")
    completion = _first(raw, "completion_tokens", "output_tokens")
    total = _figure(raw, "total_tokens")
    if prompt is None and completion is None:
        return None
    into, out = _details(raw, *_OF_PROMPT), _details(raw, *_OF_COMPLETION)
    by_kind = _details(into, "cached_tokens_details")
    cached = _figure(into, "cached_tokens")
    reasoning = _figure(out, "reasoning_tokens")
    if total is not None and prompt is not None:
        completion = _completion(prompt, completion, reasoning, total)
    return _checked(
        Usage(
            prompt_tokens=prompt,
            cached_tokens=cached if cached is not None else _first(raw, "prompt_cache_hit_tokens", "cached_tokens"),
            cache_write_tokens=_figure(into, "cache_write_tokens"),
            prompt_audio_tokens=_figure(into, "audio_tokens"),
            prompt_image_tokens=_figure(into, "image_tokens"),
            completion_tokens=completion,
            reasoning_tokens=reasoning,
            completion_audio_tokens=_figure(out, "audio_tokens"),
            completion_image_tokens=_figure(out, "image_tokens"),
            cached_audio_tokens=_figure(by_kind, "audio_tokens"),
            cached_image_tokens=_figure(by_kind, "image_tokens"),
        )
    )


def parse_images_usage(raw: Mapping[str, Any] | None) -> Usage | None:
    """The usage of OpenAI's Images endpoint: output without a split is image output, never text.

    Same errors as parse_usage.
    """
    usage = parse_usage(raw)
    if usage is None or usage.completion_image_tokens is not None or usage.completion_tokens is None:
        return usage
    text = _figure(_details(raw or {}, *_OF_COMPLETION), "text_tokens") or 0
    return _checked(_replace(usage, completion_image_tokens=usage.completion_tokens - text))


def parse_anthropic_usage(raw: Mapping[str, Any] | None) -> Usage | None:
    """Anthropic's usage, whose `input_tokens` leave out what was read from and written to the cache.

    Same errors as parse_usage.
    """
    if raw is None:
        return None
    plain = _figure(raw, "input_tokens")
    completion = _figure(raw, "output_tokens")
    if plain is None and completion is None:
        return None
    read = _figure(raw, "cache_read_input_tokens")
    written = _figure(raw, "cache_creation_input_tokens")
    return _checked(
        Usage(
            prompt_tokens=None if plain is None else plain + (read or 0) + (written or 0),
            cached_tokens=read,
            cache_write_tokens=written,
            cache_write_1h_tokens=_figure(_details(raw, "cache_creation"), "ephemeral_1h_input_tokens"),
            completion_tokens=completion,
            reasoning_tokens=_figure(_details(raw, "output_tokens_details"), "thinking_tokens"),
        )
    )


def _seconds(raw: Mapping[str, Any]) -> int:
    """Begun seconds count, as they are billed."""
    value = raw.get("seconds")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        _refuse(f"seconds is {value!r:.60}, not a duration")
    return math.ceil(value)


def _completion(prompt: int, completion: int | None, reasoning: int | None, total: int) -> int:
    """The completion with its reasoning inside, as the total proves it."""
    rest = total - prompt
    if completion is None or rest == completion:
        if rest < 0:
            _refuse(f"total_tokens {total} is less than prompt_tokens {prompt}")
        return rest
    if rest != completion + (reasoning or 0):  # xAI and others count reasoning beside the completion
        _refuse(f"total_tokens {total} is not prompt_tokens {prompt} + completion_tokens {completion}")
    return rest


def _checked(usage: Usage) -> Usage:
    """The usage itself. Raises UsageProblem if a part is larger than its whole."""
    for part, whole in (
        (("cached_tokens", "cache_write_tokens"), "prompt_tokens"),
        (("prompt_audio_tokens", "prompt_image_tokens"), "prompt_tokens"),
        (("reasoning_tokens",), "completion_tokens"),
        (("completion_audio_tokens", "completion_image_tokens"), "completion_tokens"),
        (("cached_audio_tokens", "cached_image_tokens"), "cached_tokens"),
        (("cached_audio_tokens",), "prompt_audio_tokens"),
        (("cached_image_tokens",), "prompt_image_tokens"),
        (("cache_write_1h_tokens",), "cache_write_tokens"),
    ):
        parts = sum(getattr(usage, name) or 0 for name in part)
        limit = getattr(usage, whole)
        if limit is not None and parts > limit:
            _refuse(f"{' + '.join(part)} {parts} is more than {whole} {limit}")
    return usage


def _refuse_foreign_cache(raw: Mapping[str, Any]) -> None:
    """A cache counted outside the input needs parse_anthropic_usage; reading it as ours would lose tokens."""
    if raw.get("prompt_tokens") is not None:
        return
    for name in ("cache_read_input_tokens", "cache_creation_input_tokens"):
        if _figure(raw, name):
            _refuse(f"{name} stands beside input_tokens, not inside it: this is Anthropic's form of usage")


def _first(raw: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        figure = _figure(raw, name)
        if figure is not None:
            return figure
    return None


def _figure(raw: Mapping[str, Any], name: str) -> int | None:
    value = raw.get(name)
    if value is None:
        return None
    if type(value) is not int:  # bool is an int to isinstance, and 12.0 is not a count
        _refuse(f"{name} is {type(value).__name__} {value!r:.60}, not an integer")
    if value < 0:
        _refuse(f"{name} is negative ({value})")
    if value > MOST_TOKENS:
        _refuse(f"{name} {value} is more than any call can use")
    return value


def _details(raw: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        value = raw.get(name)
        if isinstance(value, Mapping):
            return value
        if value is not None:
            _refuse(f"{name} is {type(value).__name__}, not an object")
    return {}


def _replace(usage: Usage, **changes: int | None) -> Usage:
    return Usage(**{name: changes.get(name, getattr(usage, name)) for name in Usage.__struct_fields__})


def _refuse(reason: str) -> NoReturn:
    raise UsageProblem(reason)
