"""POST /v1/audio/transcriptions and /v1/audio/translations: by tokens, or by seconds."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from talkmeter.simulator import checks
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.counting import text_tokens
from talkmeter.simulator.dialect import Dialect, Event
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.pieces import split
from talkmeter.simulator.refusals import Refusal
from talkmeter.simulator.sounds import seconds_of

_FIELDS = frozenset(
    """model language languages keywords prompt response_format temperature include timestamp_granularities stream
    chunking_strategy known_speaker_names known_speaker_references""".split()  # noqa: SIM905
)
_TRANSLATION_FIELDS = frozenset(("model", "prompt", "response_format", "temperature"))
_FORMS = ("json", "text", "srt", "verbose_json", "vtt")
_AUDIO_TOKENS_A_SECOND = 10
_HEARD = "This is what the simulator heard in {seconds} s of sound; it is not from a real model."


class TranscriptionJob(Job):
    fields = _FIELDS
    task = "transcribe"

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        checks.known(self.body, self.fields)
        uploads = incoming.files.get("file", [])
        if not uploads:
            raise checks.missing("file")
        self._seconds = seconds_of(uploads[0].data)
        if not self._seconds:
            raise Refusal(400, "Invalid file format: there is no sound in it.", param="file")
        self._by_tokens = self.model.name == "sim-transcribe"
        checks.decimal(self.body, "temperature", 0.0, 1.0)
        self._form = (
            checks.choice(self.body, "response_format", ("json", "text") if self._by_tokens else _FORMS) or "json"
        )
        # As OpenAI does: whisper-1 ignores the wish.
        self.stream = checks.boolean(self.body, "stream") and self._by_tokens

    def make(self, fault: Fault) -> Made:
        served = self.served_model(fault)
        text = _HEARD.format(seconds=f"{self._seconds:g}") if fault.answer is None else fault.answer
        whole_seconds = math.ceil(self._seconds)
        truth = Charge(seconds=whole_seconds)
        if self._by_tokens:
            heard = math.ceil(self._seconds * _AUDIO_TOKENS_A_SECOND)
            told = text_tokens(checks.text(self.body, "prompt"), self.name)
            truth = truth._replace(
                prompt_tokens=heard + told,
                prompt_audio_tokens=heard,
                completion_tokens=text_tokens(text, self.name),
            )
        dialect = HearingDialect(text, self._form, self.task, self._seconds, truth, by_tokens=self._by_tokens)
        return Made(dialect, truth, model=served)


class TranslationJob(TranscriptionJob):
    fields = _TRANSLATION_FIELDS
    task = "translate"


class HearingDialect(Dialect):
    def __init__(self, text: str, form: str, task: str, seconds: float, truth: Charge, *, by_tokens: bool) -> None:
        self._text, self._form, self._task, self._seconds = text, form, task, seconds
        self._tokens = truth.completion_tokens
        self._by_tokens = by_tokens
        if "json" not in form:
            self.media_type = "text/plain"

    def contents(self) -> Iterator[Event]:
        pieces = split(self._text)
        for piece in pieces:
            yield Event(self.more(piece), piece, tokens=self._tokens / len(pieces))

    def more(self, text: str) -> bytes:
        return self.event({"type": "transcript.text.delta", "delta": text})

    def closing(self, usages: list[dict[str, Any]], *, done: bool) -> Iterator[Event]:
        claims: list[dict[str, Any] | None] = [*usages]
        for usage in claims or [None]:
            payload = {"type": "transcript.text.done", "text": self._text}
            yield Event(self.event(payload if usage is None else {**payload, "usage": usage}), usage=usage)
        if done:
            yield Event(self.data(b"[DONE]"))

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        if self._form == "text":
            return f"{self._text}\n".encode()
        if self._form in ("srt", "vtt"):
            return _subtitles(self._form, self._text, self._seconds).encode()
        body: dict[str, Any] = {"text": self._text}
        if self._form == "verbose_json":
            body = {"task": self._task, "language": "english", "duration": self._seconds, **body, "segments": []}
        return msgspec.json.encode(self.padded(body if usage is None else {**body, "usage": usage}))

    def whole_text(self) -> str:
        return self._text

    def tells(self, *, stream: bool) -> bool:
        return self._task == "transcribe" and (stream or "json" in self._form)

    def usage(self, charge: Charge) -> dict[str, Any]:
        if not self._by_tokens:
            return {"type": "duration", "seconds": charge.seconds}
        return {
            "type": "tokens",
            "input_tokens": charge.prompt_tokens,
            "input_token_details": {
                "text_tokens": charge.prompt_tokens - charge.prompt_audio_tokens,
                "audio_tokens": charge.prompt_audio_tokens,
            },
            "output_tokens": charge.completion_tokens,
            "total_tokens": charge.prompt_tokens + charge.completion_tokens,
        }


def _subtitles(form: str, text: str, seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    point = "," if form == "srt" else "."
    until = f"00:{int(minutes):02}:{rest:06.3f}".replace(".", point)
    head = "1\n" if form == "srt" else "WEBVTT\n\n"
    return f"{head}00:00:00{point}000 --> {until}\n{text}\n\n"
