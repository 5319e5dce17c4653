"""Queries of the list of calls.

Nearly all entries are settled, and what is filtered, sorted and summed of these stands in one index
(`ix_ledger_figures`), so that no query has to read the rows themselves but for those it shows. The few that are open
are read beside them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
)

from talkmeter.errors import BadInput
from talkmeter.metering.calls import QUARTER, Call, CallFilter, CallPage, CallSums, Grouping, Order
from talkmeter.metering.ledger import Totals
from talkmeter.metering.tool_fees import TOOLS, uses_charged
from talkmeter.store import rows
from talkmeter.store.schema import ledger_entries

_entry = ledger_entries.c
# Literals, not parameters: a partial index is used only where its condition can be seen.
_STATES = {
    "settled": _entry.state == literal_column("'settled'"),
    "open": _entry.state == literal_column("'open'"),
}
_ELSEWHERE = ("error", "picodollars", "tools")  # made of other columns
_PLAIN = tuple(name for name in Call.__struct_fields__ if name not in _ELSEWHERE)
_COLUMNS: Sequence[ColumnElement[Any]] = [
    *(_entry[name] for name in _PLAIN),
    *(_entry.error, _entry.cost_picodollars, _entry.cost_lines, _entry.unpriced),
]
_UNKNOWN = literal_column("-1", BigInteger)
_TOKENS = case(
    (and_(_entry.prompt_tokens.is_(None), _entry.completion_tokens.is_(None)), _UNKNOWN),
    else_=func.coalesce(_entry.prompt_tokens, 0) + func.coalesce(_entry.completion_tokens, 0),
)
_ORDERS: Mapping[Order, ColumnElement[Any]] = {
    "newest": _entry.opened_at,
    "cost": func.coalesce(_entry.cost_picodollars, _UNKNOWN),
    "tokens": _TOKENS,
    "duration": func.coalesce(_entry.settled_at - _entry.opened_at, _UNKNOWN),
}
_GROUPS: Mapping[Grouping, ColumnElement[Any]] = {
    "day": _entry.opened_at // literal_column(str(QUARTER), BigInteger),
    "model": _entry.model_requested,
    "key": _entry.key_id,
    "user": _entry.principal,
    "provider": _entry.provider_id,
}
_NO_COST = _entry.cost_picodollars.is_(None)


def _count(condition: ColumnElement[bool]) -> ColumnElement[Any]:
    return func.sum(case((condition, 1), else_=0))


_SUMS: Mapping[str, Sequence[ColumnElement[Any]]] = {
    state: (
        func.count(),
        func.sum(_entry.prompt_tokens),
        func.sum(_entry.completion_tokens),
        func.sum(_entry.cost_picodollars),
        _count(and_(_NO_COST, _entry.has_usage.is_(True))) if state == "settled" else literal(0),
        _count(and_(_NO_COST, _entry.has_usage.is_(False))) if state == "settled" else literal(0),
        literal(0) if state == "settled" else func.count(),
    )
    for state in _STATES
}


def calls(connection: Connection, wanted: CallFilter, order: Order, cursor: str | None, limit: int) -> CallPage:
    """Finds where the page's rows are by the index alone, then reads just these."""
    key = _ORDERS[order]
    found: list[Row[Any]] = []
    for state in _states(wanted):
        places = select(key.label("place"), _entry.position).where(*conditions(wanted, state))
        if cursor is not None:
            place, position = _from_cursor(cursor, order)
            places = places.where(or_(key < place, and_(key == place, _entry.position < position)))
            if order == "newest":
                places = places.where(key <= place)  # where the index is entered
        found += connection.execute(places.order_by(key.desc(), _entry.position.desc()).limit(limit + 1))
    found.sort(key=lambda row: (row.place, row.position), reverse=True)
    shown = found[:limit]
    whole = {row.position: row for row in connection.execute(_at([row.position for row in shown]))}
    last = shown[-1] if len(found) > limit else None
    return CallPage(
        [_call(whole[row.position]) for row in shown],
        None if last is None else f"{order}.{int(last.place)}.{last.position}",
    )


def totals(connection: Connection, wanted: CallFilter) -> Totals:
    sums = Totals()
    for state in _states(wanted):
        row = connection.execute(select(*_SUMS[state]).where(*conditions(wanted, state))).one()
        sums = _added(sums, row)
    return sums


