"""The wire shapes of OpenAI's Responses API."""

import secrets
from collections.abc import Iterator
from typing import Any

import msgspec

from talkmeter.simulator.charging import Charge
from talkmeter.simulator.dialect import Event, NamedEvents
from talkmeter.simulator.pieces import split
from talkmeter.simulator.shapes import seconds
from talkmeter.simulator.thinking import Call, Spoken

_PADDED_TO = 16  # characters of a delta and its obfuscation together
_ECHOED: dict[str, Any] = {  # what a response repeats of its request, with what it says if that was left out
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
Item = dict[str, Any]


def usage_object(charge: Charge) -> dict[str, Any]:
    """`usage` as the Responses API writes it."""
    return {
        "input_tokens": charge.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": charge.cached_tokens,
            "cache_write_tokens": charge.cache_write_tokens,
        },
        "output_tokens": charge.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": charge.reasoning_tokens},
        "total_tokens": charge.prompt_tokens + charge.completion_tokens,
    }


class ResponseDialect(NamedEvents):
    """One response. `object_` is its object in any state."""

    def __init__(
        self,
        request: dict[str, Any],
        spoken: Spoken,
        *,
        response_id: str,
        model: str,
        tier: str,
        reasons: bool,
        obfuscates: bool,
    ) -> None:
        self.id, self._spoken, self._model, self._tier = response_id, spoken, model, tier
        self._request, self._obfuscates = request, obfuscates
        self._created = seconds()
        self._suffix = response_id.removeprefix("resp_")
        self.output: list[Item] = [self._reasoning()] if reasons else []
        self.output += [self._called(call) for call in spoken.calls]
        if not spoken.calls:
            self.output.append(self._message(spoken.text))

    @property
    def end(self) -> str:
        """The state that the whole answer is in."""
        return "incomplete" if self._spoken.finish_reason == "length" else "completed"

    def object_(self, status: str, usage: dict[str, Any] | None = None) -> dict[str, Any]:
        """The response in a state; its output is there once it has ended."""
        given = self._request
        echoed = {name: usual if given.get(name) is None else given[name] for name, usual in _ECHOED.items()}
        echoed["tools"] = [_shown(tool) for tool in echoed["tools"]]
        ended = status in ("completed", "incomplete")
        wanted = given.get("reasoning") or {}
        return {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "completed_at": seconds() if status == "completed" else None,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
            "model": self._model,
            "output": self.output if ended else [],
            "reasoning": {"effort": wanted.get("effort"), "summary": wanted.get("summary")},
            "service_tier": self._tier,
            "usage": usage,
            **echoed,
        }

    def opening(self) -> Iterator[Event]:
        if self._request.get("background"):
            yield Event(self.event({"type": "response.queued", "response": self.object_("queued")}))
        for state in ("created", "in_progress"):
            yield Event(self.event({"type": f"response.{state}", "response": self.object_("in_progress")}))

    def contents(self) -> Iterator[Event]:
        for index, item in enumerate(self.output):
            if item["type"] == "reasoning":
                yield Event(self._item("added", index, {**item, "status": "in_progress"}))
                yield Event(self._item("done", index, item))
            elif item["type"] == "function_call":
                yield from self._call(index, item)
            else:
                yield from self._text(index, item)

    def _text(self, index: int, item: Item) -> Iterator[Event]:
        place = {"item_id": item["id"], "output_index": index, "content_index": 0}
        part: dict[str, Any] = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        yield Event(self._item("added", index, {**item, "status": "in_progress", "content": []}))
        yield Event(self.event({"type": "response.content_part.added", **place, "part": part}))
        pieces = split(self._spoken.text)
        for piece in pieces:
            tokens = self._spoken.tokens / len(pieces)
            yield Event(self._delta("output_text", place, piece), piece, tokens=tokens)
        text = self._spoken.text
        yield Event(self.event({"type": "response.output_text.done", **place, "text": text, "logprobs": []}))
        yield Event(self.event({"type": "response.content_part.done", **place, "part": {**part, "text": text}}))
        yield Event(self._item("done", index, item))

    def _call(self, index: int, item: Item) -> Iterator[Event]:
        place = {"item_id": item["id"], "output_index": index}
        begun = {**item, "status": "in_progress", "arguments": ""}
        yield Event(self._item("added", index, begun), item["name"], ("name", index))
        pieces = split(item["arguments"])
        for piece in pieces:
            tokens = self._spoken.tokens / len(pieces) / len(self._spoken.calls)
            yield Event(
                self._delta("function_call_arguments", place, piece), piece, ("arguments", index), tokens=tokens
            )
        done = {"type": "response.function_call_arguments.done", **place}
        yield Event(self.event({**done, "name": item["name"], "arguments": item["arguments"]}))
        yield Event(self._item("done", index, item))

    def more(self, text: str) -> bytes:
        place = {"item_id": self.output[-1]["id"], "output_index": len(self.output) - 1, "content_index": 0}
        return self._delta("output_text", place, text)

    def closing(self, usages: list[dict[str, Any]], *, done: bool) -> Iterator[Event]:
        if not done:
            yield Event(b"")
            return
        claims: list[dict[str, Any] | None] = [*usages]
        for usage in claims or [None]:
            response = self.object_(self.end, usage)
            yield Event(self.event({"type": f"response.{self.end}", "response": response}), usage=usage)

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        return msgspec.json.encode(self.padded(self.object_(self.end, usage)))

    def whole_text(self) -> str:
        return self._spoken.text

    def usage(self, charge: Charge) -> dict[str, Any]:
        return usage_object(charge)

    def _item(self, what: str, index: int, item: Item) -> bytes:
        return self.event({"type": f"response.output_item.{what}", "output_index": index, "item": item})

    def _delta(self, what: str, place: dict[str, Any], piece: str) -> bytes:
        payload: dict[str, Any] = {"type": f"response.{what}.delta", **place, "delta": piece}
        if what == "output_text":
            payload["logprobs"] = []
        if self._obfuscates:
            payload["obfuscation"] = "bK7xQ2mV9sT4cR1w"[: max(1, _PADDED_TO - len(piece))]
        return self.event(payload)

    def _message(self, text: str) -> Item:
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        status = "incomplete" if self._spoken.finish_reason == "length" else "completed"
        return {
            "id": f"msg_{self._suffix}",
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [part],
        }

    def _reasoning(self) -> Item:
        item: Item = {"id": f"rs_{self._suffix}", "type": "reasoning", "summary": []}
        if "reasoning.encrypted_content" in (self._request.get("include") or ()):
            item["encrypted_content"] = "c2ltdWxhdGVk" + secrets.token_hex(24)
        return item

    def _called(self, call: Call) -> Item:
        item = {"id": f"fc_{secrets.token_hex(24)}", "type": "function_call", "status": "completed"}
        return {**item, "call_id": call.id, "name": call.name, "arguments": call.arguments}


def _shown(tool: Any) -> Any:
    """A tool as the response repeats it, with what the request may leave out."""
    is_function = isinstance(tool, dict) and tool.get("type") == "function"
    return {"description": None, "strict": True, **tool} if is_function else tool
