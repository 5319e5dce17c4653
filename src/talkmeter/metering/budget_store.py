"""What budgets and rate limits need of a store: their values, the changes, and what applying these gives.

Reserve and TakeRates belong into the very commit that opens the entry: they hold or the call is never sent.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from talkmeter.metering.periods import Period

Scope = Literal["key", "user", "room", "tag", "provider", "instance"]
Unit = Literal["picodollars", "tokens"]
RateKind = Literal["requests", "tokens"]


class Budget(Struct, frozen=True, kw_only=True):
    """scope_id: of the key, user, room or provider, or the tag; None for the instance. amount: in its unit.

    hard: what could exceed it is refused. Not hard: it warns.
    """

    id: str
    name: str
    scope: Scope
    scope_id: str | None
    period: Period
    unit: Unit
    amount: int
    hard: bool
    enabled: bool
    created_at: int


class AddBudget(Struct, frozen=True):
    """A change. Raises Conflict (`budget_name_taken`)."""

    budget: Budget


class ChangeBudget(Struct, frozen=True, kw_only=True):
    """A change, effective with this commit. What it counts (scope, period, unit) stays: that is another budget.

    Raises Conflict (`no_such_budget`, `budget_name_taken`).
    """

    id: str
    name: str
    amount: int
    hard: bool
    enabled: bool


class DeleteBudget(Struct, frozen=True):
    """A change: with all that it has counted. Raises Conflict (`no_such_budget`)."""

    id: str


class ReserveItem(Struct, frozen=True):
    """limit: a hard budget's, as this process knows it; the database's own decides. None: a soft one, never refused."""

    budget_id: str
    period_start: int
    limit: int | None
    amount: int
    unit: Unit


class Reserve(Struct, frozen=True):
    """A change: sets the worst case aside in every budget, or raises Conflict (`budget_exhausted`) and sets nothing.

    The conflict's details: budget_id, period_start, limit, spent, reserved, asked. Applying gives BudgetsReserved.
    """

    entry_id: str
    items: tuple[ReserveItem, ...]


class Counted(Struct, frozen=True):
    """What one budget has counted in one period."""

    budget_id: str
    period_start: int
    spent: int
    reserved: int


class BudgetsReserved(Struct, frozen=True):
    """The soft budgets of a Reserve as they stand now, for warnings."""

    soft: tuple[Counted, ...]


class SettleItem(Struct, frozen=True):
    """release: what had been reserved; spend: what it came to."""

    budget_id: str
    period_start: int
    release: int
    spend: int


class SettleBudgets(Struct, frozen=True):
    """A change, to be committed with the settlement (or late price) that it belongs to, which happens only once.

    A budget that was deleted meanwhile counts nothing.
    """

    items: tuple[SettleItem, ...]


class RateItem(Struct, frozen=True):
    """id: of the bucket, such as `key_1:requests`. cost: how many of the kind this call takes."""

    id: str
    kind: RateKind
    limit_per_minute: int
    cost: int


class TakeRates(Struct, frozen=True):
    """A change: takes from every bucket at `at` (µs), or raises Conflict (`rate_limited`) and takes nothing.

    The conflict's details: id, kind, limit, remaining, reset, retry_after (µs; None: never). Applying gives RatesTaken.
    """

    items: tuple[RateItem, ...]
    at: int


class RateStanding(Struct, frozen=True):
    """A bucket after a call. remaining: what it still gives now; reset: µs until it is full again."""

    id: str
    kind: RateKind
    limit: int
    remaining: int
    reset: int


class RatesTaken(Struct, frozen=True):
    rates: tuple[RateStanding, ...]


class AdjustRate(Struct, frozen=True):
    """A change: the call took `cost` more (less, if negative) than TakeRates had been told. Never refused."""

    id: str
    limit_per_minute: int
    cost: int
    at: int


class BudgetStore(Protocol):
    async def commit(self, *changes: Struct) -> tuple[Any, ...]:
        """As LedgerStore.commit."""
        ...

    async def budgets(self) -> Sequence[Budget]:
        """All, oldest first."""
        ...

    async def counted(self, periods: Mapping[str, int]) -> Mapping[str, Counted]:
        """What budgets have counted in the period that began at the given µs, by id; absent: nothing yet."""
        ...
