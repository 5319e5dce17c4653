"""Builds the body of a chat completion from messages. Pure; images come in as data URLs already."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from talkmeter.messages import Attachment, Message, RoomSettings

ACKNOWLEDGED = "Understood."

# Models that refuse `max_tokens` and want `max_completion_tokens`; older compatible servers know only the former.
_NEW_LIMIT = re.compile(r"(?:.*/)?(?:ft:)?(?:o\d|gpt-[5-9]|chat-latest|codex-mini)")


def images_sent(message: Message) -> tuple[Attachment, ...]:
    """No model takes images as its own words; only an imported answer has any."""
    return message.attachments if message.role == "user" else ()


def wire_message(message: Message, images: Mapping[str, str]) -> dict[str, Any]:
    """One message as OpenAI wants it. images: attachment id → data URL. An answer's images are not sent back."""
    if not images_sent(message):
        return {"role": message.role, "content": message.text}
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    parts += [
        {"type": "image_url", "image_url": {"url": images[attachment.id], "detail": "auto"}}
        for attachment in message.attachments
    ]
    return {"role": message.role, "content": parts}


def opening(system_prompt: str | None, first_prompt: str | None) -> list[dict[str, Any]]:
    """What stands before the messages of every request: the system prompt, and the first prompt as acknowledged."""
    messages = [{"role": "system", "content": system_prompt}] if system_prompt else []
    if first_prompt:
        messages += [{"role": "user", "content": first_prompt}, {"role": "assistant", "content": ACKNOWLEDGED}]
    return messages


def chat_body(settings: RoomSettings, messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The request's body. settings: resolved, with a model. Usage is always asked for."""
    model = settings.model or ""
    before = opening(settings.system_prompt, settings.first_prompt)
    body: dict[str, Any] = {"model": model, "messages": [*before, *messages]}
    if settings.temperature is not None:
        body["temperature"] = settings.temperature
    if settings.top_p is not None:
        body["top_p"] = settings.top_p
    if settings.max_tokens is not None:
        body["max_completion_tokens" if _NEW_LIMIT.match(model) else "max_tokens"] = settings.max_tokens
    return body | {"stream": True, "stream_options": {"include_usage": True}}
