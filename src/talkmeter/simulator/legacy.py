"""POST /v1/completions: text after a prompt, without messages."""

import secrets
from collections.abc import Iterator
from typing import Any

import msgspec

from talkmeter.simulator import checks
from talkmeter.simulator.asked import Asked
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.dialect import Dialect, Event
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.pieces import split
from talkmeter.simulator.plan import together
from talkmeter.simulator.shapes import FINGERPRINT, seconds, usage_object
from talkmeter.simulator.thinking import Spoken, check_context, think

_FIELDS = frozenset(
    """model prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop
    stream stream_options suffix temperature top_p user""".split()  # noqa: SIM905
)
_USUAL_LIMIT = 16  # tokens, as OpenAI has it


class CompletionJob(Job):
    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        checks.known(self.body, _FIELDS)
        self._prompts = _prompts(self.body.get("prompt"))
        self._choices = checks.integer(self.body, "n", 1, 128) or 1
        limit = checks.integer(self.body, "max_tokens", 0, 128_000)
        self._limit = _USUAL_LIMIT if limit is None else limit
        self._stops = checks.stops(self.body)
        self.stream = checks.boolean(self.body, "stream")
        self._options = checks.stream_options(self.body, stream=self.stream)

    def make(self, fault: Fault) -> Made:
        from talkmeter.metering.tokens import count_legacy_prompt

        given = {name: value for name, value in self.body.items() if value is not None}
        prompt = count_legacy_prompt(given, self.name).total
        check_context(prompt, "prompt")
        thoughts = [
            think(self._asked(one), self.model, fault, self.service.seed, prompt=0, cached=0) for one in self._prompts
        ]
        spoken = tuple(one for thought in thoughts for one in thought.spoken)
        if self.body.get("echo") is True:
            echoed = [self._prompts[index // self._choices] for index in range(len(spoken))]
            spoken = tuple(one._replace(text=before + one.text) for before, one in zip(echoed, spoken, strict=True))
        truth = Charge(prompt_tokens=prompt, completion_tokens=sum(t.truth.completion_tokens for t in thoughts))
        made_id = f"cmpl-{secrets.token_hex(12)}"
        served = self.served_model(fault)
        dialect = CompletionDialect(spoken, made_id, served, include_usage=bool(self._options.get("include_usage")))
        return Made(dialect, truth, made_id, self.served_tier(fault), served)

    def _asked(self, prompt: str) -> Asked:
        return Asked(
            model=self.name,
            body={},
            messages=[{"role": "user", "content": prompt}],
            stream=self.stream,
            include_usage=False,
            include_obfuscation=False,
            max_tokens=self._limit,
            stop=self._stops,
            choices=self._choices,
        )


def _prompts(value: Any) -> list[str]:
    """What is asked: a text or several; token ids cannot be read and ask nothing."""
    if value is None or isinstance(value, str):
        return [value or ""]
    if not isinstance(value, list):
        raise checks.wrong_type("prompt", "a string or an array", value)
    if not value:
        raise checks.empty("prompt")
    if all(isinstance(one, int) for one in value):
        return [""]
    return [one if isinstance(one, str) else "" for one in value]


class CompletionDialect(Dialect):
    def __init__(self, spoken: tuple[Spoken, ...], made_id: str, model: str, *, include_usage: bool) -> None:
        self._spoken, self._include_usage = spoken, include_usage
        self._head = {"id": made_id, "object": "text_completion", "created": seconds(), "model": model}

    def contents(self) -> Iterator[Event]:
        return together(*(self._content(index, one) for index, one in enumerate(self._spoken)))

    def _content(self, index: int, one: Spoken) -> Iterator[Event]:
        pieces = split(one.text)
        for piece in pieces:
            yield Event(self._text(index, piece, None), piece, ("choice", index), tokens=one.tokens / len(pieces))

    def more(self, text: str) -> bytes:
        return self._text(0, text, None)

    def closing(self, usages: list[dict[str, Any]], *, done: bool) -> Iterator[Event]:
        for index, one in enumerate(self._spoken):
            yield Event(self._text(index, "", one.finish_reason))
        if self._include_usage:
            for usage in usages:
                yield Event(self.event({**self._head, "choices": [], "usage": usage}), usage=usage)
        if done:
            yield Event(self.data(b"[DONE]"))

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        choices = [_choice(index, one.text, one.finish_reason) for index, one in enumerate(self._spoken)]
        body = {**self._head, "choices": choices, "system_fingerprint": FINGERPRINT}
        return msgspec.json.encode(self.padded(body if usage is None else {**body, "usage": usage}))

    def whole_text(self) -> str:
        return "".join(one.text for one in self._spoken)

    def usage(self, charge: Charge) -> dict[str, Any]:
        return usage_object(charge)

    def _text(self, index: int, text: str, finish_reason: str | None) -> bytes:
        payload: dict[str, Any] = {**self._head, "choices": [_choice(index, text, finish_reason)]}
        if self._include_usage:
            payload["usage"] = None
        return self.event(payload)


def _choice(index: int, text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish_reason}
