"""What `talkmeter budgets` does to the database; the server may run beside it and is told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from talkmeter.app.administration import opened_accounts, tell_server
from talkmeter.app.wiring import Accounts
from talkmeter.config import Resolved
from talkmeter.errors import NotFound
from talkmeter.metering.budget_making import changes_of, new_budget
from talkmeter.metering.budget_store import Budget, Scope
from talkmeter.metering.budgets import BudgetBook, Standing
from talkmeter.metering.periods import Period


async def standings(resolved: Resolved, budget: str | None = None) -> list[Standing]:
    """Of all, or of the one with this name or id. Raises NotFound."""
    async with _book(resolved) as (book, _):
        ids = None if budget is None else [_find(book, budget).id]
        return list((await book.standing(ids)).values())


async def add_budget(
    resolved: Resolved, *, name: str, amount: str, period: Period, scope: Scope, scope_id: str | None, hard: bool
) -> Budget:
    """scope_id of a provider may be its name. Raises BadInput, Conflict."""
    async with _book(resolved) as (book, accounts):
        if scope == "provider":
            named = {account.name: account.id for account in accounts.providers.all()}
            scope_id = named.get(scope_id or "", scope_id)
        made = new_budget(name=name, amount=amount, period=period, scope=scope, scope_id=scope_id, hard=hard)
        await book.add(made)
    tell_server(resolved)
    return made


async def change_budget(resolved: Resolved, budget: str, given: Mapping[str, Any]) -> Budget:
    """given: name, amount (as text), hard, enabled; None: as it was. Raises NotFound, BadInput, Conflict."""
    async with _book(resolved) as (book, _):
        found = _find(book, budget)
        changed = await book.change(found.id, **changes_of(found, given))
    tell_server(resolved)
    return changed


async def delete_budget(resolved: Resolved, budget: str) -> Budget:
    async with _book(resolved) as (book, _):
        found = _find(book, budget)
        await book.delete(found.id)
    tell_server(resolved)
    return found


@asynccontextmanager
async def _book(resolved: Resolved) -> AsyncIterator[tuple[BudgetBook, Accounts]]:
    async with opened_accounts(resolved) as accounts:
        book = BudgetBook(accounts.store, lambda: str(accounts.settings.get("time_zone")))
        await book.load()
        yield book, accounts


def _find(book: BudgetBook, name_or_id: str) -> Budget:
    for budget in book.all():
        if name_or_id in (budget.id, budget.name):
            return budget
    raise NotFound(
        f"There is no budget “{name_or_id:.60}”.",
        f"예산 “{name_or_id:.60}”이(가) 없습니다.",
        code="budget_not_found",
        hint="`talkmeter budgets list` shows them.",
        hint_ko="`talkmeter budgets list`로 확인하십시오.",
    )
