"""Tokens of single messages.

    plain message     3 + tokens("role" or "role:name") + tokens(content)

The header is tokenised as one string: adding one token per name, as the cookbook does, is off by one
where ``:name`` merges. Tool calls and their results are written in the provider's own dialect
(``assistant to=functions.NAME``), found by fitting recorded calls.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from talkmeter.metering.tokens.counts import MESSAGE_KINDS, MessageCount, MessageKind
from talkmeter.metering.tokens.guards import count_text, measure_text
from talkmeter.metering.tokens.images import ImageSizer, image_tokens
from talkmeter.metering.tokens.loose import Json, as_object, as_objects, as_text, to_compact_json
from talkmeter.metering.tokens.media import audio_tokens
from talkmeter.metering.tokens.models import ModelTraits

SYSTEM_ROLES = ("system", "developer")

_PER_MESSAGE = 3
_PER_MESSAGE_FIRST_TURBO = 4
_PER_RESULT = 3
_PER_RESULT_REASONING = 6
_PARALLEL = "multi_tool_use.parallel"
_CACHED_HEADER = 128


@lru_cache(maxsize=4096)
def _cached_header(header: str, encoding: str) -> int:
    return count_text(header, encoding)


def header_tokens(header: str, encoding: str) -> int:
    """Tokens of a role, name or call header; these few strings come again and again."""
    return _cached_header(header, encoding) if len(header) <= _CACHED_HEADER else count_text(header, encoding)


class _Tally:
    """Adds up one message by kind."""

    def __init__(self, framing: int) -> None:
        self.framing, self.text, self.image, self.tool, self.file = framing, 0, 0, 0, 0
        self.estimated: set[MessageKind] = set()

    def count(self, *, known: bool) -> MessageCount:
        estimated = self.estimated if known else MESSAGE_KINDS
        return MessageCount(self.framing, self.text, self.image, self.tool, self.file, frozenset(estimated))


class MessageCounter:
    """Counts the messages of one request in order, remembering what tool results refer to.

    `pad_system` is for requests with function tools: the first system message ends in a line break then.
    `calls_measured` is False where no recorded call shows how tool calls are framed.
    """

    def __init__(
        self,
        model: str,
        traits: ModelTraits,
        sizer: ImageSizer,
        *,
        pad_system: bool = False,
        calls_measured: bool = True,
    ) -> None:
        self._model = model
        self._traits = traits
        self._sizer = sizer
        self._pad_system = pad_system
        self._calls_measured = calls_measured
        self._names: dict[str, str] = {}
        self._parallel: set[str] = set()

    def count(self, message: Json) -> MessageCount:
        """Tokens of the next message; malformed parts count nothing and make it an estimate."""
        role = as_text(message.get("role"))
        calls = as_objects(message.get("tool_calls"))
        if calls:
            tally = self._calls(message, calls)
        elif role == "tool":
            tally = self._result(message)
        elif role == "function":
            tally = self._legacy_result(message)
        else:
            tally = self._plain(role, message)
        if tally.tool and not self._calls_measured:
            tally.estimated.add("tool")
        return tally.count(known=self._traits.known)

    def _plain(self, role: str, message: Json) -> _Tally:
        tally = _Tally(self._framing(role, as_text(message.get("name"))))
        content = message.get("content")
        if self._pad_system and role in SYSTEM_ROLES:
            self._pad_system = False
            content = _with_line_break(content)
        self._content(tally, content)
        call = message.get("function_call")
        if isinstance(call, Mapping):
            tally.tool += 3 + self._header(as_text(call.get("name")))
            self._text(tally, as_text(call.get("arguments")), "tool")
        return tally

    def _framing(self, role: str, name: str) -> int:
        if self._traits.first_turbo:
            # Here a name stands in place of the role, whatever the role is.
            return _PER_MESSAGE_FIRST_TURBO + (self._header(name) if name else self._header(role))
        return _PER_MESSAGE + self._header(f"{role}:{name}" if name else role)

    def _calls(self, message: Json, calls: list[Json]) -> _Tally:
        tally = _Tally(_PER_MESSAGE + self._header("assistant"))
        functions = [as_object(call.get("function")) for call in calls]
        ids = [as_text(call.get("id")) for call in calls]
        names = [as_text(function.get("name")) for function in functions]
        self._names.update(zip(ids, names, strict=True))
        arguments = [self._arguments(tally, function) for function in functions]
        if len(calls) == 1:
            recipient, body = f"functions.{names[0]}", arguments[0]
        else:
            self._parallel.update(ids)
            recipient, body = _PARALLEL, _parallel_body(zip(names, arguments, strict=True))
        tally.tool += self._header(f"assistant to={recipient}") - self._header("assistant")
        self._text(tally, body, "tool")
        self._content(tally, message.get("content"))
        return tally

    def _arguments(self, tally: _Tally, function: Json) -> str:
        """Return a call's arguments as the model reads them: JSON without spaces."""
        raw = as_text(function.get("arguments")) or "{}"
        try:
            return to_compact_json(json.loads(raw))
        except (ValueError, RecursionError):
            tally.estimated.add("tool")
            return raw

    def _result(self, message: Json) -> _Tally:
        tally = _Tally(_PER_MESSAGE)
        call = as_text(message.get("tool_call_id"))
        if call in self._parallel:
            tally.tool += self._header(_PARALLEL)
        else:
            if call not in self._names:
                tally.estimated.add("tool")  # no recorded call shows how an orphan is framed
            name = self._names.get(call) or as_text(message.get("name"))
            tally.tool += _PER_RESULT + self._header(name)
        if self._traits.reasoning:
            tally.tool += _PER_RESULT_REASONING
        self._content(tally, message.get("content"))
        return tally

    def _legacy_result(self, message: Json) -> _Tally:
        tally = _Tally(_PER_MESSAGE - 1 + self._header("function"))
        tally.tool += self._header(as_text(message.get("name")))
        self._content(tally, message.get("content"))
        return tally

    def _header(self, header: str) -> int:
        return header_tokens(header, self._traits.encoding)

    def _text(self, tally: _Tally, text: str, kind: MessageKind = "text") -> None:
        counted = measure_text(text, self._traits.encoding)
        if kind == "tool":
            tally.tool += counted.tokens
        else:
            tally.text += counted.tokens
        if counted.quality == "estimate":
            tally.estimated.add(kind)

    def _content(self, tally: _Tally, content: Any) -> None:
        if isinstance(content, str):
            self._text(tally, content)
        elif isinstance(content, list):
            for part in content:
                self._part(tally, part)
            if sum(1 for part in as_objects(content) if _is_text(part)) > 1:
                tally.estimated.add("text")  # no recorded call has several
        elif content is not None:
            tally.estimated.add("text")

    def _part(self, tally: _Tally, part: Any) -> None:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if _is_text(part):
            self._text(tally, as_text(part.get("text")))
        elif kind == "refusal":
            self._text(tally, as_text(part.get("refusal")))
        elif kind in ("image_url", "input_image"):
            self._image(tally, part)
        elif kind == "input_audio":
            tally.file += audio_tokens(part.get("input_audio"))
            tally.estimated.add("file")
        else:
            tally.estimated.add("file")  # a document, or a part that we have not heard of

    def _image(self, tally: _Tally, part: Json) -> None:
        image = part.get("image_url")
        details = image if isinstance(image, Mapping) else part  # Responses puts both beside the type
        url = as_text(image.get("url") if isinstance(image, Mapping) else image)
        detail = as_text(details.get("detail")) or "auto"
        size = None if detail == "low" else self._sizer(url)
        counted = image_tokens(self._model, size, detail)
        tally.image += counted.tokens
        if counted.quality == "estimate":
            tally.estimated.add("image")


def _is_text(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in ("text", "input_text", "output_text")


def _with_line_break(content: Any) -> Any:
    if isinstance(content, str):
        return content + "\n"
    texts = [at for at, part in enumerate(content) if _is_text(part)] if isinstance(content, list) else []
    if not texts:
        return content
    last = content[texts[-1]]
    padded = {**last, "text": as_text(last.get("text")) + "\n"}
    return [*content[: texts[-1]], padded, *content[texts[-1] + 1 :]]


def _parallel_body(calls: Iterable[tuple[str, str]]) -> str:
    uses = ",".join(f'{{"recipient_name":"functions.{name}","parameters":{body}}}' for name, body in calls)
    return f'{{"tool_uses":[{uses}]}}'
