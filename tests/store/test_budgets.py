"""Budgets and rate limits in the database's own transaction, on SQLite and on PostgreSQL."""

import asyncio

import pytest

from support.store_values import a_settlement, an_opening
from talkmeter.errors import Conflict
from talkmeter.ids import new_id
from talkmeter.metering.budget_store import (
    AddBudget,
    AdjustRate,
    Budget,
    BudgetsReserved,
    ChangeBudget,
    Counted,
    DeleteBudget,
    RateItem,
    RatesTaken,
    RateStanding,
    Reserve,
    ReserveItem,
    SettleBudgets,
    SettleItem,
    TakeRates,
)


def a_budget(**given):
    fields = {
        "id": new_id("budget"),
        "name": new_id("name"),
        "scope": "key",
        "scope_id": "key_1",
        "period": "day",
        "unit": "picodollars",
        "amount": 100,
        "hard": True,
        "enabled": True,
        "created_at": 5,
    }
    return Budget(**fields | given)


def reserve(*budgets, amount=30, start=0):
    items = (ReserveItem(each.id, start, each.amount if each.hard else None, amount, each.unit) for each in budgets)
    return Reserve("call_1", tuple(items))


async def figures(store, budget, start=0):
    found = (await store.counted({budget.id: start})).get(budget.id)
    return found and (found.spent, found.reserved)


async def code_of(commit):
    with pytest.raises(Conflict) as refused:
        await commit
    return refused.value.code


async def test_budgets_are_kept_changed_and_deleted(store):
    first, second = a_budget(name="예산"), a_budget(scope="instance", scope_id=None, hard=False, unit="tokens")
    await store.commit(AddBudget(first))
    await store.commit(AddBudget(second))
    assert await store.budgets() == [first, second]
    assert await code_of(store.commit(AddBudget(a_budget(name="예산")))) == "budget_name_taken"
    change = ChangeBudget(id=second.id, name="다른 이름", amount=7, hard=True, enabled=False)
    await store.commit(change)
    found = (await store.budgets())[1]
    assert (found.name, found.amount, found.hard, found.enabled, found.unit) == ("다른 이름", 7, True, False, "tokens")
    taken = ChangeBudget(id=second.id, name="예산", amount=7, hard=True, enabled=True)
    assert await code_of(store.commit(taken)) == "budget_name_taken"
    await store.commit(reserve(first))
    await store.commit(DeleteBudget(first.id))
    assert await figures(store, first) is None
    for absent in (DeleteBudget(first.id), ChangeBudget(id=first.id, name="x", amount=7, hard=True, enabled=True)):
        assert await code_of(store.commit(absent)) == "no_such_budget"


async def test_what_is_reserved_is_settled_once(store):
    budget, opening = a_budget(), an_opening()
    await store.commit(AddBudget(budget))
    await store.commit(reserve(budget), opening)
    assert await figures(store, budget) == (0, 30)
    settle = SettleBudgets((SettleItem(budget.id, 0, 30, 12),))
    await store.commit(a_settlement(opening), settle)
    assert await figures(store, budget) == (12, 0)
    assert await code_of(store.commit(a_settlement(opening), settle)) == "already_settled"
    assert await figures(store, budget) == (12, 0)


async def test_what_does_not_fit_is_refused_and_nothing_is_written(store):
    wide, tight, opening = a_budget(amount=10**18), a_budget(amount=100), an_opening()
    await store.commit(AddBudget(wide), AddBudget(tight))
    await store.commit(reserve(wide, tight, amount=60))
    with pytest.raises(Conflict) as refused:
        await store.commit(reserve(wide, tight, amount=41), opening)
    assert refused.value.code == "budget_exhausted"
    assert refused.value.details == {
        "budget_id": tight.id,
        "period_start": 0,
        "limit": 100,
        "spent": 0,
        "reserved": 60,
        "asked": 41,
    }
    assert await store.entry(opening.id) is None
    assert (await figures(store, wide), await figures(store, tight)) == ((0, 60), (0, 60))
    await store.commit(reserve(wide, tight, amount=40), opening)
    assert await figures(store, tight) == (0, 100)


async def test_the_first_use_of_a_period_can_be_too_large(store):
    budget = a_budget(amount=29)
    await store.commit(AddBudget(budget))
    assert await code_of(store.commit(reserve(budget))) == "budget_exhausted"
    assert await figures(store, budget) is None


