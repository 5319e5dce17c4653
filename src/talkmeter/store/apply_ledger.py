"""Applies the changes of metering. The conditions here are what "exactly once" rests on."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import astuple
from sqlalchemy import Integer, bindparam, delete, insert, literal_column, select, update

from talkmeter.errors import Conflict
from talkmeter.metering.budget_store import SettleBudgets
from talkmeter.metering.ledger import (
    CorrectEntry,
    CountEntry,
    ForgetPartials,
    KeepPartial,
    OpenEntry,
    PriceEntry,
    SettleEntry,
)
from talkmeter.metering.pricebook_store import AddPriceRow, DeletePriceRow
from talkmeter.metering.usage import Usage
from talkmeter.store import rows
from talkmeter.store.bulk import Bulk, Bulks
from talkmeter.store.parameters import THIS
from talkmeter.store.revising import revise
from talkmeter.store.schema import PARTIALS_OF_A_PART, ledger_entries, partial_texts, price_rows
from talkmeter.store.transaction import Refusal, Statement, Transaction

_entries = ledger_entries.c
_COST = ("cost_picodollars", "cost_lines", "unpriced")

_OPEN = Statement(insert(ledger_entries), columns=["state", *OpenEntry.__struct_fields__])
_SETTLE = Statement(
    update(ledger_entries).where(_entries.id == THIS, _entries.state == literal_column("'open'")),
    columns=[
        "state",
        "has_usage",
        *(name for name in SettleEntry.__struct_fields__ if name not in ("id", "usage", "cost")),
        *Usage.__struct_fields__,
        *_COST,
    ],
)
_PRICE = Statement(
    update(ledger_entries).where(
        _entries.id == THIS,
        _entries.state == literal_column("'settled'"),
        _entries.cost_picodollars.is_(None),
    ),
    columns=_COST,
)
_COUNT = Statement(
    update(ledger_entries).where(_entries.id == THIS, _entries.state == literal_column("'open'")),
    columns=["preflight_tokens", "preflight_quality", "preflight_encoding"],
)
_CORRECT = Statement(
    update(ledger_entries).where(
        _entries.id == THIS,
        _entries.state == literal_column("'settled'"),
        _entries.provenance.in_([literal_column(f"'{name}'") for name in ("counted", "estimated", "unknown")]),
    ),
    columns=["provenance", "has_usage", *Usage.__struct_fields__, *_COST],
)
_TELL = Statement(
    update(ledger_entries).where(_entries.id == THIS),
    columns=["raw_usage", "model_served", "service_tier"],
)
_NOTE = Statement(update(ledger_entries).where(_entries.id == THIS), columns=["problem"])
_KEEP_PARTIAL = Statement(insert(partial_texts))
_FORGET_PARTIALS = Statement(delete(partial_texts).where(partial_texts.c.entry_id == THIS))
_STATE = Statement(select(_entries.state).where(_entries.id == THIS))
_ADD_PRICE = Statement(insert(price_rows))
_DELETE_PRICE = Statement(delete(price_rows).where(price_rows.c.id == THIS))


_USED = Usage.__struct_fields__
_UNUSED = (None,) * len(_USED)
_OTHERWISE = {"id": "this", "usage": None, "cost": None, "error": None}  # of a settlement's fields: no plain columns
_SETTLED = tuple(_OTHERWISE.get(name, name) for name in SettleEntry.__struct_fields__)


def _settlement(change: SettleEntry) -> tuple[Any, ...]:
    usage, cost = change.usage, change.cost
    return (
        *astuple(change),
        *(_UNUSED if usage is None else astuple(usage)),
        0 if usage is None else 1,  # to hand a boolean to SQLite costs Python as much as NULL does
        None if change.error is None else rows.to_json(change.error),
        cost.picodollars,
        rows.to_json(cost.lines),
        rows.to_json(cost.unpriced) if cost.unpriced else "[]",
    )


BULK: Bulks = {
    OpenEntry: Bulk(
        insert(ledger_entries).values(state=literal_column("'open'")), OpenEntry.__struct_fields__, astuple, last=False
    ),
    SettleEntry: Bulk(
        update(ledger_entries)
        .where(_entries.id == THIS, _entries.state == literal_column("'open'"))
        .values(state=literal_column("'settled'"), has_usage=bindparam("used", type_=Integer) == literal_column("1")),
        (*_SETTLED, *_USED, "used", "error", *_COST),
        _settlement,
        last=True,
    ),
}


BESIDE = frozenset({SettleBudgets, ForgetPartials})  # what goes along with a settlement, and is never refused


def open_entry(at: Transaction, change: OpenEntry) -> None:
    exists = Refusal(
        "entry_exists",
        f"The ledger has an entry {change.id} already.",
        f"장부에 {change.id} 항목이 이미 있습니다.",
    )
    at.run(_OPEN, {**rows.opening_values(change), "state": "open"}, exists)


def settle_entry(at: Transaction, change: SettleEntry) -> None:
    if at.run(_SETTLE, {**rows.settlement_values(change), "state": "settled"}) == 0:
        _refuse(at, change.id, "already_settled", "has been settled already", "이미 정산되었습니다")


def price_entry(at: Transaction, change: PriceEntry) -> None:
    if at.run(_PRICE, {**rows.cost_values(change.cost), "this": change.id}) == 0:
        _refuse(
            at,
            change.id,
            "already_priced",
            "is still open or has its cost already",
            "아직 열려 있거나 이미 비용이 있습니다",
        )


def count_entry(at: Transaction, change: CountEntry) -> None:
    """An entry that has been settled meanwhile is left as it is."""
    values = {name: getattr(change, name) for name in change.__struct_fields__ if name != "id"}
    at.run(_COUNT, {**values, "this": change.id})


def correct_entry(at: Transaction, change: CorrectEntry) -> None:
    values = {**rows.usage_values(change.usage), **rows.cost_values(change.cost)}
    values |= {"provenance": change.provenance, "has_usage": True, "this": change.id}
    if at.run(_CORRECT, values) == 0:
        _refuse(
            at, change.id, "not_correctable", "has figures of its own, or is still open", "이미 확정된 값이 있습니다"
        )
    told = {name: getattr(change, name) for name in ("raw_usage", "model_served", "service_tier")}
    if any(value is not None for value in told.values()):
        at.run(_TELL, {**told, "this": change.id})
    if change.problem is not None:
        at.run(_NOTE, {"problem": change.problem, "this": change.id})


def keep_partial(at: Transaction, change: KeepPartial) -> None:
    number = change.part * PARTIALS_OF_A_PART + change.seq
    at.run(_KEEP_PARTIAL, {"entry_id": change.entry_id, "seq": number, "text": change.text})


def forget_partials(at: Transaction, change: ForgetPartials) -> None:
    at.run(_FORGET_PARTIALS, {"this": change.entry_id})


def _refuse(at: Transaction, entry_id: str, code: str, why: str, why_ko: str) -> None:
    if not at.rows(_STATE, {"this": entry_id}):
        raise Conflict(
            f"The ledger has no entry {entry_id}.", f"장부에 {entry_id} 항목이 없습니다.", code="no_such_entry"
        )
    raise Conflict(f"The ledger entry {entry_id} {why}.", f"장부 항목 {entry_id}: {why_ko}.", code=code)


def add_price_row(at: Transaction, change: AddPriceRow) -> None:
    revise(at)
    row = change.row
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    exists = Refusal(
        "price_row_exists",
        f"There is a price row {row.id} already; rows are never overwritten.",
        f"가격 행 {row.id}이(가) 이미 있습니다. 가격 행은 덮어쓰지 않습니다.",
    )
    at.run(_ADD_PRICE, {**values, "created_at": change.created_at}, exists)


def delete_price_row(at: Transaction, change: DeletePriceRow) -> None:
    revise(at)
    absent = Refusal(
        "no_such_price_row",
        f"There is no price row {change.id} of your own.",
        f"직접 추가한 가격 행 {change.id}이(가) 없습니다.",
    )
    at.must(_DELETE_PRICE, {"this": change.id}, absent)


APPLY: Mapping[type, Callable[[Transaction, Any], Any]] = {
    OpenEntry: open_entry,
    SettleEntry: settle_entry,
    PriceEntry: price_entry,
    CountEntry: count_entry,
    CorrectEntry: correct_entry,
    KeepPartial: keep_partial,
    ForgetPartials: forget_partials,
    AddPriceRow: add_price_row,
    DeletePriceRow: delete_price_row,
}
