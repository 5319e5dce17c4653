"""POST /v1/embeddings: vectors that depend on the text alone."""

import base64
import hashlib
import math
import struct
from typing import Any

import msgspec

from talkmeter.simulator import checks
from talkmeter.simulator.charging import Charge
from talkmeter.simulator.dialect import Dialect
from talkmeter.simulator.faults import Fault
from talkmeter.simulator.jobs import Incoming, Job, Made
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.refusals import Refusal

_FIELDS = frozenset(("input", "model", "encoding_format", "dimensions", "user"))
_DIMENSIONS = {"text-embedding-3-large": 3072}
_USUAL_DIMENSIONS = 1536
_MOST_INPUTS = 2048
_MOST_TOKENS = 8192  # of one input


class EmbeddingJob(Job):
    def __init__(self, incoming: Incoming, model: SimModel | None) -> None:
        super().__init__(incoming, model)
        checks.known(self.body, _FIELDS)
        self._inputs = _inputs(checks.required(self.body, "input"))
        self._base64 = checks.choice(self.body, "encoding_format", ("float", "base64")) == "base64"
        usual = _DIMENSIONS.get(self.name, _USUAL_DIMENSIONS)
        self._dimensions = checks.integer(self.body, "dimensions", 1, usual) or usual

    def make(self, fault: Fault) -> Made:
        from talkmeter.metering.tokens import count_embeddings

        counted = count_embeddings(self.body, self.name)
        longest = max((line.tokens for line in counted.lines), default=0)
        if longest > _MOST_TOKENS:
            raise Refusal(
                400,
                f"This model's maximum context length is {_MOST_TOKENS} tokens, however you requested {longest}"
                " tokens. Please reduce your prompt.",
            )
        served = self.served_model(fault)
        vectors = [vector(one, self._dimensions) for one in self._inputs]
        dialect = EmbeddingDialect(served, vectors, base64=self._base64)
        return Made(dialect, Charge(prompt_tokens=counted.total), model=served)


class EmbeddingDialect(Dialect):
    def __init__(self, model: str, vectors: list[list[float]], *, base64: bool) -> None:
        self._model, self._vectors, self._base64 = model, vectors, base64

    def whole(self, usage: dict[str, Any] | None) -> bytes:
        data = [
            {"object": "embedding", "index": index, "embedding": packed(one) if self._base64 else one}
            for index, one in enumerate(self._vectors)
        ]
        body: dict[str, Any] = {"object": "list", "data": data, "model": self._model}
        return msgspec.json.encode(self.padded(body if usage is None else {**body, "usage": usage}))

    def usage(self, charge: Charge) -> dict[str, Any]:
        return {"prompt_tokens": charge.prompt_tokens, "total_tokens": charge.prompt_tokens}


def vector(text: Any, dimensions: int) -> list[float]:
    """A vector of length one, the same for the same input; to fewer dimensions it is shortened, as OpenAI's are."""
    raw = hashlib.shake_128(msgspec.json.encode(text)).digest(4 * dimensions)
    figures = [word / 2**31 - 1 for word in struct.unpack(f"<{dimensions}I", raw)]
    length = math.sqrt(math.fsum(figure * figure for figure in figures)) or 1.0
    # As exact as they are when they travel in base64.
    return [struct.unpack("<f", struct.pack("<f", figure / length))[0] for figure in figures]


def packed(figures: list[float]) -> str:
    """Little-endian 32-bit numbers in base64."""
    return base64.b64encode(struct.pack(f"<{len(figures)}f", *figures)).decode()


def _inputs(value: Any) -> list[Any]:
    """A text, texts, token ids or lists of them."""
    listed: list[Any]
    if isinstance(value, str):
        listed = [value]
    elif isinstance(value, list) and value:
        listed = [value] if all(type(one) is int for one in value) else value
    elif isinstance(value, list):
        raise checks.empty("input")
    else:
        raise checks.wrong_type("input", "a string or an array", value)
    for index, one in enumerate(listed):
        tokens = isinstance(one, list) and one and all(type(number) is int for number in one)
        if not tokens and not (isinstance(one, str) and one):
            raise Refusal(
                400, f"'$.input[{index}]' is invalid: expected a text or token ids, not empty.", param="input"
            )
    if len(listed) > _MOST_INPUTS:
        raise Refusal(400, f"'$.input' is invalid: at most {_MOST_INPUTS} inputs are possible.", param="input")
    return listed
