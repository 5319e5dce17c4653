"""Values as rows and rows as values: what each column holds, in both directions. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from talkmeter.accounts.names import name_key
from talkmeter.accounts.routes import ModelRoute, RouteTarget
from talkmeter.accounts.store import ApiKey, OwnTimeouts, ProviderAccount, SealedKey, StoredKey, User
from talkmeter.messages import Attachment, Message, Room, RoomSettings, Run, RunEvent
from talkmeter.metering.cost import Cost, CostLine
from talkmeter.metering.ledger import LedgerEntry, OpenEntry, SettleEntry
from talkmeter.metering.prices import PriceRow
from talkmeter.metering.usage import Usage


class Row(Protocol):
    """A row of a SELECT: columns by name."""

    def __getattr__(self, name: str) -> Any: ...


json_text = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Any]).decode
_room_settings = msgspec.json.Decoder(RoomSettings).decode
_cost_lines = msgspec.json.Decoder(tuple[CostLine, ...]).decode
_texts = msgspec.json.Decoder(tuple[str, ...]).decode
_targets = msgspec.json.Decoder(tuple[RouteTarget, ...]).decode
_any = msgspec.json.Decoder().decode


def to_json(value: Any) -> str:
    return json_text(value).decode()


def json_or_none(value: Any) -> str | None:
    return None if value is None else json_text(value).decode()


def from_json(text: str) -> Any:
    return _any(text)


def _object_or_none(text: str | None) -> dict[str, Any] | None:
    return None if text is None else _object(text)


def _fields(value: Struct) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


# Rooms


def room_values(room: Room) -> dict[str, Any]:
    """message_count is the store's own count and starts at 0."""
    return {**_fields(room), "settings": to_json(room.settings), "message_count": 0}


def room(row: Row) -> Room:
    return Room(
        id=row.id,
        principal=row.principal,
        title=row.title,
        pinned=row.pinned,
        settings=_room_settings(row.settings),
        leaf_id=row.leaf_id,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        message_count=row.message_count,
        conversation_id=row.conversation_id,
    )


# Messages


def message_values(message: Message) -> dict[str, Any]:
    values = _fields(message)
    del values["attachments"]
    values["error"] = json_or_none(message.error)
    return values


def message(row: Row, attachments: tuple[Attachment, ...] = ()) -> Message:
    return Message(
        id=row.id,
        room_id=row.room_id,
        parent_id=row.parent_id,
        role=row.role,
        text=row.text,
        status=row.status,
        created_at=row.created_at,
        finished_at=row.finished_at,
        model=row.model,
        provider_name=row.provider_name,
        run_id=row.run_id,
        error=_object_or_none(row.error),
        attachments=attachments,
    )


attachment_values = _fields


def attachment(row: Row) -> Attachment:
    return Attachment(**{name: getattr(row, name) for name in Attachment.__struct_fields__})


def run_values(run: Run) -> dict[str, Any]:
    return {**_fields(run), "tags": to_json(run.tags) if run.tags else None, "options": json_or_none(run.options)}


def run(row: Row) -> Run:
    values = {name: getattr(row, name) for name in Run.__struct_fields__}
    values["tags"] = () if row.tags is None else _texts(row.tags)
    values["options"] = None if row.options is None else _room_settings(row.options)
    return Run(**values)


def run_event_values(run_id: str, event: RunEvent) -> dict[str, Any]:
    return {"run_id": run_id, "seq": event.seq, "kind": event.kind, "data": to_json(event.data)}


def run_event(row: Row) -> RunEvent:
    return RunEvent(seq=row.seq, kind=row.kind, data=_object(row.data))


# The ledger

_OPENING = OpenEntry.__struct_fields__
_USAGE = Usage.__struct_fields__
_SETTLING = tuple(name for name in SettleEntry.__struct_fields__ if name not in ("id", "usage", "cost", "error"))
_NO_USAGE: Mapping[str, None] = dict.fromkeys(_USAGE)


def opening_values(entry: OpenEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in _OPENING}


def settlement_values(entry: SettleEntry) -> dict[str, Any]:
    values = {name: getattr(entry, name) for name in _SETTLING}
    usage = entry.usage
    values.update(_NO_USAGE if usage is None else usage_values(usage))
    values.update(cost_values(entry.cost))
    values["this"] = entry.id
    values["has_usage"] = usage is not None
    values["error"] = json_or_none(entry.error)
    return values


