"""Reading JSON that someone else wrote: every function takes anything and never fails."""

import json
from collections.abc import Mapping
from typing import Any

Json = Mapping[str, Any]


def as_object(value: Any) -> Json:
    """Return `value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_objects(value: Any) -> list[Json]:
    """Return the JSON objects of a list; anything else in it, or no list, is left out."""
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def as_text(value: Any) -> str:
    """Return `value` if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def to_json(value: Any) -> str:
    """JSON with a space behind comma and colon; empty if there is no such text."""
    return _dump(value, (", ", ": "))


def to_compact_json(value: Any) -> str:
    """JSON without spaces; empty if there is no such text."""
    return _dump(value, (",", ":"))


def _dump(value: Any, separators: tuple[str, str]) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, separators=separators)
    except (TypeError, ValueError, RecursionError):
        # Nested deeper than the stack, an integer beyond Python's limit of digits, or no JSON at all.
        return ""