async def test_periods_are_counted_apart_and_settled_where_they_were_opened(store):
    budget = a_budget(amount=40)
    await store.commit(AddBudget(budget))
    await store.commit(reserve(budget, start=100))
    await store.commit(reserve(budget, start=200))
    await store.commit(SettleBudgets((SettleItem(budget.id, 100, 30, 7),)))
    assert (await figures(store, budget, 100), await figures(store, budget, 200)) == ((7, 0), (0, 30))


async def test_a_limit_that_another_process_has_lowered_counts_at_once(store):
    budget = a_budget(amount=100)
    await store.commit(AddBudget(budget))
    await store.commit(ChangeBudget(id=budget.id, name=budget.name, amount=20, hard=True, enabled=True))
    assert await code_of(store.commit(reserve(budget))) == "budget_exhausted"  # which still believes in 100


async def test_a_soft_budget_is_counted_and_never_refused(store):
    budget = a_budget(amount=40, hard=False)
    await store.commit(AddBudget(budget))
    assert await store.commit(reserve(budget)) == (BudgetsReserved((Counted(budget.id, 0, 0, 30),)),)
    assert await store.commit(reserve(budget)) == (BudgetsReserved((Counted(budget.id, 0, 0, 60),)),)


@pytest.mark.parametrize("hard", [True, False])
async def test_a_budget_that_was_deleted_in_the_meantime_limits_nothing(store, hard):
    budget = a_budget(hard=hard)
    assert await store.commit(reserve(budget, amount=10**15)) == (BudgetsReserved(()),)
    await store.commit(SettleBudgets((SettleItem(budget.id, 0, 30, 12),)))
    assert await figures(store, budget) is None


async def test_a_hundred_at_once_get_what_there_is(store):
    budget = a_budget(amount=300)
    await store.commit(AddBudget(budget))
    openings = [an_opening() for _ in range(100)]
    outcomes = await asyncio.gather(
        *(store.commit(reserve(budget), opening) for opening in openings), return_exceptions=True
    )
    assert [outcome for outcome in outcomes if isinstance(outcome, tuple)] == [(BudgetsReserved(()),)] * 10
    assert len(await store.open_entries()) == 10
    assert await figures(store, budget) == (0, 300)


# Rate limits


def rates(*items, at=0):
    return TakeRates(tuple(RateItem(f"{name}:{kind}", kind, limit, cost) for name, kind, limit, cost in items), at)


async def test_a_bucket_is_taken_from_and_tells_how_it_stands(store):
    taken = await store.commit(rates(("key_1", "requests", 60, 1), ("key_1", "tokens", 1000, 250)), an_opening())
    assert taken == (
        RatesTaken(
            (
                RateStanding("key_1:requests", "requests", 60, 59, 1_000_000),
                RateStanding("key_1:tokens", "tokens", 1000, 750, 15_000_000),
            )
        ),
    )


async def test_an_empty_bucket_refuses_all_that_is_committed_with_it(store):
    opening = an_opening()
    await store.commit(rates(("key_1", "tokens", 1000, 900)))
    with pytest.raises(Conflict) as refused:
        await store.commit(rates(("key_1", "requests", 60, 1), ("key_1", "tokens", 1000, 101)), opening)
    assert refused.value.code == "rate_limited"
    assert refused.value.details == {
        "id": "key_1:tokens",
        "kind": "tokens",
        "limit": 1000,
        "asked": 101,
        "remaining": 100,
        "reset": 54_000_000,
        "retry_after": 60_000,
    }
    assert await store.entry(opening.id) is None
    (taken,) = await store.commit(rates(("key_1", "requests", 60, 1)))
    assert taken.rates[0].remaining == 59  # the request was not counted


async def test_a_bucket_is_set_right_afterwards(store):
    await store.commit(rates(("key_1", "tokens", 1000, 900)))
    await store.commit(AdjustRate("key_1:tokens", 1000, -800, 0), AdjustRate("key_none", 1000, 5, 0))
    (taken,) = await store.commit(rates(("key_1", "tokens", 1000, 0)))
    assert taken.rates[0].remaining == 900


async def test_a_hundred_requests_at_once_get_the_minutes_worth(store):
    commits = [store.commit(rates(("key_1", "requests", 10, 1)), an_opening()) for _ in range(100)]
    outcomes = await asyncio.gather(*commits, return_exceptions=True)
    assert sum(isinstance(outcome, tuple) for outcome in outcomes) == 10
    assert len(await store.open_entries()) == 10