def usage_values(usage: Usage) -> dict[str, Any]:
    return {name: getattr(usage, name) for name in _USAGE}


def cost_values(cost: Cost) -> dict[str, Any]:
    return {
        "cost_picodollars": cost.picodollars,
        "cost_lines": to_json(cost.lines),
        "unpriced": to_json(cost.unpriced),
    }


def cost(row: Row) -> Cost:
    """Of a settled entry."""
    return Cost(row.cost_picodollars, _cost_lines(row.cost_lines), _texts(row.unpriced))


def entry(row: Row) -> LedgerEntry:
    opening = OpenEntry(**{name: getattr(row, name) for name in _OPENING})
    if row.state == "open":
        return LedgerEntry(opening=opening)
    usage = Usage(**{name: getattr(row, name) for name in _USAGE}) if row.has_usage else None
    settled = {name: getattr(row, name) for name in _SETTLING}
    return LedgerEntry(
        opening=opening,
        settlement=SettleEntry(id=row.id, usage=usage, cost=cost(row), error=_object_or_none(row.error), **settled),
    )


def price_row(row: Row) -> PriceRow:
    return PriceRow(**{name: getattr(row, name) for name in PriceRow.__struct_fields__})


# Accounts


def provider_values(provider: ProviderAccount) -> dict[str, Any]:
    key, admin_key = provider.key, provider.admin_key
    return {
        "id": provider.id,
        "name": provider.name,
        "base_url": provider.base_url,
        "key_nonce": key and key.nonce,
        "key_ciphertext": key and key.ciphertext,
        "key_hint": key and key.hint,
        "enabled": provider.enabled,
        "created_at": provider.created_at,
        "source": provider.source,
        "admin_key_nonce": admin_key and admin_key.nonce,
        "admin_key_ciphertext": admin_key and admin_key.ciphertext,
        "admin_key_hint": admin_key and admin_key.hint,
        **{f"{name}_seconds": getattr(provider.timeouts, name) for name in OwnTimeouts.__struct_fields__},
    }


def provider(row: Row) -> ProviderAccount:
    return ProviderAccount(
        id=row.id,
        name=row.name,
        base_url=row.base_url,
        key=_sealed(row.key_nonce, row.key_ciphertext, row.key_hint),
        enabled=row.enabled,
        created_at=row.created_at,
        source=row.source,
        admin_key=_sealed(row.admin_key_nonce, row.admin_key_ciphertext, row.admin_key_hint),
        timeouts=OwnTimeouts(**{name: getattr(row, f"{name}_seconds") for name in OwnTimeouts.__struct_fields__}),
    )


def _sealed(nonce: bytes | None, ciphertext: bytes | None, hint: str | None) -> SealedKey | None:
    if nonce is None or ciphertext is None:
        return None
    return SealedKey(bytes(nonce), bytes(ciphertext), hint or "")


def route_values(route: ModelRoute) -> dict[str, Any]:
    return {**_fields(route), "targets": to_json(route.targets)}


def route(row: Row) -> ModelRoute:
    fields = {name: getattr(row, name) for name in ModelRoute.__struct_fields__}
    return ModelRoute(**{**fields, "targets": _targets(row.targets)})


def user_values(user: User) -> dict[str, Any]:
    values = _fields(user)
    del values["has_password"]
    return {**values, "name_key": name_key(user.name), "password": None}


def user(row: Row) -> User:
    """has_password is a column of the query."""
    return User(**{name: getattr(row, name) for name in User.__struct_fields__})


_LISTS = ("models", "doors")


def key_value(name: str, value: Any) -> Any:
    return json_or_none(value) if name in _LISTS else value


def key_values(stored: StoredKey) -> dict[str, Any]:
    values = {name: key_value(name, value) for name, value in _fields(stored.key).items()}
    return {**values, "digest": stored.digest}


def stored_key(row: Row) -> StoredKey:
    values = {name: getattr(row, name) for name in ApiKey.__struct_fields__}
    for name in _LISTS:
        values[name] = None if values[name] is None else _texts(values[name])
    return StoredKey(bytes(row.digest), ApiKey(**values))


def by_message(attachments: Sequence[Attachment]) -> dict[str, tuple[Attachment, ...]]:
    """message id → its attachments, in the order given."""
    found: dict[str, tuple[Attachment, ...]] = {}
    for each in attachments:
        if each.message_id is not None:
            found[each.message_id] = (*found.get(each.message_id, ()), each)
    return found
