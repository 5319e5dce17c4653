"""Queries of the ledger."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, literal_column, or_, select

from talkmeter.metering.ledger import PROMPT_PART, LedgerEntry, Totals
from talkmeter.store import rows
from talkmeter.store.parameters import IDS, THIS, chunks
from talkmeter.store.schema import PARTIALS_OF_A_PART, ledger_entries, partial_texts

_entry = ledger_entries.c
# Literals, not parameters: SQLite uses a partial index only where it can see its condition.
_OPEN = _entry.state == literal_column("'open'")
_SETTLED = _entry.state == literal_column("'settled'")

_ENTRY = select(ledger_entries).where(_entry.id == THIS)
_OPEN_ENTRIES = select(ledger_entries).where(_OPEN).order_by(_entry.position)
_UNPRICED = (
    select(ledger_entries)
    .where(_SETTLED, _entry.cost_picodollars.is_(None), _entry.has_usage.is_(True))
    .order_by(_entry.position)
)
_UNPRICED_OF_MODEL = _UNPRICED.where(
    or_(_entry.model_requested == bindparam("model"), _entry.model_served == bindparam("model"))
)
_OF_ANSWERS = select(ledger_entries).where(_entry.answer_id.in_(IDS)).order_by(_entry.position)


_OF_UPSTREAM = (
    select(ledger_entries)
    .where(
        _entry.endpoint.in_([literal_column("'responses'"), literal_column("'batches'")]),
        _entry.upstream_id.is_not(None),
        _entry.upstream_id == THIS,
    )
    .order_by(_entry.position)
    .limit(1)
)
_OF_PROVIDER = (
    select(ledger_entries)
    .where(
        _entry.opened_at >= bindparam("start"),
        _entry.opened_at < bindparam("end"),
        _entry.provider_id == THIS,
        or_(
            _entry.opened_at > bindparam("after"),
            and_(_entry.opened_at == bindparam("after"), _entry.id > bindparam("after_id")),
        ),
    )
    .order_by(_entry.opened_at, _entry.id)
    .limit(bindparam("limit"))
)
# Each state has an index of its own (schema.py); both pages together hold the first of all.
_SETTLED_OF_PROVIDER = _OF_PROVIDER.where(_SETTLED)
_OPEN_OF_PROVIDER = _OF_PROVIDER.where(_OPEN)
del _OF_PROVIDER
_PARTIALS = (
    select(partial_texts.c.seq, partial_texts.c.text)
    .where(partial_texts.c.entry_id == THIS, partial_texts.c.seq < PROMPT_PART * PARTIALS_OF_A_PART)
    .order_by(partial_texts.c.seq)
)
_PROMPT = select(partial_texts.c.text).where(
    partial_texts.c.entry_id == THIS, partial_texts.c.seq >= PROMPT_PART * PARTIALS_OF_A_PART
)


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


_NO_COST = and_(_SETTLED, _entry.cost_picodollars.is_(None))
_TOTALS = select(
    func.count(),
    func.sum(_entry.prompt_tokens),
    func.sum(_entry.completion_tokens),
    func.sum(_entry.cost_picodollars),
    _count(and_(_NO_COST, _entry.has_usage.is_(True))),
    _count(and_(_NO_COST, _entry.has_usage.is_(False))),
    _count(_OPEN),
).where(_entry.room_id == THIS)


def entry(connection: Connection, entry_id: str) -> LedgerEntry | None:
    row = connection.execute(_ENTRY, {"this": entry_id}).one_or_none()
    return None if row is None else rows.entry(row)


def open_entries(connection: Connection) -> Sequence[LedgerEntry]:
    return [rows.entry(row) for row in connection.execute(_OPEN_ENTRIES)]


def entry_of_answer(connection: Connection, upstream_id: str) -> LedgerEntry | None:
    """The entry whose answer the provider gave this id: of a response or a batch."""
    row = connection.execute(_OF_UPSTREAM, {"this": upstream_id}).one_or_none()
    return None if row is None else rows.entry(row)


def entries_of_provider(
    connection: Connection, provider_id: str, start: int, end: int, after: tuple[int, str], limit: int
) -> Sequence[LedgerEntry]:
    # From where the last page ended, so that the index leads to the first row of this one.
    values = {"this": provider_id, "start": max(start, after[0]), "end": end, "limit": limit}
    values |= {"after": after[0], "after_id": after[1]}
    found = [
        rows.entry(row)
        for statement in (_SETTLED_OF_PROVIDER, _OPEN_OF_PROVIDER)
        for row in connection.execute(statement, values)
    ]
    return sorted(found, key=lambda entry: (entry.opening.opened_at, entry.opening.id))[:limit]


def partial_texts_of(connection: Connection, entry_id: str) -> Sequence[str]:
    rows_ = connection.execute(_PARTIALS, {"this": entry_id})
    parts = groupby(rows_, lambda row: row.seq // PARTIALS_OF_A_PART)
    return ["".join([row.text for row in of_one]) for _, of_one in parts]


def kept_prompt(connection: Connection, entry_id: str) -> str | None:
    found: str | None = connection.execute(_PROMPT, {"this": entry_id}).scalar_one_or_none()
    return found


def unpriced_entries(connection: Connection, model: str | None) -> Sequence[LedgerEntry]:
    statement = _UNPRICED if model is None else _UNPRICED_OF_MODEL
    return [rows.entry(row) for row in connection.execute(statement, {"model": model} if model is not None else {})]


def entries_of_answers(connection: Connection, answer_ids: Sequence[str]) -> Mapping[str, LedgerEntry]:
    newest: dict[str, LedgerEntry] = {}
    for ids in chunks(answer_ids):
        for row in connection.execute(_OF_ANSWERS, {"ids": ids}):
            newest[row.answer_id] = rows.entry(row)
    return newest


def totals(connection: Connection, room_id: str) -> Totals:
    """Entries without a cost are either unpriced (usage known) or unknown (usage not known), never both."""
    row = connection.execute(_TOTALS, {"this": room_id}).one()
    # PostgreSQL sums integers to decimals; over no rows a sum is NULL.
    calls, prompt, completion, money, unpriced, unknown, still_open = (int(figure or 0) for figure in row)
    return Totals(
        calls=calls,
        prompt_tokens=prompt,
        completion_tokens=completion,
        picodollars=money,
        unpriced_calls=unpriced,
        unknown_calls=unknown,
        open_calls=still_open,
    )
