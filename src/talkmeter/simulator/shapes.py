"""The wire shapes of OpenAI's chat completions: whole bodies and the events of a stream."""

import time
from typing import Any

import msgspec

from talkmeter.simulator.charging import Charge

FINGERPRINT = "fp_talkmeter_sim"
_PADDING = "aZ3kQ9xT1mB7vR5cN2wL8pD4sH6yJ0gFeUiOoKqWzXbVtMrCnPlSdGhAfYjE"
_PADDED_TO = 24  # characters of content and obfuscation together


def usage_object(charge: Charge) -> dict[str, Any]:
    """`usage` as OpenAI writes it."""
    return {
        "prompt_tokens": charge.prompt,
        "completion_tokens": charge.completion,
        "total_tokens": charge.prompt + charge.completion,
        "prompt_tokens_details": {"cached_tokens": charge.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": charge.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


class Shapes(msgspec.Struct, kw_only=True):
    """Everything that the events of one answer have in common. line_end: of the event stream."""

    completion_id: str
    model: str
    service_tier: str
    created: int
    include_usage: bool = False
    include_obfuscation: bool = True
    line_end: bytes = b"\n"
    # Counts deltas, so that the padding differs from one to the next.
    deltas: int = 0

    def whole(self, text: str, finish_reason: str, usage: dict[str, Any] | None) -> bytes:
        """The body of an answer that is not streamed."""
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
        body: dict[str, Any] = {
            "id": self.completion_id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [choice],
        }
        if usage is not None:
            body["usage"] = usage
        body |= {"service_tier": self.service_tier, "system_fingerprint": FINGERPRINT}
        return msgspec.json.encode(body)

    def role(self) -> bytes:
        return self._delta({"role": "assistant", "content": "", "refusal": None}, None)

    def content(self, text: str) -> bytes:
        return self._delta({"content": text}, None, len(text))

    def finish(self, reason: str) -> bytes:
        return self._delta({}, reason)

    def usage(self, usage: dict[str, Any]) -> bytes:
        """The extra event: no choices, usage of the whole request."""
        return self.event({**self._common(), "choices": [], "usage": usage})

    def done(self) -> bytes:
        return self.data(b"[DONE]")

    def event(self, payload: dict[str, Any]) -> bytes:
        return self.data(msgspec.json.encode(payload))

    def data(self, payload: bytes) -> bytes:
        return b"data: " + payload + self.line_end + self.line_end

    def _common(self) -> dict[str, Any]:
        return {
            "id": self.completion_id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "service_tier": self.service_tier,
            "system_fingerprint": FINGERPRINT,
        }

    def _delta(self, delta: dict[str, Any], finish_reason: str | None, length: int = 0) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        payload: dict[str, Any] = {**self._common(), "choices": [choice]}
        if self.include_usage:
            payload["usage"] = None
        if self.include_obfuscation:
            self.deltas += 1
            start = self.deltas * 7 % (len(_PADDING) - _PADDED_TO)
            payload["obfuscation"] = _PADDING[start : start + max(1, _PADDED_TO - length)]
        return self.event(payload)


def seconds() -> int:
    """`created`: whole seconds since 1970."""
    return int(time.time())
