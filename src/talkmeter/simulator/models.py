"""The models that the simulator offers, and what a model's name asks for.

A name may end in `@N`: N tokens per second, 0 = as fast as possible (`sim-fast@200`).
"""

import re
from typing import NamedTuple

from talkmeter.simulator.faults import Fault, fault_names, parse_name
from talkmeter.simulator.refusals import Refusal, unknown_model

DEFAULT = "sim-fast"
SLOW_TOKENS_PER_SECOND = 8.0
CONTEXT_WINDOW = 128_000  # tokens, prompt and answer
_PREFIX = "sim-fault-"
# What each can do; the order is the order of the model list.
KINDS = {
    DEFAULT: "chat",
    "sim-slow": "chat",
    "sim-reasoning": "chat",
    "sim-korean": "chat",
    "sim-markdown": "chat",
    "sim-instruct": "completion",
    "sim-embedding": "embedding",
    "sim-moderation": "moderation",
    "sim-image": "image",
    "sim-image-classic": "image",
    "sim-speech": "speech",
    "sim-speech-tokens": "speech",
    "sim-transcribe": "transcription",
    "sim-whisper": "transcription",
}
# A model that only has a fault is of every kind; this is then what it is like.
_LIKE = {
    "chat": DEFAULT,
    "completion": "sim-instruct",
    "embedding": "sim-embedding",
    "moderation": "sim-moderation",
    "image": "sim-image",
    "speech": "sim-speech-tokens",
    "transcription": "sim-transcribe",
}
_SPEED = re.compile(r"(?P<name>.+)@(?P<speed>\d{1,6}(?:\.\d{1,3})?)")
# With `any_model`: which of ours a real name is answered like. The first that fits the name without `openai/`.
_REAL = tuple(
    (re.compile(pattern), like)
    for pattern, like in (
        (r"text-embedding-.*", "sim-embedding"),
        (r"(omni|text)-moderation.*", "sim-moderation"),
        (r"dall-e-\d.*", "sim-image-classic"),
        (r"(gpt|chatgpt)-image.*", "sim-image"),
        (r"tts-1.*", "sim-speech"),
        (r"gpt-.*-tts.*", "sim-speech-tokens"),
        (r"whisper-1", "sim-whisper"),
        (r"gpt-.*-transcribe.*", "sim-transcribe"),
        (r"gpt-3\.5-turbo-instruct.*|(davinci|babbage)-002|text-davinci-.*", "sim-instruct"),
        (r"gpt-5.*-chat.*|chat-latest", DEFAULT),
        (r"(gpt-([5-9]|[12]\d)|o\d|codex-mini).*", "sim-reasoning"),
        (r"(ft:)?(gpt-|chatgpt-).*", DEFAULT),
    )
)


class SimModel(NamedTuple):
    """name: of the one it is answered like. tokens_per_second: None = the simulator's own."""

    name: str
    tokens_per_second: float | None = None
    fault: Fault | None = None

    @property
    def reasons(self) -> bool:
        return self.name == "sim-reasoning"

    def of_kind(self, kind: str) -> "SimModel":
        """Itself as a model of a kind. Raises Refusal 404 if it is of another."""
        if self.fault is not None:
            return self if kind == "chat" else self._replace(name=_LIKE[kind])
        if KINDS[self.name] == kind:
            return self
        fitting = ", ".join(name for name, own in KINDS.items() if own == kind)
        raise Refusal(
            404,
            f"This model does not serve this endpoint: it is a {KINDS[self.name]} model. Use one of {fitting}.",
            param="model",
            code="model_not_supported",
        )


def offered() -> list[str]:
    """Every model `GET /v1/models` lists; any k works where the list shows one."""
    chat = [name for name, kind in KINDS.items() if kind == "chat"]
    return [*chat, *(_PREFIX + name for name in fault_names()), *(name for name in KINDS if name not in chat)]


def find(model: str, *, any_model: bool = False) -> SimModel:
    """What this name means. Raises Refusal 404 as OpenAI does. any_model: the project's known names, too."""
    match = _SPEED.fullmatch(model)
    name = match["name"] if match else model
    speed = float(match["speed"]) if match else None
    if name in KINDS:
        if name == "sim-slow" and speed is None:
            speed = SLOW_TOKENS_PER_SECOND
        return SimModel(name, speed)
    fault = parse_name(name.removeprefix(_PREFIX)) if name.startswith(_PREFIX) else None
    if fault is not None:
        return SimModel(name, speed, fault)
    like = _like(name) if any_model else None
    if like is None:
        raise unknown_model(model)
    return SimModel(like, speed)


def _like(name: str) -> str | None:
    """Which of ours answers for a model that the project has a price for, or an encoding."""
    from talkmeter.metering.prices.builtin import find_model
    from talkmeter.metering.tokens import encoding_for

    if find_model("openai", name) is None and not encoding_for(name).known:
        return None
    bare = name.lower().removeprefix("openai/")
    return next((like for pattern, like in _REAL if pattern.fullmatch(bare)), None)
