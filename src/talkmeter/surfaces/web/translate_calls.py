"""Calls as the page's JSON, and as the lines of an export. Pure."""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct, structs

from talkmeter.metering.calls import Call
from talkmeter.metering.cost import plain_dollars
from talkmeter.metering.tool_fees import TOOLS
from talkmeter.surfaces.web.translate import money

# What spreadsheets take for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# Figures that few calls have: in files and receipts, not in the list.
_SELDOM = (
    *("cache_write_1h_tokens", "prompt_audio_tokens", "prompt_image_tokens", "cached_audio_tokens"),
    *("cached_image_tokens", "completion_audio_tokens", "completion_image_tokens", "characters", "seconds", "images"),
)


class Named(Struct, frozen=True):
    """What keys and users are called; ids that are not there any more have no name."""

    keys: Mapping[str, str]
    users: Mapping[str, str]


def call_json(call: Call, named: Named) -> dict[str, Any]:
    fields = structs.asdict(call)
    for name in ("principal", "has_usage", "picodollars", "metadata", "error", "tools", *_SELDOM):
        del fields[name]
    return {
        **fields,
        "user_id": call.principal,
        "user_name": named.users.get(call.principal),
        "key_name": named.keys.get(call.key_id or ""),
        "cost": money(call.picodollars),
        "priced": call.priced,
        "error_code": call.error,
        "tags": _decoded(call.tags) or [],
    }


def _decoded(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


# --- exports


def exported(call: Call, named: Named) -> dict[str, Any]:
    """One call, flat: for both forms of an export. Whatever is priced, and the money exactly, in both units."""
    return {
        "id": call.id,
        "opened_at": _iso(call.opened_at),
        "settled_at": _iso(call.settled_at),
        "state": call.state,
        "outcome": call.outcome,
        "provenance": call.provenance,
        "surface": call.surface,
        "endpoint": call.endpoint,
        "user_id": call.principal,
        "user_name": named.users.get(call.principal),
        "key_id": call.key_id,
        "key_name": named.keys.get(call.key_id or ""),
        "provider_id": call.provider_id,
        "provider_name": call.provider_name,
        "model_asked": call.model_asked,
        "model_requested": call.model_requested,
        "model_served": call.model_served,
        "service_tier": call.service_tier,
        "attempt": call.attempt,
        "prompt_tokens": call.prompt_tokens,
        "cached_tokens": call.cached_tokens,
        "cache_write_tokens": call.cache_write_tokens,
        "completion_tokens": call.completion_tokens,
        "reasoning_tokens": call.reasoning_tokens,
        **{name: getattr(call, name) for name in _SELDOM},
        **{f"{tool}_uses": (call.tools or {}).get(tool) for tool in TOOLS},
        "cost_usd": None if call.picodollars is None else plain_dollars(call.picodollars),
        "cost_picodollars": money(call.picodollars),
        "pricing": _pricing(call),
        "first_byte_ms": _milliseconds(call.opened_at, call.first_byte_at),
        "duration_ms": _milliseconds(call.opened_at, call.settled_at),
        "http_status": call.http_status,
        "finish_reason": call.finish_reason,
        "error_code": call.error,
        "end_user": call.end_user,
        "tags": _decoded(call.tags) or [],
        "metadata": _decoded(call.metadata),
        "room_id": call.room_id,
        "upstream_id": call.upstream_id,
    }


def ndjson_line(call: Call, named: Named) -> bytes:
    return msgspec.json.encode(exported(call, named)) + b"\n"


def csv_line(call: Call, named: Named) -> bytes:
    """Missing figures are empty cells, never 0. Text that a spreadsheet would calculate gets a ' before it."""
    return _csv([_cell(name, value) for name, value in exported(call, named).items()])


def csv_head() -> bytes:
    """With a byte order mark, without which spreadsheets take Korean for something else."""
    return "\ufeff".encode() + _csv(list(_COLUMNS))


_COLUMNS = (
    *("id", "opened_at", "settled_at", "state", "outcome", "provenance", "surface", "endpoint", "user_id"),
    *("user_name", "key_id", "key_name", "provider_id", "provider_name", "model_asked", "model_requested"),
    *("model_served", "service_tier", "attempt", "prompt_tokens", "cached_tokens", "cache_write_tokens", "completion_tokens"),
    *("reasoning_tokens", *_SELDOM, *(f"{tool}_uses" for tool in TOOLS), "cost_usd", "cost_picodollars", "pricing"),
    *("first_byte_ms", "duration_ms", "http_status", "finish_reason", "error_code", "end_user", "tags", "metadata", "room_id", "upstream_id"),
)

LINES: Mapping[str, tuple[Callable[[], bytes], Callable[[Call, Named], bytes], str]] = {
    "csv": (csv_head, csv_line, "text/csv; charset=utf-8"),
    "ndjson": (bytes, ndjson_line, "application/x-ndjson"),
}


def _cell(name: str, value: Any) -> str:
    if value is None or value == []:
        return ""
    if name == "tags":
        text = ", ".join(value)
    elif name == "metadata":
        text = msgspec.json.encode(value).decode()
    else:
        text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _csv(cells: list[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    return line.getvalue().encode()


def _pricing(call: Call) -> str:
    if call.state == "open":
        return "open"
    return {True: "priced", False: "unpriced", None: "unknown"}[call.priced]


def _iso(at: int | None) -> str | None:
    if at is None:
        return None
    return (_EPOCH + timedelta(microseconds=at)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _milliseconds(since: int, until: int | None) -> int | None:
    return None if until is None else max(0, until - since) // 1000
