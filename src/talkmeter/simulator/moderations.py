"""POST /v1/moderations: free of charge, and never wrong about what it was told to flag."""

import secrets
from typing import Any

import msgspec

from talkmeter.simulator import checks
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.counting import text_tokens
from talkmeter.simulator.dialect import Dialect
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel

_FIELDS = frozenset(("input", "model"))
_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


class ModerationJob(Job):
    """A text that has `flag: CATEGORY` in it is flagged."""

    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        checks.known(self.body, _FIELDS)
        given = checks.required(self.body, "input")
        if not isinstance(given, str | list):
            raise checks.wrong_type("input", "a string or an array", given)
        if given == []:
            raise checks.empty("input")
        parts = given if isinstance(given, list) else [given]
        texts = [part if isinstance(part, str) else _text_of(part) for part in parts]
        # Parts of one message are judged together, texts one by one.
        together = any(isinstance(part, dict) for part in parts)
        self._texts = ["\n".join(texts)] if together else texts

    def make(self, fault: Fault) -> Made:
        served = self.served_model(fault)
        tokens = sum(text_tokens(text, self.name) for text in self._texts)
        return Made(ModerationDialect(served, self._texts), Charge(prompt_tokens=tokens), model=served)


class ModerationDialect(Dialect):
    def __init__(self, model: str, texts: list[str]) -> None:
        self._model, self._texts = model, texts

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        body = {
            "id": f"modr-{secrets.token_hex(12)}",
            "model": self._model,
            "results": [_judged(text) for text in self._texts],
        }
        return msgspec.json.encode(self.padded(body if usage is None else {**body, "usage": usage}))


def _judged(text: str) -> dict[str, Any]:
    flagged = {name: f"flag: {name}" in text.lower().splitlines() for name in _CATEGORIES}
    return {
        "flagged": any(flagged.values()),
        "categories": flagged,
        "category_scores": {name: 0.98 if found else 0.0001 for name, found in flagged.items()},
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }


def _text_of(part: Any) -> str:
    if not isinstance(part, dict):
        raise checks.wrong_type("input", "texts or parts", part)
    return checks.text(part, "text")
