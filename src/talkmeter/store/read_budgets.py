"""Queries of budgets."""

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, bindparam, select

from talkmeter.metering.budget_store import Budget, Counted
from talkmeter.store.parameters import THIS
from talkmeter.store.schema import budget_periods, budgets

_BUDGETS = select(budgets).order_by(budgets.c.position)
_COUNTED = select(budget_periods).where(
    budget_periods.c.budget_id == THIS, budget_periods.c.period_start == bindparam("start")
)


def all_budgets(connection: Connection) -> Sequence[Budget]:
    return [
        Budget(**{name: getattr(row, name) for name in Budget.__struct_fields__})
        for row in connection.execute(_BUDGETS)
    ]


def counted(connection: Connection, periods: Mapping[str, int]) -> Mapping[str, Counted]:
    found: dict[str, Counted] = {}
    for budget_id, start in periods.items():
        row = connection.execute(_COUNTED, {"this": budget_id, "start": start}).one_or_none()
        if row is not None:
            found[budget_id] = Counted(row.budget_id, row.period_start, row.spent, row.reserved)
    return found
