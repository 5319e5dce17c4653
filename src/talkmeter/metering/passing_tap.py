"""Reads the bill out of an answer that only passes through: usage, served model, tier, finish reason, error, text.

The bytes go on to the client untouched and first; here they are kept as they came and read in one go: four times a
second while an answer is being streamed, and at its end. What cannot be understood is left out, never guessed.

One shape of event covers all endpoints: Chat Completions and Completions (`choices`), Responses (`response.…` events
with the whole inside), images, speech and transcription (`…completed`, `…done` with a usage).
"""

import json
import logging
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from msgspec import Raw

from talkmeter.metering.answer_shapes import Choice, Event, decode_event, decode_usual, read_items
from talkmeter.metering.frames import Frame, frame_of
from talkmeter.metering.odd_json import object_at, read_loosely
from talkmeter.metering.passing_texts import Said, name_of, said_in_calls, texts_in
from talkmeter.metering.sse import EventTooLarge, SseReader
from talkmeter.metering.tool_fees import cites, searches_in, uses_in
from talkmeter.metering.unpacking import PACKED, Unpackable, Unpacker
from talkmeter.metering.usage import Usage, UsageProblem, parse_images_usage, read_usage

log = logging.getLogger(__name__)

WHOLE_LIMIT = 8 << 20  # bytes of an answer in one piece that are kept; of longer ones the beginning and the end
ENDS = 128 << 10  # bytes of either
TEXT_LIMIT = 16 << 20  # characters
LONGEST_ERROR = 500  # characters of one that cannot be read
NULL = Raw(b"null")
DONE = b"[DONE]"
MISSES = 8  # then events are no more compared
_USAGE = re.compile(rb'"usage"\s*:\s*\{')
_ENDED = frozenset({"response.completed", "response.incomplete", "response.failed"})
_DELTAS = frozenset(
    {
        "response.output_text.delta",
        "response.refusal.delta",
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "transcript.text.delta",
    }
)


