"""What a call's metadata say of an answer: its ids before it, its figures after it. Pure."""

from typing import Any
from urllib.parse import quote

from talkmeter.conversation.talk_values import Answered
from talkmeter.metering.cost import plain_dollars

Pairs = tuple[tuple[str, str], ...]


def ids(conversation_id: str, run_id: str, message_id: str) -> Pairs:
    """For the beginning of a call."""
    return (
        ("x-conversation-id", plain(conversation_id)),
        ("x-run-id", run_id),
        ("x-message-id", message_id),
    )


def figures(answered: Answered) -> Pairs:
    """For its end. What nobody knows is left out: missing is not zero."""
    usage, cost = answered.usage, answered.cost
    said: dict[str, Any] = {
        "x-usage-prompt-tokens": usage and usage.prompt_tokens,
        "x-usage-completion-tokens": usage and usage.completion_tokens,
        "x-usage-cached-tokens": usage and usage.cached_tokens,
        "x-usage-reasoning-tokens": usage and usage.reasoning_tokens,
        "x-usage-provenance": answered.provenance,
        "x-cost": None if cost is None or cost.picodollars is None else plain_dollars(cost.picodollars),
        "x-call-id": answered.entry and answered.entry.opening.id,
    }
    return (
        *ids(answered.conversation_id, answered.run_id, answered.message_id),
        *((name, plain(str(value))) for name, value in said.items() if value is not None),
    )


def plain(text: str) -> str:
    """As metadata can carry it: percent-encoded where it is not printable ASCII."""
    return quote(text, safe="".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%"))
