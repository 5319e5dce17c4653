"""What the log says of a run that has ended."""

from typing import Any

from talkmeter.clock import now
from talkmeter.messages import Run
from talkmeter.metering.cost import plain_dollars
from talkmeter.metering.ledger import OpenEntry, SettleEntry


def run_line(run: Run, end: str, opening: OpenEntry | None, settlement: SettleEntry | None) -> dict[str, Any]:
    """opening, settlement: of its call, if there was one. Times in ms: in all, and until it was sent.

    Cost in US dollars, exact, as text. Figures that nobody reported are None.
    """
    line: dict[str, Any] = {
        "run_id": run.id,
        "room_id": run.room_id,
        "surface": run.surface,
        "principal": run.principal,
        "key_id": run.key_id,
        "outcome": end,
        "call_id": None,
        "model": run.model,
        "milliseconds": (now() - run.created_at) // 1000,
    }
    if opening is not None:
        line |= {
            "call_id": opening.id,
            "model": opening.model_requested,
            "waited_milliseconds": (opening.opened_at - run.created_at) // 1000,
        }
    if settlement is not None:
        usage, picodollars = settlement.usage, settlement.cost.picodollars
        line |= {
            "prompt_tokens": usage.prompt_tokens if usage is not None else None,
            "completion_tokens": usage.completion_tokens if usage is not None else None,
            "cost": plain_dollars(picodollars) if picodollars is not None else None,
            "error": settlement.error.get("code") if settlement.error is not None else None,
        }
    return line
