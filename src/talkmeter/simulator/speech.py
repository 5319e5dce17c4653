"""POST /v1/audio/speech: by characters, or by tokens; whole, or as events."""

import base64
from collections.abc import Iterator
from typing import Any

from talkmeter.simulator import checks
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.counting import text_tokens
from talkmeter.simulator.dialect import Dialect, Event
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.refusals import Refusal
from talkmeter.simulator.sounds import sound

_FIELDS = frozenset(("model", "input", "instructions", "voice", "response_format", "speed", "stream_format"))
_TYPES = {
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
_LONGEST = 4096  # characters
_SECONDS_A_CHARACTER = 0.01  # a small sound is enough
_TOKENS_A_CHARACTER = 2  # of sound
_PART = 4096  # bytes of one event or chunk


class SpeechJob(Job):
    """Characters are Unicode code points. A model that is charged by tokens tells them in its events only."""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        checks.known(self.body, _FIELDS)
        self._text = checks.text(self.body, "input")
        if not self._text:
            raise checks.missing("input")
        if len(self._text) > _LONGEST:
            raise Refusal(
                400,
                f"Invalid 'input': string too long. Expected a string with maximum length {_LONGEST}.",
                param="input",
                code="string_above_max_length",
            )
        checks.required(self.body, "voice")
        checks.decimal(self.body, "speed", 0.25, 4.0)
        self._form = checks.choice(self.body, "response_format", tuple(_TYPES)) or "mp3"
        self._by_tokens = self.model.name == "sim-speech-tokens"
        self.stream = checks.choice(self.body, "stream_format", ("sse", "audio")) == "sse"
        if self.stream and not self._by_tokens:
            raise Refusal(400, "This model does not support 'sse'.", param="stream_format", code="unsupported_value")

    def make(self, fault: Fault) -> Made:
        served = self.served_model(fault)
        audio = sound(self._form, len(self._text) * _SECONDS_A_CHARACTER)
        truth = Charge(characters=len(self._text))
        if self._by_tokens:
            said = text_tokens(self._text, self.name)
            told = text_tokens(checks.text(self.body, "instructions"), self.name)
            truth = truth._replace(prompt_tokens=said + told, completion_tokens=len(self._text) * _TOKENS_A_CHARACTER)
        return Made(SpeechDialect(audio, _TYPES[self._form]), truth, model=served)


class SpeechDialect(Dialect):
    def __init__(self, audio: bytes, media_type: str) -> None:
        self._audio = audio
        self.media_type = media_type

    def contents(self) -> Iterator[Event]:
        for part in self.parts(self._audio):
            payload = {"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()}
            yield Event(self.event(payload))

    def closing(self, usages: list[dict[str, Any]], *, done: bool) -> Iterator[Event]:
        if not done:
            yield Event(b"")
            return
        claims: list[dict[str, Any] | None] = [*usages]
        for usage in claims or [None]:
            payload = {"type": "speech.audio.done", **({} if usage is None else {"usage": usage})}
            yield Event(self.event(payload), usage=usage)

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        return self._audio

    def parts(self, body: bytes) -> list[bytes]:
        return [body[start : start + _PART] for start in range(0, len(body), _PART)]

    def tells(self, *, stream: bool) -> bool:
        return stream

    def usage(self, charge: Charge) -> dict[str, Any]:
        return {
            "input_tokens": charge.prompt_tokens,
            "output_tokens": charge.completion_tokens,
            "total_tokens": charge.prompt_tokens + charge.completion_tokens,
        }
