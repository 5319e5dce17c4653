"""A receipt as the page's JSON. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import structs

from talkmeter.conversation.values import Receipt
from talkmeter.metering.cost import CostLine
from talkmeter.metering.ledger import LedgerEntry
from talkmeter.surfaces.web.translate import money


def receipt_json(receipt: Receipt, price_sources: Mapping[str, str]) -> dict[str, Any]:
    """price_sources: price row id → where the price comes from; a row that is gone has none."""
    opening, settled = receipt.entry.opening, receipt.entry.settlement
    return {
        "entry_id": opening.id,
        "surface": opening.surface,
        "endpoint": opening.endpoint,
        "attempt": opening.attempt,
        "user_id": opening.principal,
        "key_id": opening.key_id,
        "room_id": opening.room_id,
        "end_user": opening.end_user,
        "tags": _decoded(opening.tags) or [],
        "metadata": _decoded(opening.metadata),
        "upstream_id": settled.upstream_id if settled else None,
        "state": "settled" if settled else "open",
        "outcome": settled.outcome if settled else None,
        "provenance": settled.provenance if settled else None,
        "provider_name": opening.provider_name,
        "model_asked": opening.model_asked,
        "model_requested": opening.model_requested,
        "model_served": settled.model_served if settled else None,
        "service_tier": settled.service_tier if settled else None,
        "finish_reason": settled.finish_reason if settled else None,
        "opened_at": opening.opened_at,
        "first_byte_at": settled.first_byte_at if settled else None,
        "settled_at": settled.settled_at if settled else None,
        **_tokens(receipt.entry),
        "messages_sent": opening.messages_sent,
        "preflight_tokens": opening.preflight_tokens,
        "preflight_quality": opening.preflight_quality,
        "difference": _difference(receipt.entry),
        "window": opening.window,
        "sent": [structs.asdict(line) for line in receipt.sent],
        "left_out": [structs.asdict(line) for line in receipt.left_out],
        "lines": [structs.asdict(line) for line in receipt.lines],
        "output_lines": [{"kind": line.kind, "tokens": line.tokens} for line in receipt.output_lines],
        "cost_lines": [_cost_line(line, price_sources) for line in settled.cost.lines] if settled else [],
        "cost": money(settled.cost.picodollars) if settled else None,
        "unpriced": settled.cost.unpriced if settled else (),
        "raw_usage": receipt.raw_usage,
        "http_status": settled.http_status if settled else None,
        "error": settled.error if settled else None,
        "problem": settled.problem if settled else None,
    }


def _decoded(text: str | None) -> Any:
    return None if text is None else msgspec.json.decode(text)


def _tokens(entry: LedgerEntry) -> dict[str, int | None]:
    usage = entry.settlement.usage if entry.settlement else None
    prompt = usage.prompt_tokens if usage else None
    completion = usage.completion_tokens if usage else None
    return {
        "used_tokens": None if prompt is None or completion is None else prompt + completion,
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cached_tokens": usage.cached_tokens if usage else None,
        "reasoning_tokens": usage.reasoning_tokens if usage else None,
    }


def _difference(entry: LedgerEntry) -> int | None:
    """The provider's prompt less our own count; None where the provider has not said its figure."""
    settled = entry.settlement
    if settled is None or settled.usage is None or settled.provenance not in ("reported", "drained", "reconciled"):
        return None
    prompt = settled.usage.prompt_tokens
    counted = entry.opening.preflight_tokens
    return None if prompt is None or counted is None else prompt - counted


def _cost_line(line: CostLine, price_sources: Mapping[str, str]) -> dict[str, Any]:
    return {
        "unit": line.unit,
        "quantity": line.quantity,
        "picodollars_per": line.picodollars_per,
        "per": line.per,
        "price_id": line.price_id,
        "price_source": price_sources.get(line.price_id),
        "picodollars": str(line.picodollars),
    }
