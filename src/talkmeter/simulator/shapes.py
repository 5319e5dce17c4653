"""The wire shapes of OpenAI's chat completions: whole bodies and the events of a stream."""

import time
from collections.abc import Iterator
from typing import Any

import msgspec

from talkmeter.simulator.charging import Charge
from talkmeter.simulator.dialect import Dialect, Event
from talkmeter.simulator.pieces import split
from talkmeter.simulator.plan import together
from talkmeter.simulator.thinking import Call, Spoken

FINGERPRINT = "fp_talkmeter_sim"
_PADDING = "aZ3kQ9xT1mB7vR5cN2wL8pD4sH6yJ0gFeUiOoKqWzXbVtMrCnPlSdGhAfYjE"
_PADDED_TO = 24  # characters of content and obfuscation together


def usage_object(charge: Charge) -> dict[str, Any]:
    """`usage` as OpenAI writes it; rare figures only where there is something to say."""
    prompt = {"cached_tokens": charge.cached_tokens, "audio_tokens": charge.prompt_audio_tokens}
    completion = {
        "reasoning_tokens": charge.reasoning_tokens,
        "audio_tokens": charge.completion_audio_tokens,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    }
    for details, name, figure in (
        (prompt, "cache_write_tokens", charge.cache_write_tokens),
        (prompt, "image_tokens", charge.prompt_image_tokens),
        (completion, "image_tokens", charge.completion_image_tokens),
    ):
        if figure:
            details[name] = figure
    return {
        "prompt_tokens": charge.prompt_tokens,
        "completion_tokens": charge.completion_tokens,
        "total_tokens": charge.prompt_tokens + charge.completion_tokens,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": completion,
    }


class ChatDialect(Dialect):
    """Everything that the events of one answer have in common."""

    def __init__(
        self,
        spoken: tuple[Spoken, ...],
        *,
        completion_id: str,
        model: str,
        service_tier: str,
        include_usage: bool = False,
        include_obfuscation: bool = True,
        logprobs: bool = False,
    ) -> None:
        self._spoken = spoken
        self._id, self._model, self._tier = completion_id, model, service_tier
        self._created = seconds()
        self._include_usage = include_usage
        self._obfuscates = include_obfuscation
        self._logprobs = logprobs
        self._deltas = 0  # so that the padding differs from one to the next

    def opening(self) -> Iterator[Event]:
        for index, one in enumerate(self._spoken):
            content = None if one.calls else ""
            yield Event(self._delta(index, {"role": "assistant", "content": content, "refusal": None}))

    def contents(self) -> Iterator[Event]:
        return together(*(self._content(index, one) for index, one in enumerate(self._spoken)))

    def _content(self, index: int, one: Spoken) -> Iterator[Event]:
        for number, call in enumerate(one.calls):
            yield from self._call(index, number, call, one.tokens / len(one.calls))
        pieces = split(one.text)
        for piece in pieces:
            data = self._delta(index, {"content": piece}, length=len(piece))
            yield Event(data, piece, ("choice", index), tokens=one.tokens / len(pieces))

    def _call(self, index: int, number: int, call: Call, tokens: float) -> Iterator[Event]:
        place = index * 1000 + number
        function = {"name": call.name, "arguments": ""}
        begun = {"index": number, "id": call.id, "type": "function", "function": function}
        yield Event(self._delta(index, {"tool_calls": [begun]}), call.name, ("name", place))
        pieces = split(call.arguments)
        for piece in pieces:
            delta = {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}
            data = self._delta(index, delta, length=len(piece))
            yield Event(data, piece, ("arguments", place), tokens=tokens / len(pieces))

    def more(self, text: str) -> bytes:
        return self._delta(0, {"content": text}, length=len(text))

    def closing(self, usages: list[dict[str, Any]], *, done: bool) -> Iterator[Event]:
        for index, one in enumerate(self._spoken):
            yield Event(self._delta(index, {}, one.finish_reason))
        if self._include_usage:
            for usage in usages:
                yield Event(self.event({**self._common(), "choices": [], "usage": usage}), usage=usage)
        if done:
            yield Event(self.data(b"[DONE]"))

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        body: dict[str, Any] = {
            "id": self._id,
            "object": "chat.completion",
            "created": self._created,
            "model": self._model,
            "choices": [self._choice(index, one) for index, one in enumerate(self._spoken)],
        }
        if usage is not None:
            body["usage"] = usage
        body |= {"service_tier": self._tier, "system_fingerprint": FINGERPRINT}
        return msgspec.json.encode(self.padded(body))

    def whole_text(self) -> str:
        return "".join(one.text for one in self._spoken)

    def usage(self, charge: Charge) -> dict[str, Any]:
        return usage_object(charge)

    def _choice(self, index: int, one: Spoken) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": one.text, "refusal": None, "annotations": []}
        if one.calls:
            calls = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
                for call in one.calls
            ]
            message |= {"content": None, "tool_calls": calls}
        logprobs = logprobs_of(split(one.text)) if self._logprobs else None
        return {"index": index, "message": message, "logprobs": logprobs, "finish_reason": one.finish_reason}

    def _common(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "chat.completion.chunk",
            "created": self._created,
            "model": self._model,
            "service_tier": self._tier,
            "system_fingerprint": FINGERPRINT,
        }

    def _delta(self, index: int, delta: dict[str, Any], finish_reason: str | None = None, length: int = 0) -> bytes:
        said = delta.get("content")
        logprobs = logprobs_of([said]) if self._logprobs and said else None
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish_reason}
        payload: dict[str, Any] = {**self._common(), "choices": [choice]}
        if self._include_usage:
            payload["usage"] = None
        if self._obfuscates:
            self._deltas += 1
            start = self._deltas * 7 % (len(_PADDING) - _PADDED_TO)
            payload["obfuscation"] = _PADDING[start : start + max(1, _PADDED_TO - length)]
        return self.event(payload)


def logprobs_of(pieces: list[str]) -> dict[str, Any]:
    """Made up, but of the right form: every piece was a quarter as likely as it could be."""
    content = [
        {"token": piece, "logprob": -1.386, "bytes": list(piece.encode()), "top_logprobs": []} for piece in pieces
    ]
    return {"content": content, "refusal": None}


def seconds() -> int:
    """`created`: whole seconds since 1970."""
    return int(time.time())