def sums(connection: Connection, wanted: CallFilter, by: Grouping) -> Sequence[CallSums]:
    group = _GROUPS[by]
    found: dict[Any, Totals] = {}
    for state in _states(wanted):
        grouped = select(group.label("grouped"), *_SUMS[state]).where(*conditions(wanted, state)).group_by(group)
        for key, *figures in connection.execute(grouped):
            found[key] = _added(found.get(key, Totals()), figures)
    return [CallSums(key=int(key) * QUARTER if by == "day" else key, totals=figures) for key, figures in found.items()]


def conditions(wanted: CallFilter, state: str) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [_STATES[state]]
    if wanted.since is not None:
        found.append(_entry.opened_at >= wanted.since)
    if wanted.until is not None:
        found.append(_entry.opened_at < wanted.until)
    if wanted.unpriced:
        found += [_NO_COST, _entry.has_usage.is_(True)]
    if wanted.tag is not None:
        # Both databases tell large from small letters here, and neither takes a character for a wildcard.
        found.append(func.replace(_entry.tags, msgspec.json.encode(wanted.tag).decode(), "") != _entry.tags)
    if wanted.model is not None:
        found.append(or_(_entry.model_requested == wanted.model, _entry.model_asked == wanted.model))
    return found + [column == value for column, value in _equal(wanted)]


def _equal(wanted: CallFilter) -> list[tuple[ColumnElement[Any], str]]:
    names: Mapping[str, Callable[[CallFilter], str | None]] = {
        "principal": lambda one: one.principal,
        "key_id": lambda one: one.key_id,
        "provider_id": lambda one: one.provider_id,
        "model_served": lambda one: one.served,
        "endpoint": lambda one: one.endpoint,
        "surface": lambda one: one.surface,
        "outcome": lambda one: one.outcome,
        "provenance": lambda one: one.provenance,
        "end_user": lambda one: one.end_user,
    }
    return [(_entry[name], value) for name, of in names.items() if (value := of(wanted)) is not None]


def _states(wanted: CallFilter) -> Sequence[str]:
    return list(_STATES) if wanted.state is None else [wanted.state]


def _at(positions: Sequence[int]) -> Select[Any]:
    return select(_entry.position, *_COLUMNS).where(_entry.position.in_(positions))


def _call(row: Row[Any]) -> Call:
    fields = {name: getattr(row, name) for name in _PLAIN}
    error = None if row.error is None else msgspec.json.decode(row.error, type=dict[str, Any]).get("code")
    return Call(**fields, error=error, picodollars=row.cost_picodollars, tools=_tools(row))


def _tools(row: Row[Any]) -> Mapping[str, int] | None:
    if row.state == "open":
        return None
    texts = row.cost_lines + row.unpriced
    found = uses_charged(rows.cost(row)) if any(tool in texts for tool in TOOLS) else {}
    if found is None or not row.has_usage:
        return found or None
    return {tool: found.get(tool, 0) for tool in TOOLS}


def _added(one: Totals, figures: Sequence[Any]) -> Totals:
    """PostgreSQL sums integers to decimals; over no rows a sum is NULL."""
    calls, prompt, completion, money, unpriced, unknown, still_open = (int(figure or 0) for figure in figures)
    return Totals(
        calls=one.calls + calls,
        prompt_tokens=one.prompt_tokens + prompt,
        completion_tokens=one.completion_tokens + completion,
        picodollars=one.picodollars + money,
        unpriced_calls=one.unpriced_calls + unpriced,
        unknown_calls=one.unknown_calls + unknown,
        open_calls=one.open_calls + still_open,
    )


def _from_cursor(cursor: str, order: Order) -> tuple[int, int]:
    match = re.fullmatch(r"([a-z]+)\.(-?[0-9]{1,18}|[0-9]{19})\.([0-9]{1,18})", cursor)
    if match is None or match[1] != order or int(match[2]) >= 2**63:
        raise BadInput(
            "This cursor is not one of ours.",
            "사용할 수 없는 커서입니다.",
            code="bad_cursor",
            param="cursor",
            hint="Start again without a cursor.",
            hint_ko="커서 없이 처음부터 다시 요청하십시오.",
        )
    return int(match[2]), int(match[3])
