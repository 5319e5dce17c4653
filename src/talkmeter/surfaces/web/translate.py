"""Values to the page's JSON, exactly as docs/page-api.md says. Pure. Money travels as decimal strings."""

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import UNSET, structs

from talkmeter.accounts.store import ProviderAccount
from talkmeter.config import Setting
from talkmeter.conversation.values import Ask, Asked, MessagePage, MessageView, Preview, PreviewAsk, RoomView
from talkmeter.errors import TalkmeterError
from talkmeter.messages import Attachment, Room, RoomSettings
from talkmeter.metering.amounts import amount_json
from talkmeter.metering.budgets import Standing
from talkmeter.metering.ledger import LedgerEntry, Totals
from talkmeter.metering.prices import PriceRow
from talkmeter.surfaces.web.services import Tested
from talkmeter.surfaces.web.shapes import AskBody, PreviewBody, RoomSettingsBody, TimeoutsBody

SURFACE = "web"


def money(picodollars: int | None) -> str | None:
    """Picodollars can exceed what JavaScript's numbers hold exactly."""
    return None if picodollars is None else str(picodollars)


# --- in


def ask_of(body: AskBody, principal: str) -> Ask:
    return Ask(
        surface=SURFACE,
        principal=principal,
        client_id=body.client_id,
        text=body.text,
        room_id=body.room_id,
        parent_id=body.parent_id,
        attachment_ids=body.attachment_ids,
        room=_settings_of(body.room),
    )


def preview_ask_of(body: PreviewBody, principal: str) -> PreviewAsk:
    return PreviewAsk(
        principal=principal,
        text=body.text,
        room_id=body.room_id,
        parent_id=body.parent_id,
        attachment_ids=body.attachment_ids,
        room=_settings_of(body.room),
    )


def _settings_of(body: RoomSettingsBody | None) -> RoomSettings | None:
    return None if body is None else RoomSettings(**structs.asdict(body))


# --- rooms and messages


def room_json(room: Room, *, running: bool) -> dict[str, Any]:
    return {
        "id": room.id,
        "title": room.title,
        "pinned": room.pinned,
        **structs.asdict(room.settings),
        "leaf_id": room.leaf_id,
        "running": running,
        "created_at": room.created_at,
        "last_used_at": room.last_used_at,
        "message_count": room.message_count,
    }


def attachment_json(attachment: Attachment) -> dict[str, Any]:
    return {
        "id": attachment.id,
        "name": attachment.name,
        "mime": attachment.mime,
        "bytes": attachment.bytes,
        "width": attachment.width,
        "height": attachment.height,
    }


def message_json(view: MessageView) -> dict[str, Any]:
    message = view.message
    return {
        "id": message.id,
        "room_id": message.room_id,
        "parent_id": message.parent_id,
        "role": message.role,
        "text": message.text,
        "status": message.status,
        "siblings": view.siblings,
        "created_at": message.created_at,
        "finished_at": message.finished_at,
        "attachments": [attachment_json(item) for item in message.attachments],
        "model": message.model,
        "provider_name": message.provider_name,
        "run_id": message.run_id,
        "error": message.error,
        "figures": None if view.entry is None else figures_json(view.entry),
    }


def figures_json(entry: LedgerEntry) -> dict[str, Any]:
    """The figures beside a question and its answer."""
    settled = entry.settlement
    usage = settled.usage if settled else None
    cost = settled.cost if settled else None
    priced = None if cost is None or usage is None else cost.picodollars is not None
    return {
        "entry_id": entry.opening.id,
        "state": "settled" if settled else "open",
        "provenance": settled.provenance if settled else None,
        "prompt_tokens": usage.prompt_tokens if usage else None,
        "cached_tokens": usage.cached_tokens if usage else None,
        "completion_tokens": usage.completion_tokens if usage else None,
        "reasoning_tokens": usage.reasoning_tokens if usage else None,
        "input_cost": money(cost.input_picodollars) if cost and usage else None,
        "output_cost": money(cost.output_picodollars) if cost and usage else None,
        "cost": money(cost.picodollars) if cost else None,
        "priced": priced,
        "preflight_tokens": entry.opening.preflight_tokens,
        "model_served": settled.model_served if settled else None,
    }


