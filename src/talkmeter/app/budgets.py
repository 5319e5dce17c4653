"""What `talkmeter budgets` does to the database; the server may run beside it and is told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from talkmeter.app.administration import opened_accounts, provider_names, tell_server
from talkmeter.config import Resolved
from talkmeter.conversation.budget_scopes import BudgetScopes
from talkmeter.errors import NotFound
from talkmeter.metering.budget_making import changes_of, new_budget
from talkmeter.metering.budget_store import Budget, Scope
from talkmeter.metering.budgets import BudgetBook, Standing
from talkmeter.metering.periods import Period
from talkmeter.surfaces.web.translate import budget_json


async def standings(resolved: Resolved, budget: str | None = None) -> list[tuple[Standing, str | None]]:
    """Of all, or of the one with this name or id, with what the thing that it is for is called (None: is not there).

    Raises NotFound.
    """
    async with _book(resolved) as (book, scopes):
        ids = None if budget is None else [_find(book, budget).id]
        return [(each, await scopes.name_of(each.budget)) for each in (await book.standing(ids)).values()]


def shown_as_json(standing: Standing, named: str | None) -> dict[str, Any]:
    """As the page's API has it, and what the thing that it is for is called."""
    return {**budget_json(standing), "scope_name": named if standing.budget.scope_id is not None else None}


async def add_budget(
    resolved: Resolved, *, name: str, amount: str, period: Period, scope: Scope, scope_id: str | None, hard: bool
) -> Budget:
    """scope_id: an id or a name, of something that is there. Raises NotFound, BadInput, Conflict."""
    async with _book(resolved, begins=True) as (book, scopes):
        given = new_budget(name=name, amount=amount, period=period, scope=scope, scope_id=scope_id, hard=hard)
        made = await book.add(await scopes.meant(given))
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
async def _book(resolved: Resolved, *, begins: bool = False) -> AsyncIterator[tuple[BudgetBook, BudgetScopes]]:
    async with opened_accounts(resolved, begins=begins) as accounts:
        book = BudgetBook(accounts.store, lambda: str(accounts.settings.get("time_zone")))
        await book.load()
        providers = provider_names(resolved, accounts.providers)
        yield book, BudgetScopes(accounts.users, accounts.keys, accounts.store, lambda: providers)


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
