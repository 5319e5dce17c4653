"""Reads a provider's answer to `/models`; servers say the size of the context each in their own way. Pure."""

from collections.abc import Iterable
from typing import Any

import msgspec

from talkmeter.completions import UpstreamModel
from talkmeter.wording import without_markup

MOST_MODELS = 20_000
LONGEST_ID = 300
LONGEST_WORDS = 500

# vLLM · OpenRouter, Together · Groq · Mistral · LiteLLM-like · Ollama-like
WINDOW_FIELDS = (
    "max_model_len",
    "context_length",
    "context_window",
    "max_context_length",
    "max_input_tokens",
    "n_ctx",
)
WINDOW_FIELDS_IN_META = ("n_ctx", "n_ctx_slot", "n_ctx_train")  # llama.cpp


class NoModels(ValueError):
    """The body is no list of models."""


def read_models(body: bytes) -> list[UpstreamModel]:
    """The models in the provider's order, each once. Raises NoModels."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise NoModels("it is not JSON") from error
    rows = answer.get("data", answer.get("models")) if isinstance(answer, dict) else answer
    if not isinstance(rows, list):
        raise NoModels("it holds no list of models")
    found: dict[str, UpstreamModel] = {}
    for row in rows[:MOST_MODELS]:
        name = row.get("id", row.get("name")) if isinstance(row, dict) else None
        if isinstance(name, str) and 0 < len(name) <= LONGEST_ID and name.isprintable() and name not in found:
            found[name] = UpstreamModel(name, _window(row))
    return list(found.values())


def words_of_error(body: bytes) -> str:
    """The provider's own words from an error body: OpenAI's shape, FastAPI's `detail`, a web page or the text."""
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return " ".join(without_markup(body.decode("utf-8", "replace")).split())[:LONGEST_WORDS]
    for path in (("error", "message"), ("error",), ("message",), ("detail",)):
        value: Any = answer
        for step in path:
            value = value.get(step) if isinstance(value, dict) else None
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())[:LONGEST_WORDS]
    return ""


def _window(row: dict[str, Any]) -> int | None:
    meta = row.get("meta")
    candidates = [row.get(name) for name in WINDOW_FIELDS]
    if isinstance(meta, dict):
        candidates += [meta.get(name) for name in WINDOW_FIELDS_IN_META]
    return _first_count(candidates)


def _first_count(candidates: Iterable[Any]) -> int | None:
    for value in candidates:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**9:
            return value
    return None