def totals_json(totals: Totals) -> dict[str, Any]:
    return {
        "calls": totals.calls,
        "prompt_tokens": totals.prompt_tokens,
        "completion_tokens": totals.completion_tokens,
        "cost": str(totals.picodollars),
        "unpriced_calls": totals.unpriced_calls,
        "unknown_calls": totals.unknown_calls,
        "open_calls": totals.open_calls,
    }


def room_view_json(view: RoomView) -> dict[str, Any]:
    return {
        "room": room_json(view.room, running=view.running),
        "messages": [message_json(item) for item in view.messages],
        "older": view.older,
        "totals": totals_json(view.totals),
    }


def message_page_json(page: MessagePage) -> dict[str, Any]:
    return {"messages": [message_json(item) for item in page.messages], "older": page.older}


def asked_json(asked: Asked, *, running: bool) -> dict[str, Any]:
    return {
        "room": room_json(asked.room, running=running),
        "question": message_json(asked.question),
        "answer": message_json(asked.answer),
        "run_id": asked.run_id,
    }


def preview_json(preview: Preview) -> dict[str, Any]:
    rungs = [
        {**structs.asdict(rung), "cost_low": money(rung.cost_low), "cost_high": money(rung.cost_high)}
        for rung in preview.ladder
    ]
    return {**structs.asdict(preview), "ladder": rungs}


# --- settings, providers, prices


def setting_json(setting: Setting) -> dict[str, Any]:
    return {
        "name": setting.name,
        "kind": setting.kind,
        "default": setting.plain(setting.default),
        "help": setting.help,
        "help_ko": setting.help_ko,
    }


def settings_json(values: Mapping[str, Any], locked: Mapping[str, str], described: Iterable[Setting]) -> dict[str, Any]:
    return {
        "settings": dict(values),
        "locked": dict(locked),
        "described": [setting_json(setting) for setting in described],
    }


def provider_json(account: ProviderAccount) -> dict[str, Any]:
    """Of a key nothing but its hint."""
    return {
        "id": account.id,
        "name": account.name,
        "base_url": account.base_url,
        "key_hint": None if account.key is None else f"…{account.key.hint}",
        "enabled": account.enabled,
        "source": account.source,
        "created_at": account.created_at,
        "admin_key_hint": None if account.admin_key is None else f"…{account.admin_key.hint}",
        "timeouts": structs.asdict(account.timeouts),
    }


def timeouts_given(body: TimeoutsBody) -> dict[str, float | None]:
    """Those that the body names."""
    return {name: seconds for name, seconds in structs.asdict(body).items() if seconds is not UNSET}


def provider_name_json(account: ProviderAccount) -> dict[str, Any]:
    """For members: what there is to choose from, and nothing about how it is reached."""
    return {**provider_json(account), "base_url": None, "key_hint": None, "admin_key_hint": None, "timeouts": None}


def tested_json(tested: Tested) -> dict[str, Any]:
    return {
        "ok": tested.ok,
        "status": tested.status,
        "milliseconds": tested.milliseconds,
        "models": list(tested.models),
        "error": None if tested.error is None else _words(tested.error),
    }


def _words(error: TalkmeterError) -> dict[str, Any]:
    return {
        "message": " ".join(filter(None, (error.message, error.hint))),
        "message_ko": " ".join(filter(None, (error.message_ko, error.hint_ko))),
    }


def price_json(row: PriceRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "provider": row.provider,
        "model": row.model,
        "unit": row.unit,
        "tier": row.tier,
        "band_from": row.band_from,
        "effective_from": row.effective_from,
        "picodollars": str(row.picodollars),
        "per": row.per,
        "source": row.source,
        "own": row.id.startswith("own/"),
    }

def budget_json(standing: Standing) -> dict[str, Any]:
    budget, unit = standing.budget, standing.budget.unit
    return {
        "id": budget.id,
        "name": budget.name,
        "scope": budget.scope,
        "scope_id": budget.scope_id,
        "period": budget.period,
        "unit": unit,
        "amount": amount_json(unit, budget.amount),
        "hard": budget.hard,
        "enabled": budget.enabled,
        "created_at": budget.created_at,
        "standing": {
            "spent": amount_json(unit, standing.spent),
            "reserved": amount_json(unit, standing.reserved),
            "remaining": amount_json(unit, standing.remaining),
            "period_start": standing.period_start,
            "resets_at": standing.resets_at,
        },
    }
