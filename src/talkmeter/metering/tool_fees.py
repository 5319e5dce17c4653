"""What tools that ran at the provider cost besides the tokens of the answer: so much for each time. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from talkmeter.metering.cost import MOST, Cost

_UNITS: Mapping[str, str] = {
    "web_search_call": "web_search",
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
}
_SOME = tuple(f'"{kind}"'.encode() for kind in _UNITS)


def uses_in(output: bytes) -> Mapping[str, int]:
    """How often each tool with a fee was used, by its unit. output: of a response, as it came."""
    if not any(kind in output for kind in _SOME):
        return {}
    found: dict[str, int] = {}
    for item in json.loads(output):
        unit = _unit_of(item) if isinstance(item, dict) else None
        if unit is not None:
            found[unit] = found.get(unit, 0) + 1
    return found


def _unit_of(item: Mapping[str, Any]) -> str | None:
    kind, action = item.get("type"), item.get("action")
    if kind == "web_search_call" and isinstance(action, dict) and action.get("type") in ("open_page", "find_in_page"):
        return None  # only searching is paid for
    return _UNITS.get(kind) if isinstance(kind, str) else None


def with_fees(cost: Cost, fees: Cost) -> Cost:
    """Both together; unpriced if either is."""
    known = cost.picodollars is not None and fees.picodollars is not None
    total = (cost.picodollars or 0) + (fees.picodollars or 0) if known else None
    if total is not None and total > MOST:
        return Cost(None, (), (*cost.unpriced, "the fees of its tools are too large to be true"))
    return Cost(total, (*cost.lines, *fees.lines), (*cost.unpriced, *fees.unpriced))


def uses_charged(cost: Cost) -> Mapping[str, int] | None:
    """The uses that a cost has lines for; None if some had no price, for then nobody knows any more how many."""
    units = set(_UNITS.values())
    if any(reason.endswith(f": {unit} has no price") for reason in cost.unpriced for unit in units):
        return None
    return {line.unit: line.quantity for line in cost.lines if line.unit in units}
