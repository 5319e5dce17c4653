"""What a provider's books and the ledger both tell of calls, in one form that can be added and compared."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from talkmeter.metering.usage import Usage


class Figures(Struct, frozen=True, kw_only=True):
    """Sums over calls. cached, cache_write, audio_input and image_input are parts of input; likewise for output."""

    requests: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    audio_input: int = 0
    image_input: int = 0
    output: int = 0
    audio_output: int = 0
    image_output: int = 0
    characters: int = 0
    seconds: int = 0
    images: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(**{name: getattr(self, name) + getattr(other, name) for name in NAMES})

    def __sub__(self, other: "Figures") -> "Figures":
        return Figures(**{name: getattr(self, name) - getattr(other, name) for name in NAMES})

    def __bool__(self) -> bool:
        return self != NOTHING

    @property
    def negative(self) -> bool:
        return any(getattr(self, name) < 0 for name in NAMES)

    def only(self, names: Iterable[str]) -> "Figures":
        return Figures(**{name: getattr(self, name) for name in names})

    def shown(self) -> dict[str, int]:
        """Those that are not zero."""
        return {name: figure for name in NAMES if (figure := getattr(self, name))}


NAMES = Figures.__struct_fields__
NOTHING = Figures()
# A call that is not in the provider's books: nothing of anything, where a call that is there has figures of its kind.
ABSENT = Usage(prompt_tokens=0, completion_tokens=0, characters=0, seconds=0, images=0)
_TOKENS = tuple(name for name in NAMES if name not in ("characters", "seconds", "images"))
# What each of the provider's usage books tells and we can know as well. Moderations cost nothing: only their number.
TOLD: Mapping[str, tuple[str, ...]] = {
    "completions": _TOKENS,
    "embeddings": ("requests", "input"),
    "moderations": ("requests",),
    "images": ("requests", "images"),
    "audio_speeches": ("requests", "characters"),
    "audio_transcriptions": ("requests", "seconds"),
}
KINDS = tuple(TOLD)
# The usage book in which the calls of an endpoint are found.
KIND_OF: Mapping[str, str] = {
    "chat/completions": "completions",
    "responses": "completions",
    "responses/compact": "completions",
    "completions": "completions",
    "batches": "completions",
    "embeddings": "embeddings",
    "moderations": "moderations",
    "images/generations": "images",
    "images/edits": "images",
    "images/variations": "images",
    "audio/speech": "audio_speeches",
    "audio/transcriptions": "audio_transcriptions",
    "audio/translations": "audio_transcriptions",
}
_USAGE_NAMES: Mapping[str, str] = {
    "input": "prompt_tokens",
    "cached": "cached_tokens",
    "cache_write": "cache_write_tokens",
    "audio_input": "prompt_audio_tokens",
    "image_input": "prompt_image_tokens",
    "output": "completion_tokens",
    "audio_output": "completion_audio_tokens",
    "image_output": "completion_image_tokens",
    "characters": "characters",
    "seconds": "seconds",
    "images": "images",
}


def figures_of(usage: Usage | None, requests: int) -> Figures:
    """What is not said adds nothing."""
    if usage is None:
        return Figures(requests=requests)
    said = {name: getattr(usage, field) or 0 for name, field in _USAGE_NAMES.items()}
    return Figures(requests=requests, **said)


def usage_of(figures: Figures, kind: str) -> Usage:
    """The usage of one call as a book tells it."""
    told = {_USAGE_NAMES[name]: getattr(figures, name) for name in TOLD[kind] if name != "requests"}
    if kind == "embeddings":
        told["completion_tokens"] = 0
    return Usage(**told)


def total(parts: Iterable[Figures]) -> Figures:
    sums = NOTHING
    for part in parts:
        sums = sums + part
    return sums