class PassingTap:
    """One answer's reading. streamed: server-sent events. images: its usage is that of the Images endpoint."""

    # What is known before anything has been read.
    received = False
    usage: Usage | None = None
    raw_usage: str | None = None
    problem: str | None = None
    model: str | None = None
    service_tier: str | None = None
    finish_reason: str | None = None
    upstream_id: str | None = None
    error: dict[str, Any] | None = None
    items: int | None = None  # of `data`: pictures, embeddings
    done = False
    _carry = b""
    _first = b""  # of a long answer in one piece
    _frame: Frame | None = None  # of the event before
    _misses = 0  # events in a row that were not the one before but for their text
    _reader: SseReader | None = None  # once the stream is not in the usual form
    _uses: Mapping[str, int] = MappingProxyType({})

    def __init__(self, *, streamed: bool, encoding: str = "", images: bool = False) -> None:
        self.streamed = streamed
        self.plain = encoding in ("", "identity")
        self._images = images
        self._unpacker = Unpacker() if encoding in PACKED else None
        self.unreadable = not self.plain and self._unpacker is None
        self._unread = self.unreadable  # part of the answer
        if self.unreadable:
            self.problem = f"the answer came packed as {encoding:.40}, which is not read here"
        self._new: list[bytes] = []
        self.feed: Callable[[bytes], None] = self._new.append  # keeps bytes for the next `read`, for next to nothing
        self._answers: dict[int, bool] = {}  # by choice: whether it cites the web

    @cached_property
    def _said(self) -> Said:
        return Said(TEXT_LIMIT)

    @property
    def texts(self) -> list[str]:
        """All that was generated, as far as it came as text: see passing_texts.Said."""
        return self._said.texts

    def new_texts(self) -> list[tuple[int, str]]:
        """Reads what has come, and gives what is new since the last time, each with its place among `texts`."""
        self.read()
        return self._said.new()

    @property
    def uses(self) -> Mapping[str, int]:
        """Of tools with a fee, by their unit."""
        if self._uses:
            return self._uses
        return searches_in(self.model, self._answers.values()) if self._answers else {}

    def texts_anew(self) -> None:
        """`new_texts` gives all of them the next time."""
        self._said.anew()

    @property
    def incomplete(self) -> bool:
        """Part of the answer was not read: its texts do not say what it came to."""
        return self._unread or self._said.full

    @property
    def ended_early(self) -> bool:
        """A stream that ended properly, yet without any of the signs that the answer did."""
        said_so = self.done or self.finish_reason or self.usage is not None or self.error is not None
        return self.streamed and not said_so

    @property
    def too_long(self) -> bool:
        """An answer in one piece of which only the ends were read."""
        return bool(self._first)

    def read(self) -> None:
        """Takes in what `feed` has kept."""
        if not self._new or self.unreadable:
            self._new.clear()
            return
        data = b"".join(self._new)
        self._new.clear()
        self.received = True
        if self._unpacker is not None:
            self._unpack(self._unpacker, data)
        elif self.streamed:
            self._read_stream(data)
        else:
            self._keep_whole(data)

    def _unpack(self, unpacker: Unpacker, data: bytes) -> None:
        take_in = self._read_stream if self.streamed else self._keep_whole
        try:
            for piece in unpacker.feed(data):
                take_in(piece)
        except Unpackable as reason:
            self.unreadable = self._unread = True
            self.problem = str(reason)

    def finish(self) -> None:
        """The body has ended as HTTP says it should, or will not go on."""
        self.read()
        if self._unpacker is not None:
            self._unread |= self._unpacker.in_the_middle
        if not self.streamed:
            self._read_whole()
            return
        rest = self._reader.finish() if self._reader is not None else [_data_of(self._carry)]
        self._carry = b""
        for event in rest:
            self._event(event)

    def _read_stream(self, data: bytes) -> None:
        if self._reader is None and b"\r" not in data:
            data = self._carry + data
            end = data.rfind(b"\n\n") + 2
            if end == 1:
                self._unread |= len(data) > WHOLE_LIMIT
                self._carry = data if len(data) <= WHOLE_LIMIT else b""  # no usage is that large
                return
            self._carry = data[end:]
            for block in data[: end - 2].split(b"\n\n"):
                self._event(block[6:] if block.startswith(b"data: ") and b"\n" not in block else _data_of(block))
            return
        if self._reader is None:
            self._reader = SseReader(WHOLE_LIMIT)
            data, self._carry = self._carry + data, b""
        try:
            for event in self._reader.feed(data):
                self._event(event)
        except EventTooLarge:
            self._reader = SseReader(WHOLE_LIMIT)  # no usage is that large; the next event may be one
            self._unread = True

    def _keep_whole(self, data: bytes) -> None:
        self._carry += data
        if len(self._carry) > WHOLE_LIMIT:
            self._unread = True
            self._first = self._first or self._carry[:ENDS]
            self._carry = self._carry[-ENDS:]

    def _read_whole(self) -> None:
        body, self._carry = self._carry, b""
        if not self._first:
            if not self._read_usual(body):
                self._event(body)
            return
        for match in reversed(list(_USAGE.finditer(body))):
            if (raw := object_at(body, match.end() - 1)) is not None:
                self._take_usage(raw)
                return

    def _read_usual(self, body: bytes) -> bool:
        """Whether this was all there is to read: with the usage nobody needs the text."""
        try:
            usual = decode_usual(body)
        except (ValueError, RecursionError):  # ValueError: also for bytes that are no UTF-8
            return False
        usage = usual.usage
        if usual.object != "chat.completion" or not usage or usage == NULL or usual.error is not None:
            return False
        if type(usual.model) is str:
            if "-search-" in usual.model.lower():  # a search has a fee
                return False
            self.model = usual.model
        for choice in usual.choices:
            if choice.message is not None and choice.message.annotations:  # what it cites it may have searched
                return False
            if type(choice.finish_reason) is str:
                self.finish_reason = choice.finish_reason
        if type(usual.service_tier) is str:
            self.service_tier = usual.service_tier
        if type(usual.id) is str:
            self.upstream_id = usual.id
        self._take_usage(bytes(usage))
        return self.usage is not None

    def _event(self, data: bytes) -> None:
        frame = self._frame
        if frame is not None:
            if (text := frame.text(data)) is not None:
                self._said.add(text, frame.index)
                self._misses = 0
                return
            self._frame = None
        if not data:
            return
        if data == DONE:
            self.done = True
            return
        try:
            event = decode_event(data)
        except (ValueError, RecursionError):
            if data.strip() == DONE:
                self.done = True
                return
            loose = read_loosely(data, Event)
            if loose is None:
                return
            event = loose
        try:
            self._take(event)
        except Exception:  # whatever an upstream has made up: what follows is read, and the call is settled
            log.exception("event_not_read")
            self._unread = True
            self.problem = "part of the answer cannot be read"
            return
        if self._misses < MISSES and self.streamed:
            self._misses += 1
            self._frame = frame_of(data, event)

    def _take(self, event: Event) -> None:
        if event.type is not None and type(event.type) is str:
            self._typed(event.type, event)
        response = event.response
        for part in (event,) if response is None else (event, response):
            if type(part.model) is str:
                self.model = part.model
            if type(part.service_tier) is str:
                self.service_tier = part.service_tier
            if part.usage and part.usage != NULL:
                self._take_usage(bytes(part.usage))
            if part.error and part.error != NULL:
                self._take_error(bytes(part.error))
        named = event.id if response is None else response.id
        if type(named) is str:
            self.upstream_id = named
        for place, choice in enumerate(event.choices or ()):
            self._choice(choice, choice.index if type(choice.index) is int else place)
        if not self.streamed:
            self._whole_parts(event)

    def _typed(self, kind: str, event: Event) -> None:
        if kind in _DELTAS and type(event.delta) is str:
            self._said.add(event.delta, f"{kind} {event.output_index} {event.content_index}")
        elif kind == "response.output_item.added" and bytes(event.item):
            self._said.add(name_of(bytes(event.item)), f"name {event.output_index}")
        elif kind in _ENDED:
            self.done = True
            status = event.response.status if event.response is not None else None
            if event.response is not None:
                self._uses = uses_in(bytes(event.response.output))
            self.finish_reason = status if isinstance(status, str) else kind.rpartition(".")[2]
        elif kind.endswith((".completed", ".done")) and event.usage and event.usage != NULL:
            self.done = True
        elif kind == "error" and self.error is None:
            self.error = {"message": "the stream ended in an error"}

    def _choice(self, choice: Choice, index: int) -> None:
        if type(choice.finish_reason) is str:
            self.finish_reason = choice.finish_reason
        if type(choice.text) is str:
            self._said.add(choice.text, index)
        message = choice.delta or choice.message
        if message is None:
            return
        if message.annotations is not None or index not in self._answers:
            self._answers[index] = self._answers.get(index, False) or cites(message.annotations)
        content, thought = message.content, message.reasoning_content or message.reasoning
        if type(content) is str:
            if content:
                self._said.add(content, index)
        elif content is not None:
            self._said.add("".join(texts_in(content)), index)
        if type(thought) is str:
            self._said.add(thought, (index, "thought"))
        if type(message.refusal) is str:
            self._said.add(message.refusal, (index, "refusal"))
        if message.tool_calls is not None or message.function_call is not None:
            for whose, text in said_in_calls(message.tool_calls, message.function_call):
                self._said.add(text, (index, *whose))

    def _whole_parts(self, event: Event) -> None:
        """What only an answer in one piece has."""
        if type(event.text) is str:
            self._said.add(event.text, 0)
        if event.object == "batch":
            self.service_tier = "batch"
        if event.object == "response":
            if type(event.status) is str:
                self.finish_reason = event.status
            if event.output and event.output != NULL:
                output = bytes(event.output)
                self._uses = uses_in(output)
                for place, text in enumerate(texts_in(json.loads(output))):
                    self._said.add(text, place)
        data = bytes(event.data)
        if data[:1] == b"[":
            self.items = len(read_items(data))

    def _take_usage(self, raw: bytes) -> None:
        """The last usage that can be used stands: upstreams that send several send running totals."""
        self.raw_usage = text = raw.decode("utf-8", "replace")
        try:
            usage = parse_images_usage(json.loads(raw)) if self._images else read_usage(raw)
        except UsageProblem as problem:
            self.problem = str(problem)
        except (ValueError, RecursionError):
            if (clean := text.encode()) != raw:
                self._take_usage(clean)
            else:
                self.problem = "the usage cannot be read"
        else:
            self.usage = usage or self.usage
            self.problem = None

    def _take_error(self, raw: bytes) -> None:
        text = raw.decode("utf-8", "replace")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text[:LONGEST_ERROR]
        self.error = value if isinstance(value, dict) else {"message": str(value)}


def _data_of(block: bytes) -> bytes:
    """The data of one event's lines (LF)."""
    parts = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(parts)
