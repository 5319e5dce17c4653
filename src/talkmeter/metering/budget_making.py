"""Budgets from what a person enters, on the command line or on the page. Pure but for the new id and the time."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from talkmeter.clock import now
from talkmeter.errors import BadInput
from talkmeter.ids import new_id
from talkmeter.metering.amounts import parse_amount
from talkmeter.metering.budget_store import Budget, Scope
from talkmeter.metering.periods import Period


def new_budget(
    *,
    name: str,
    amount: str,
    period: Period,
    scope: Scope = "instance",
    scope_id: str | None = None,
    hard: bool = True,
    enabled: bool = True,
) -> Budget:
    """amount: as parse_amount reads it. Raises BadInput with the field at fault in `param`."""
    if (scope == "instance") != (scope_id is None):
        raise BadInput(
            "A budget of the whole instance names nothing, and any other names what it is for.",
            "전체 예산에는 대상을 지정하지 않고, 그 밖의 예산에는 대상을 지정해야 합니다.",
            param="scope_id",
            hint="Give the id of the key, user, room or provider, or the tag.",
            hint_ko="키, 사용자, 대화방, 제공자의 ID나 태그를 지정하십시오.",
        )
    unit, figure = parse_amount(amount)
    return Budget(
        id=new_id("budget"),
        name=_plain(name, "name"),
        scope=scope,
        scope_id=None if scope_id is None else _plain(scope_id, "scope_id"),
        period=period,
        unit=unit,
        amount=figure,
        hard=hard,
        enabled=enabled,
        created_at=now(),
    )


def changes_of(budget: Budget, given: Mapping[str, Any]) -> dict[str, Any]:
    """For BudgetBook.change, from what was given (UNSET and None: not given). Raises BadInput."""
    changes = {name: value for name, value in given.items() if value is not UNSET and value is not None}
    if "name" in changes:
        changes["name"] = _plain(changes["name"], "name")
    if "amount" in changes:
        unit, changes["amount"] = parse_amount(changes["amount"])
        if unit != budget.unit:
            raise BadInput(
                f"The budget “{budget.name}” counts {_UNITS[budget.unit]}, not {_UNITS[unit]}.",
                f"예산 “{budget.name}”은(는) {_UNITS_KO[budget.unit]} 단위로 계산하므로 "
                f"{_UNITS_KO[unit]} 단위로 바꿀 수 없습니다.",
                param="amount",
                hint="Add another budget: what has been counted in one unit cannot go on in another.",
                hint_ko="이미 계산된 단위는 바꿀 수 없으니 예산을 새로 추가하십시오.",
            )
    return changes


_UNITS = {"picodollars": "money", "tokens": "tokens"}
_UNITS_KO = {"picodollars": "금액", "tokens": "토큰"}


def _plain(text: str, param: str) -> str:
    text = text.strip()
    if text and len(text) <= 200 and text.isprintable():
        return text
    raise BadInput(
        f"{param} must be 1 to 200 printable characters.",
        f"{param} 값은 출력할 수 있는 문자 1~200자여야 합니다.",
        param=param,
    )
