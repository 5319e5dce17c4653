"""True token figures, by the same tokenizer as the meter's."""

from collections.abc import Mapping
from typing import Any


def prompt_tokens(request: Mapping[str, Any], model: str) -> int:
    """Tokens of a chat completion request: messages, tools, images."""
    from talkmeter.metering.tokens import count_prompt

    return count_prompt(request, model).total


def prefix_tokens(request: Mapping[str, Any], model: str, messages: int) -> int:
    """Tokens of a request's beginning: tools and the first so many messages."""
    from talkmeter.metering.tokens import frame_tokens

    return prompt_tokens({**request, "messages": request["messages"][:messages]}, model) - frame_tokens(model)


def text_tokens(text: str, model: str) -> int:
    """Tokens of an answer's text."""
    if not text:
        return 0
    from talkmeter.metering.tokens import count_text, encoding_for

    return count_text(text, encoding_for(model).name)
