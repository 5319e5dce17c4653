"""What both services say of an answer, in either's messages. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, UnsetType

from talkmeter.conversation.talk_values import Answered
from talkmeter.errors import BadInput
from talkmeter.messages import RoomSettings, TokenWindow, Window
from talkmeter.metering.cost import Cost, plain_dollars
from talkmeter.metering.ledger import LedgerEntry

OPTIONS = ("model", "system_prompt", "temperature", "top_p", "max_tokens")
USAGE = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


def options_of(message: Any) -> RoomSettings | None:
    """Of the fields that are set; None: of none. Raises BadInput for two windows at once."""
    said: dict[str, Any] = {name: getattr(message, name) for name in OPTIONS if message.HasField(name)}
    window = _window(message)
    if window is not UNSET:
        said["window"] = window
    return RoomSettings(**said) if said else None


def usage_of(entry: LedgerEntry | None) -> dict[str, Any] | None:
    """The fields of a Usage; None: there is no settled call. Figures that nobody has are not in it."""
    if entry is None or entry.settlement is None:
        return None
    usage = entry.settlement.usage
    figures = {name: getattr(usage, name) for name in USAGE} if usage is not None else {}
    return {**present(figures), "provenance": entry.settlement.provenance}


def cost_of(cost: Cost | None) -> dict[str, Any] | None:
    """The fields of a Cost; None: no price is known."""
    if cost is None or cost.picodollars is None:
        return None
    return {"picodollars": cost.picodollars, "usd": plain_dollars(cost.picodollars)}


def figures_of(answered: Answered) -> dict[str, Any]:
    """usage, cost and finish_reason, as far as there are any."""
    usage, cost = usage_of(answered.entry), cost_of(answered.cost)
    return present({"usage": usage, "cost": cost, "finish_reason": answered.finish_reason})


def present(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what is None: in a message, that is not set."""
    return {name: value for name, value in fields.items() if value is not None}


def _window(message: Any) -> Window | UnsetType:
    messages, tokens = message.HasField("window"), message.HasField("window_tokens")
    if messages and tokens:
        raise BadInput(
            "A history window goes by messages or by tokens: set window or window_tokens.",
            "히스토리 창은 메시지 수 또는 토큰 수로 정합니다. window와 window_tokens 중 하나만 보내십시오.",
            param="window_tokens",
        )
    if tokens:
        return TokenWindow(message.window_tokens)
    return message.window if messages else UNSET
