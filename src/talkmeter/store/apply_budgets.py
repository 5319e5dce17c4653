"""Applies the changes of budgets and rate limits. The guarded UPDATE here is what a budget rests on.

Whoever applies these is the only one who counts at that moment: SQLite's `BEGIN IMMEDIATE`, or the lock that the
writer takes first on PostgreSQL (databases.py). The condition stands in the UPDATE nevertheless.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from sqlalchemy import BigInteger, and_, bindparam, delete, insert, select, update

from talkmeter.errors import Conflict
from talkmeter.metering.budget_store import (
    AddBudget,
    AdjustRate,
    BudgetsReserved,
    ChangeBudget,
    Counted,
    DeleteBudget,
    RatesTaken,
    Reserve,
    ReserveItem,
    SettleBudgets,
    TakeRates,
)
from talkmeter.store.counting_rates import RateCounting
from talkmeter.store.parameters import THIS
from talkmeter.store.revising import revise
from talkmeter.store.schema import budget_periods, budgets
from talkmeter.store.transaction import Refusal, Statement, Transaction

_period = budget_periods.c
_MORE = bindparam("more", type_=BigInteger)
_COUNTS = and_(_period.budget_id == THIS, _period.period_start == bindparam("start"))
_AMOUNT = select(budgets.c.amount).where(budgets.c.id == THIS)

_add_reserved = update(budget_periods).where(_COUNTS).values(reserved=_period.reserved + _MORE)
_RESERVE_SOFT = Statement(_add_reserved)
_RESERVE_HARD = Statement(_add_reserved.where(_period.spent + _period.reserved <= _AMOUNT.scalar_subquery() - _MORE))
_COUNTED = Statement(select(_period.spent, _period.reserved).where(_COUNTS))
_LIMIT = Statement(_AMOUNT)
_FIRST_USE = Statement(insert(budget_periods))
_SETTLE = Statement(
    update(budget_periods)
    .where(_COUNTS)
    .values(reserved=_period.reserved - bindparam("release"), spent=_period.spent + bindparam("spend"))
)

_ADD = Statement(insert(budgets))
_CHANGE = Statement(update(budgets).where(budgets.c.id == THIS), columns=["name", "amount", "hard", "enabled"])
_DELETE = Statement(delete(budgets).where(budgets.c.id == THIS))
_FORGET = Statement(delete(budget_periods).where(_period.budget_id == THIS))


def reserve(at: Transaction, change: Reserve) -> BudgetsReserved:
    soft: list[Counted] = []
    for item in change.items:
        _reserve_in(at, item)
        if item.limit is None:
            soft += [
                Counted(item.budget_id, item.period_start, spent, reserved)
                for spent, reserved in at.rows(_COUNTED, _key(item))
            ]
    return BudgetsReserved(tuple(soft))


def _key(item: ReserveItem) -> dict[str, Any]:
    return {"this": item.budget_id, "start": item.period_start}


def _reserve_in(at: Transaction, item: ReserveItem) -> None:
    statement = _RESERVE_SOFT if item.limit is None else _RESERVE_HARD
    if at.run(statement, {**_key(item), "more": item.amount}):
        return
    limit = at.rows(_LIMIT, {"this": item.budget_id})
    if not limit:
        return  # it was deleted a moment ago: nothing is limited, and nothing counted
    if not at.rows(_COUNTED, _key(item)):
        at.run(_FIRST_USE, {"budget_id": item.budget_id, "period_start": item.period_start, "spent": 0, "reserved": 0})
        if at.run(statement, {**_key(item), "more": item.amount}):
            return
    _exhausted(at, item, limit[0][0])


def _exhausted(at: Transaction, item: ReserveItem, limit: int) -> NoReturn:
    ((spent, reserved),) = at.rows(_COUNTED, _key(item))
    left = limit - spent - reserved
    raise Conflict(
        f"The budget {item.budget_id} has {left} of {limit} left, and {item.amount} is asked for.",
        f"예산 {item.budget_id}: {limit} 중 {left}이(가) 남았는데 {item.amount}을(를) 요청했습니다.",
        code="budget_exhausted",
        details={
            "budget_id": item.budget_id,
            "period_start": item.period_start,
            "limit": limit,
            "spent": spent,
            "reserved": reserved,
            "asked": item.amount,
        },
    )


def settle_budgets(at: Transaction, change: SettleBudgets) -> None:
    for item in change.items:
        at.run(
            _SETTLE,
            {"this": item.budget_id, "start": item.period_start, "release": item.release, "spend": item.spend},
        )


def _name_taken(name: str) -> Refusal:
    return Refusal(
        "budget_name_taken", f"There is already a budget named “{name}”.", f"이름이 “{name}”인 예산이 이미 있습니다."
    )


def _no_such(budget_id: str) -> Refusal:
    return Refusal("no_such_budget", f"There is no budget {budget_id}.", f"예산 {budget_id}이(가) 없습니다.")


def add_budget(at: Transaction, change: AddBudget) -> None:
    revise(at)
    budget = change.budget
    at.run(_ADD, {name: getattr(budget, name) for name in budget.__struct_fields__}, _name_taken(budget.name))


def change_budget(at: Transaction, change: ChangeBudget) -> None:
    revise(at)
    values = {"name": change.name, "amount": change.amount, "hard": change.hard, "enabled": change.enabled}
    if at.run(_CHANGE, {**values, "this": change.id}, _name_taken(change.name)) == 0:
        raise _no_such(change.id).conflict()


def delete_budget(at: Transaction, change: DeleteBudget) -> None:
    revise(at)
    at.must(_DELETE, {"this": change.id}, _no_such(change.id))
    at.run(_FORGET, {"this": change.id})


def take_rates(at: Transaction, change: TakeRates) -> RatesTaken:
    rates = RateCounting(at)
    given = rates.take(change)
    rates.write()
    return given


def adjust_rate(at: Transaction, change: AdjustRate) -> None:
    rates = RateCounting(at)
    rates.adjust(change)
    rates.write()


APPLY: Mapping[type, Callable[[Transaction, Any], Any]] = {
    Reserve: reserve,
    SettleBudgets: settle_budgets,
    AddBudget: add_budget,
    ChangeBudget: change_budget,
    DeleteBudget: delete_budget,
    TakeRates: take_rates,
    AdjustRate: adjust_rate,
}
COUNTS = frozenset(APPLY)
