"""Prompts without framing (legacy completions, embeddings), and answers whose usage never came."""

from collections.abc import Iterable, Iterator
from typing import Any

from talkmeter.metering.tokens.counts import Line, PromptCount, prompt_count
from talkmeter.metering.tokens.guards import TextCount, measure_text
from talkmeter.metering.tokens.loose import Json
from talkmeter.metering.tokens.models import EncodingChoice, encoding_for


def count_legacy_prompt(request: Json, model: str) -> PromptCount:
    """Count the `prompt` of a legacy completion request: a text, texts, token ids, or lists of them.

    A missing prompt is ``<|endoftext|>``, one token. Each text of a list is an input of its own.
    """
    return _count_inputs(request.get("prompt", [0]), model)


def count_embeddings(request: Json, model: str) -> PromptCount:
    """Count the `input` of an embedding request: a text, texts, token ids, or lists of them."""
    return _count_inputs(request.get("input"), model)


def count_completion(text: str, model: str) -> TextCount:
    """Count an answer for which no usage was reported; always an estimate.

    Billed completions carry between 0 (gpt-3.5, gpt-4) and 9 (gpt-5) tokens more than their text, and
    reasoning tokens are never seen.
    """
    return TextCount(measure_text(text, encoding_for(model).name).tokens, "estimate")


def count_texts(texts: Iterable[str], model: str) -> int:
    """The tokens of an answer's texts (each choice, each call's name and arguments), each by itself; an estimate."""
    return sum(count_completion(text, model).tokens for text in texts)


def _count_inputs(value: Any, model: str) -> PromptCount:
    choice = encoding_for(model)
    return prompt_count(list(_inputs(value, choice)), choice.name)


def _inputs(value: Any, choice: EncodingChoice) -> Iterator[Line]:
    single = isinstance(value, str) or (isinstance(value, list) and _is_ids(value))
    items: list[Any] = [value] if single or not isinstance(value, list) else value
    for index, item in enumerate(items):
        counted = _count(item, choice.name)
        yield Line("input", index, counted.tokens, counted.quality if choice.known else "estimate")


def _count(item: Any, encoding: str) -> TextCount:
    if isinstance(item, str):
        return measure_text(item, encoding)
    if isinstance(item, list) and _is_ids(item):
        return TextCount(len(item), "exact")
    return TextCount(0, "estimate")


def _is_ids(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(item, int) for item in items)
