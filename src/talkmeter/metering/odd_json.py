"""JSON that is legal but odd, or of which only a part is there. Pure."""

import json
from typing import Any, TypeVar

import msgspec
from msgspec import Raw

T = TypeVar("T")

_RAW = ("usage", "error", "output", "data", "item")


def object_at(body: bytes, start: int) -> bytes | None:
    """The JSON object that begins at `start`; None if it is not one."""
    try:
        text = body[start:].decode("utf-8", "replace")
        value, _ = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    return json.dumps(value).encode()


def read_loosely(data: bytes, kind: type[T]) -> T | None:
    """A second try for an event with lone surrogates or NaN; what stays odd is None."""
    try:
        value = json.loads(data.decode("utf-8", "replace"), parse_constant=lambda _name: None)
        return msgspec.convert(value, kind) if _is_plain(value) else None
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None


def _is_plain(value: Any) -> bool:
    """Raw fields cannot be made from values; they are put back as bytes."""
    if not isinstance(value, dict):
        return False
    for part in (value, value.get("response")):
        if isinstance(part, dict):
            for name in _RAW:
                if name in part:
                    part[name] = Raw(json.dumps(part[name]).encode())
    return True
