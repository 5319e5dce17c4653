"""Budgets: which apply to a call, what must be set aside for it, and what a person is told when it does not fit.

    budgets = book.applicable(user_id=…, key_id=…, room_id=…, tags=…, provider_id=…)
    reserve = book.reservation(budgets, worst, at, entry_id=…)       # may raise BudgetRefused
    await store.commit(reserve, opening)                             # on Conflict: book.refusal(conflict)
    await store.commit(settlement, *release(opening, settlement))    # metering.reservations

The book only knows which budgets there are; what they have counted is the database's to say, in the transaction.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from talkmeter.clock import now
from talkmeter.errors import BudgetRefused, Conflict, NotFound, RateLimited
from talkmeter.metering.amounts import amount_json, amount_text, amount_text_ko, check_amount
from talkmeter.metering.budget_store import (
    AddBudget,
    Budget,
    BudgetsReserved,
    BudgetStore,
    ChangeBudget,
    DeleteBudget,
    Reserve,
    ReserveItem,
)
from talkmeter.metering.periods import Period, Span, iso, span_of
from talkmeter.metering.rates import rate_refusal
from talkmeter.metering.worst_case import WorstCase

SOFT_MOST = 10**17  # what a soft budget sets aside at most for one call, so that sums stay within 63 bits


class BudgetWarning(Struct, frozen=True):
    """A soft budget that is nearly used up (80) or used up (100). percent: of its amount, rounded down."""

    budget_id: str
    name: str
    level: int
    percent: int


class Standing(Struct, frozen=True):
    """What a budget has counted in its present period, in its unit. resets_at: µs; None: never."""

    budget: Budget
    spent: int
    reserved: int
    remaining: int
    period_start: int
    resets_at: int | None


class BudgetBook:
    """time_zone: the IANA name that calendar periods follow, asked for each time. unseen: whether calls of which nobody
    can say what they may come to pass despite a hard budget.
    """

    def __init__(
        self, store: BudgetStore, time_zone: Callable[[], str] = lambda: "UTC", *, unseen: bool = False
    ) -> None:
        self._store = store
        self._unseen = unseen
        self._time_zone = time_zone
        self._budgets: dict[str, Budget] = {}
        self._everywhere: tuple[Budget, ...] = ()
        self._scoped: dict[tuple[str, str], tuple[Budget, ...]] = {}
        self._zone = ZoneInfo("UTC")
        self._spans: dict[Period, Span] = {}

    async def load(self) -> None:
        """Reads which budgets there are. Raises StoreError."""
        self._budgets = {budget.id: budget for budget in await self._store.budgets()}
        scoped: dict[tuple[str, str], tuple[Budget, ...]] = {}
        everywhere: tuple[Budget, ...] = ()
        for budget in self._budgets.values():
            if not budget.enabled:
                continue
            if budget.scope_id is None:
                everywhere += (budget,)
            else:
                place = budget.scope, budget.scope_id
                scoped[place] = (*scoped.get(place, ()), budget)
        self._everywhere, self._scoped = everywhere, scoped

    def all(self) -> tuple[Budget, ...]:
        return tuple(self._budgets.values())

    def get(self, budget_id: str) -> Budget:
        """Raises NotFound."""
        budget = self._budgets.get(budget_id)
        if budget is None:
            raise NotFound(
                f"There is no budget {budget_id:.60}.", f"예산 {budget_id:.60}이(가) 없습니다.", code="budget_not_found"
            )
        return budget

    async def add(self, budget: Budget) -> Budget:
        """Raises Conflict (`budget_name_taken`), BadInput."""
        check_amount(budget.amount)
        await self._store.commit(AddBudget(budget))
        await self.load()
        return budget

    async def change(self, budget_id: str, **changes: Any) -> Budget:
        """changes: name, amount, hard, enabled. What has been counted stays. Raises NotFound, Conflict, BadInput."""
        changed = structs.replace(self.get(budget_id), **changes)
        check_amount(changed.amount)
        await self._store.commit(
            ChangeBudget(
                id=changed.id, name=changed.name, amount=changed.amount, hard=changed.hard, enabled=changed.enabled
            )
        )
        await self.load()
        return changed

    async def delete(self, budget_id: str) -> None:
        """With all that it has counted; the ledger stays. Raises NotFound."""
        await self._store.commit(DeleteBudget(self.get(budget_id).id))
        await self.load()

    # The hot path

    def applicable(
        self,
        *,
        user_id: str | None = None,
        key_id: str | None = None,
        room_id: str | None = None,
        tags: Iterable[str] = (),
        provider_id: str | None = None,
    ) -> tuple[Budget, ...]:
        """The budgets that count a call of this user, with this key, in this room …; () if there are none."""
        if not self._scoped:
            return self._everywhere
        places = [("user", user_id), ("key", key_id), ("room", room_id), ("provider", provider_id)]
        places += [("tag", tag) for tag in dict.fromkeys(tags)]
        found = self._everywhere
        for scope, scope_id in places:
            if scope_id is not None:
                found += self._scoped.get((scope, scope_id), ())
        return found

    def reservation(self, budgets: Sequence[Budget], worst: WorstCase, at: int, *, entry_id: str) -> Reserve | None:
        """The change that sets the worst case aside in all of them, to be committed with the open entry.

        at: µs, when the entry is opened. None: there is nothing to set aside. Raises BudgetRefused where a hard budget
        cannot hold whatever it has counted: for one request only, or because the worst case is not known.
        """
        items: list[ReserveItem] = []
        for budget in budgets:
            amount = worst.picodollars if budget.unit == "picodollars" else worst.tokens
            if amount is None:
                if budget.hard:
                    raise _unknown(budget, worst)
                amount = 0
            if budget.period == "request":
                if budget.hard and amount > budget.amount:
                    raise self._exceeded(budget, amount, 0, 0, budget.amount, None)
                continue
            limit, aside = (budget.amount, amount) if budget.hard else (None, min(amount, SOFT_MOST))
            start = self._span(budget.period, at).start
            items.append(ReserveItem(budget.id, start, limit, aside, budget.unit))
        # In one order, so that databases with row locks are asked for them in one order.
        return Reserve(entry_id, tuple(sorted(items, key=lambda item: item.budget_id))) if items else None

    def worst_unseen(self, budgets: Sequence[Budget]) -> WorstCase:
        """For a call of which the request does not show what it may come to: nothing can be set aside.

        Raises BudgetRefused where a hard budget is among them, unless such calls are allowed.
        """
        hard = next((budget for budget in budgets if budget.hard), None)
        if hard is not None and not self._unseen:
            raise _not_seen(hard)
        return WorstCase(0, 0)

    def refusal(self, conflict: Conflict) -> BudgetRefused | RateLimited | None:
        """What the caller is told when the store refused Reserve or TakeRates; None if it refused something else."""
        if conflict.code == "rate_limited":
            return rate_refusal(conflict)
        if conflict.code != "budget_exhausted":
            return None
        facts = conflict.details
        budget = self._budgets.get(facts["budget_id"])
        if budget is None:  # deleted in the very moment
            return BudgetRefused(conflict.message, conflict.message_ko, details=dict(facts))
        span = self._span(budget.period, facts["period_start"])
        return self._exceeded(budget, facts["asked"], facts["spent"], facts["reserved"], facts["limit"], span.end)

    def warnings(
        self, budgets: Sequence[Budget], worst: WorstCase, results: Iterable[Any] = ()
    ) -> tuple[BudgetWarning, ...]:
        """Of the soft budgets among these: nearly used up, used up. results: what the commit of the Reserve gave."""
        used = {
            counted.budget_id: counted.spent + counted.reserved
            for result in results
            if isinstance(result, BudgetsReserved)
            for counted in result.soft
        }
        for budget in budgets:
            if budget.period == "request" and not budget.hard:
                used[budget.id] = (worst.picodollars if budget.unit == "picodollars" else worst.tokens) or 0
        found = []
        for budget in budgets:
            if budget.id in used:
                percent = 100 * used[budget.id] // budget.amount if budget.amount else 100
                if percent >= 80:
                    found.append(BudgetWarning(budget.id, budget.name, 100 if percent >= 100 else 80, percent))
        return tuple(found)

    def _span(self, period: Period, at: int) -> Span:
        """Periods are worked out anew only when they or the time zone have changed."""
        name = self._time_zone()
        if name != self._zone.key:
            self._zone, self._spans = ZoneInfo(name), {}
        span = self._spans.get(period)
        if span is None or not span.holds(at):
            span = self._spans[period] = span_of(period, at, self._zone)
        return span

    # Standings

    async def standing(self, budget_ids: Iterable[str] | None = None, at: int | None = None) -> Mapping[str, Standing]:
        """How budgets stand in the period around `at` (now), by id; of all, if none are named. Raises NotFound."""
        at = now() if at is None else at
        wanted = self.all() if budget_ids is None else [self.get(budget_id) for budget_id in budget_ids]
        spans = {budget.id: self._span(budget.period, at) for budget in wanted}
        counted = await self._store.counted({budget_id: span.start for budget_id, span in spans.items()})
        found = {}
        for budget in wanted:
            figures, span = counted.get(budget.id), spans[budget.id]
            spent, reserved = (figures.spent, figures.reserved) if figures else (0, 0)
            found[budget.id] = Standing(budget, spent, reserved, budget.amount - spent - reserved, span.start, span.end)
        return found

    def _exceeded(
        self, budget: Budget, asked: int, spent: int, reserved: int, limit: int, resets_at: int | None
    ) -> BudgetRefused:
        left = max(0, limit - spent - reserved)
        unit = budget.unit
        en, ko = partial(amount_text, unit), partial(amount_text_ko, unit)
        if budget.period == "request":
            hint = "Ask for less at once (a smaller output limit, a shorter input), or have the budget raised."
            hint_ko = "출력 한도나 입력을 줄이거나 예산을 올리십시오."
        elif resets_at is None:
            hint, hint_ko = "Have the budget raised.", "예산을 올리십시오."
        else:
            when = iso(resets_at, self._zone)
            hint = f"It begins anew at {when}. A smaller output limit may fit into what is left."
            hint_ko = f"{when}에 다시 시작됩니다. 출력 한도를 줄이면 남은 예산에 들어갈 수 있습니다."
        return _refused(
            budget,
            f"The budget “{budget.name}” does not allow this: {en(left)} of {en(limit)} are left, "
            f"and the request may use up to {en(asked)}.",
            f"예산 “{budget.name}”을(를) 넘을 수 있어 보내지 않았습니다. {ko(limit)} 중 {ko(left)}이(가) 남았고, "
            f"이 요청은 최대 {ko(asked)}을(를) 쓸 수 있습니다.",
            hint,
            hint_ko,
            {
                "reason": "exhausted",
                "limit": amount_json(unit, limit),
                "spent": amount_json(unit, spent),
                "reserved": amount_json(unit, reserved),
                "asked": amount_json(unit, asked),
                "resets_at": resets_at,
            },
        )


def _refused(
    budget: Budget, message: str, message_ko: str, hint: str, hint_ko: str, facts: Mapping[str, Any]
) -> BudgetRefused:
    return BudgetRefused(
        message,
        message_ko,
        hint=hint,
        hint_ko=hint_ko,
        details={
            "budget": budget.name,
            "budget_id": budget.id,
            "scope": budget.scope,
            "period": budget.period,
            "unit": budget.unit,
            **facts,
        },
    )


_UNBOUNDED = {
    "output": (
        "the longest answer of this model is not known",
        "이 모델의 최대 출력 길이를 알 수 없습니다",
        "Set max_completion_tokens (max_output_tokens on /v1/responses).",
        "max_completion_tokens(/v1/responses에서는 max_output_tokens)를 지정하십시오.",
    ),
    "input": (
        "the size of its input is not known",
        "입력 크기를 알 수 없습니다",
        "Send the content itself instead of a reference to it, or use a model whose context window is known.",
        "참조 대신 내용을 직접 보내거나, 컨텍스트 크기가 알려진 모델을 쓰십시오.",
    ),
    "tools": (
        "the number of its tool calls is not limited",
        "도구 호출 횟수에 제한이 없습니다",
        "Set max_tool_calls.",
        "max_tool_calls를 지정하십시오.",
    ),
}


def _unknown(budget: Budget, worst: WorstCase) -> BudgetRefused:
    """A hard budget and a worst case that nobody knows: it is not sent."""
    if worst.unbounded:
        reasons = [_UNBOUNDED[what] for what in worst.unbounded]
        reason, reason_ko = "; ".join(each[0] for each in reasons), "; ".join(each[1] for each in reasons)
        hint, hint_ko = " ".join(each[2] for each in reasons), " ".join(each[3] for each in reasons)
    else:
        reason = reason_ko = "; ".join(worst.unpriced)
        hint = "Add the price (`talkmeter prices add`, or Prices on the page), or use a model that has one."
        hint_ko = "가격을 추가하거나(`talkmeter prices add` 또는 가격 페이지) 가격이 있는 모델을 쓰십시오."
    return _refused(
        budget,
        f"The budget “{budget.name}” cannot hold for this request: {reason}.",
        f"예산 “{budget.name}”을(를) 지킬 수 있을지 알 수 없어 보내지 않았습니다: {reason_ko}.",
        hint,
        hint_ko,
        _without_figures(budget, "unbounded" if worst.unbounded else "unpriced"),
    )


def _without_figures(budget: Budget, reason: str) -> dict[str, Any]:
    limit = amount_json(budget.unit, budget.amount)
    return {"reason": reason, "limit": limit, **dict.fromkeys(("spent", "reserved", "asked", "resets_at"))}


def _not_seen(budget: Budget) -> BudgetRefused:
    """A hard budget and a call of which the request does not show what it may come to: it is not sent."""
    return _refused(
        budget,
        f"The budget “{budget.name}” cannot hold for this request: what it comes to shows only afterwards, in a later "
        "answer or on the provider's bill.",
        f"예산 “{budget.name}”을(를) 지킬 수 있을지 알 수 없어 보내지 않았습니다: 이 요청의 비용은 나중의 응답이나 "
        "제공자의 청구서에서야 알 수 있습니다.",
        "Use an endpoint that is metered (docs/gateway.md); or the owner allows it with the setting gateway_unseen.",
        "계량되는 엔드포인트를 쓰거나(docs/gateway.md), 소유자가 설정 gateway_unseen으로 허용할 수 있습니다.",
        _without_figures(budget, "unseen"),
    )
