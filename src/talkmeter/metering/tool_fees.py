"""What tools that ran at the provider cost besides the tokens of the answer: so much for each time. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import structs

from talkmeter.metering.cost import MOST, Cost

SEARCH = "web_search"
_UNITS: Mapping[str, str] = {
    "web_search_call": SEARCH,
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
}
TOOLS = tuple(_UNITS.values())
_SOME = tuple(f'"{kind}"'.encode() for kind in _UNITS)
_CITED = "url_citation"
_SEARCHES = re.compile(r"gpt-.*?-search-(preview|api)(-|\Z)", re.ASCII)  # in one go: names come from outside
_MISSING = re.compile(rf".*: ({'|'.join(TOOLS)}) has no price\b.*")
_USED = re.compile(r"\(used (\d+) times?\)")


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


def cites(annotations: Any) -> bool:
    """Whether a message of Chat Completions cites a page of the web: then the model has searched."""
    return isinstance(annotations, list) and any(
        isinstance(one, dict) and one.get("type") == _CITED for one in annotations
    )


def searches_in(model: str | None, answers: Iterable[bool]) -> Mapping[str, int]:
    """The searches of a chat, whose usage does not count them. answers: of each choice, whether it cites the web.

    One for each that does; one for each at all of OpenAI's models that search before they answer
    (`gpt-…-search-preview`, `gpt-…-search-api`). A model that searches more than once for an answer does not say so.
    """
    always = model is not None and _SEARCHES.match(model.lower().rpartition("/")[2]) is not None
    found = sum(cited or always for cited in answers)
    return {SEARCH: found} if found else {}


def with_fees(cost: Cost, fees: Cost, uses: Mapping[str, int]) -> Cost:
    """Both together; unpriced if either is. uses: what the fees are for; it stays with the reasons."""
    known = cost.picodollars is not None and fees.picodollars is not None
    total = (cost.picodollars or 0) + (fees.picodollars or 0) if known else None
    if total is not None and total > MOST:
        return Cost(None, (), (*cost.unpriced, "the fees of its tools are too large to be true"))
    fees = structs.replace(fees, unpriced=tuple(_with_uses(reason, uses) for reason in fees.unpriced))
    return Cost(total, (*cost.lines, *fees.lines), (*cost.unpriced, *fees.unpriced))


def _with_uses(reason: str, uses: Mapping[str, int]) -> str:
    missing = _MISSING.fullmatch(reason)
    if missing is None:
        return reason
    times = uses[missing[1]]
    return f"{reason} (used {times} time{'' if times == 1 else 's'})"


def uses_charged(cost: Cost) -> Mapping[str, int] | None:
    """The uses that a cost has lines for, or reasons; None if a reason does not say how many."""
    found = {line.unit: line.quantity for line in cost.lines if line.unit in TOOLS}
    for reason in cost.unpriced:
        if (missing := _MISSING.fullmatch(reason)) is None:
            continue
        if (used := _USED.search(reason)) is None:
            return None
        found[missing[1]] = int(used[1])
    return found
