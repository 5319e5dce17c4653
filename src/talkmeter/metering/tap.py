"""Reads what the meter must know out of an upstream's bytes: text, usage, served model, tier, finish reason, error.

The bytes themselves go on untouched. What cannot be understood is counted, not guessed.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

from talkmeter.metering.sse import SseReader
from talkmeter.metering.tool_fees import cites, searches_in
from talkmeter.metering.usage import Usage, UsageProblem, parse_usage

MALFORMED_LIMIT = 16  # events that make no sense before the stream is given up
NOTHING = (b"", b"null")  # a field that is not there, or says nothing


class StreamUnreadable(Exception):
    """Too many events of the stream are not what the API speaks."""


class AnswerTooLong(Exception):
    """The answer passes the limit on its length: a stream that never ends."""


# Strict only about what leads to the text: an odd value beside it must not cost a word that is billed.


class _Message(Struct):
    content: Any = None
    reasoning_content: Any = None  # DeepSeek, llama.cpp, older vLLM
    reasoning: Any = None  # Ollama, OpenRouter, vLLM; some send both names with the same text
    refusal: Any = None
    annotations: Any = None


class _Choice(Struct):
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: Any = None


class _Event(Struct):
    id: Any = None
    choices: list[_Choice] | None = None
    model: Any = None
    service_tier: Any = None
    usage: Raw = Raw()
    error: Raw = Raw()


_decode_event = msgspec.json.Decoder(_Event).decode


class Tap:
    """One call's reading. `text` is what a person sees; `hidden` what was generated and billed besides it."""

    def __init__(self, *, streamed: bool, max_event_bytes: int = 4 << 20, max_text: int = 8 << 20) -> None:
        self._sse = SseReader(max_event_bytes) if streamed else None
        self._whole = bytearray()
        self._max_event_bytes = max_event_bytes
        self._max_text = max_text
        self._size = 0
        self._parts: list[str] = []
        self._hidden: list[str] = []
        self._hidden_told = 0
        self.usage: Usage | None = None
        self.raw_usage: str | None = None
        self.problem: str | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.finish_reason: str | None = None
        self.upstream_id: str | None = None
        self.error: dict[str, Any] | None = None
        self._answered = self._cited = False
        self.done = False
        self.malformed = 0

    @property
    def text(self) -> str:
        return "".join(self._parts)

    @property
    def uses(self) -> Mapping[str, int]:
        """Of tools with a fee, by their unit: see tool_fees.searches_in."""
        return searches_in(self.model, [self._cited] if self._answered else [])

    @property
    def hidden(self) -> str:
        return "".join(self._hidden)

    @property
    def ended_early(self) -> bool:
        """A body that ended properly, yet without any of the signs that the answer did."""
        said_so = self.done or self.finish_reason or self.usage is not None or self.error is not None
        return not said_so and (self._sse is not None or not self.text)

    def new_hidden(self) -> str:
        """The part of `hidden` that has come since the last time."""
        new = self._hidden[self._hidden_told :]
        self._hidden_told = len(self._hidden)
        return "".join(new)

    def feed(self, data: bytes) -> str:
        """The new text in these bytes. Raises EventTooLarge, StreamUnreadable or AnswerTooLong."""
        if self._sse is None:
            self._whole += data
            if len(self._whole) > self._max_text + self._max_event_bytes:
                raise AnswerTooLong
            return ""
        return "".join([self._event(event) for event in self._sse.feed(data)])

    def finish(self) -> str:
        """The body ended as HTTP says it should; the text that was still held back."""
        if self._sse is None:
            return self._event(bytes(self._whole))
        return "".join([self._event(event) for event in self._sse.finish()])

    def _event(self, data: bytes) -> str:
        if data.strip() == b"[DONE]":
            self.done = True
            return ""
        event = _read(data)
        if event is None:
            self.malformed += 1
            if self.malformed > MALFORMED_LIMIT:
                raise StreamUnreadable
            return ""
        self.upstream_id = _name(event.id) or self.upstream_id
        self.model = _name(event.model) or self.model
        self.service_tier = _name(event.service_tier) or self.service_tier
        # Most events say `"usage": null`; parsing that again would be a fifth of the reading.
        if (usage := bytes(event.usage)) not in NOTHING:
            self._take_usage(usage)
        if (error := bytes(event.error)) not in NOTHING:
            self._take_error(error)
        return "".join([self._choice(choice) for choice in event.choices or ()])

    def _choice(self, choice: _Choice) -> str:
        self.finish_reason = _name(choice.finish_reason) or self.finish_reason
        message = choice.delta or choice.message
        if message is None:
            return ""
        self._answered = True
        self._cited |= message.annotations is not None and cites(message.annotations)
        text, hidden = _text_of(message.content)
        if isinstance(message.refusal, str):
            text += message.refusal
        for reasoning in (message.reasoning_content, message.reasoning):
            if isinstance(reasoning, str) and reasoning:
                hidden += reasoning
                break
        if hidden:
            self._hidden.append(hidden)
            self._grow(hidden)
        self._parts.append(text)
        self._grow(text)
        return text

    def _grow(self, text: str) -> None:
        self._size += len(text)
        if self._size > self._max_text:
            raise AnswerTooLong

    def _take_usage(self, raw: bytes) -> None:
        """The last usage that can be used stands: upstreams that send several send running totals."""
        value = json.loads(raw)
        self.raw_usage = raw.decode()
        try:
            if not isinstance(value, dict):
                raise UsageProblem("usage is not an object")
            usage = parse_usage(value)
        except UsageProblem as problem:
            self.problem = str(problem)
        else:
            self.usage = usage or self.usage
            self.problem = None

    def _take_error(self, raw: bytes) -> None:
        value = json.loads(raw)
        self.error = value if isinstance(value, dict) else {"message": str(value)}


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _text_of(content: Any) -> tuple[str, str]:
    """What is shown of a message's content, and what was generated besides it.

    Content is text, or a list of parts (Mistral): `{"type": "text", "text": …}` is shown, `thinking` is not.
    """
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        return "", ""
    shown, hidden = "", ""
    for part in content:
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            shown += part["text"]
        elif (thought := part.get("thinking")) is not None:
            hidden += thought if isinstance(thought, str) else _text_of(thought)[0]
    return shown, hidden


def _read(data: bytes) -> _Event | None:
    try:
        return _decode_event(data)
    except (ValueError, RecursionError):  # ValueError: also for bytes that are no UTF-8
        return _read_loosely(data)


def _read_loosely(data: bytes) -> _Event | None:
    """A second try for JSON that is legal but odd (lone surrogates, NaN); what stays odd is None."""
    try:
        value = json.loads(data.decode("utf-8", "replace"), parse_constant=lambda _name: None)
        return _decode_event(msgspec.json.encode(_mended(value)))
    except (ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return None


def _mended(value: Any) -> Any:
    """Lone surrogates become U+FFFD, in every string."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_mended(item) for item in value]
    return value
