"""The book of budgets: which apply, what is set aside, what people are told."""

import msgspec
import pytest

from talkmeter.errors import BadInput, BudgetRefused, Conflict, NotFound, RateLimited
from talkmeter.metering.budget_store import (
    AddBudget,
    Budget,
    BudgetsReserved,
    ChangeBudget,
    Counted,
    DeleteBudget,
    ReserveItem,
)
from talkmeter.metering.budgets import SOFT_MOST, BudgetBook, BudgetWarning
from talkmeter.metering.worst_case import WorstCase

AT = 1_795_988_000_000_000  # 2026-11-29T21:33:20Z, a Sunday
DAY = 86_400_000_000
TODAY = AT // DAY * DAY
WORST = WorstCase(2_000_000_000_000, 1_000)
UNKNOWN = WorstCase(None, None)


def a_budget(name="Team", **given):
    fields = {
        "id": f"budget_{name}",
        "name": name,
        "scope": "instance",
        "scope_id": None,
        "period": "day",
        "unit": "picodollars",
        "amount": 5 * 10**12,
        "hard": True,
        "enabled": True,
        "created_at": 1,
    }
    return Budget(**fields | given)


class Shelf:
    """A store of budgets in memory."""

    def __init__(self, *budgets):
        self.kept = {budget.id: budget for budget in budgets}
        self.figures = {}

    async def budgets(self):
        return list(self.kept.values())

    async def counted(self, periods):
        return {each.budget_id: each for key, each in self.figures.items() if key in periods.items()}

    async def commit(self, *changes):
        for change in changes:
            match change:
                case AddBudget(budget):
                    self.kept[budget.id] = budget
                case ChangeBudget():
                    self.kept[change.id] = msgspec.structs.replace(
                        self.kept[change.id],
                        name=change.name,
                        amount=change.amount,
                        hard=change.hard,
                        enabled=change.enabled,
                    )
                case DeleteBudget(budget_id):
                    del self.kept[budget_id]
        return ()


async def a_book(*budgets, zone="UTC"):
    book = BudgetBook(Shelf(*budgets), lambda: zone)
    await book.load()
    return book


def names(budgets):
    return [budget.name for budget in budgets]


async def test_no_budgets_no_work():
    book = await a_book(a_budget("off", enabled=False))
    assert book.applicable(user_id="u", key_id="k", tags=("a",)) == ()
    assert book.reservation((), WORST, AT, entry_id="call_1") is None
    assert book.warnings((), WORST, ()) == ()


async def test_what_applies_to_a_call():
    book = await a_book(
        a_budget("all"),
        a_budget("ann", scope="user", scope_id="user_ann"),
        a_budget("key", scope="key", scope_id="key_1"),
        a_budget("room", scope="room", scope_id="room_1"),
        a_budget("lab", scope="tag", scope_id="lab"),
        a_budget("lab week", scope="tag", scope_id="lab", period="week"),
        a_budget("openai", scope="provider", scope_id="provider_1"),
    )
    assert names(book.applicable()) == ["all"]
    assert names(book.applicable(user_id="user_ann", key_id="key_2")) == ["all", "ann"]
    assert names(book.applicable(key_id="key_1", tags=("x", "lab", "lab"))) == ["all", "key", "lab", "lab week"]
    assert names(book.applicable(room_id="room_1", provider_id="provider_1")) == ["all", "room", "openai"]
    assert names(book.applicable(user_id="key_1")) == ["all"]


async def test_the_worst_case_is_set_aside_in_each():
    budgets = (
        a_budget("hard"),
        a_budget("a soft", hard=False, period="total"),
        a_budget("tokens", unit="tokens", amount=10),
        a_budget("once", period="request", hard=False, amount=1),
    )
    book = await a_book(*budgets)
    reserve = book.reservation(book.applicable(), WORST, AT, entry_id="call_1")
    assert reserve.entry_id == "call_1"
    assert reserve.items == (
        ReserveItem("budget_a soft", 0, None, 2 * 10**12, "picodollars"),
        ReserveItem("budget_hard", TODAY, 5 * 10**12, 2 * 10**12, "picodollars"),
        ReserveItem("budget_tokens", TODAY, 10, 1_000, "tokens"),
    )
    huge = book.reservation(budgets[1:2], WorstCase(2**62, 5), AT, entry_id="call_1")
    assert huge.items[0].amount == SOFT_MOST


async def test_periods_follow_the_time_zone_even_when_it_changes():
    zone = ["UTC"]
    book = BudgetBook(Shelf(a_budget()), lambda: zone[0])
    await book.load()

    def start(at):
        return book.reservation(book.applicable(), WORST, at, entry_id="call_1").items[0].period_start

    assert (start(AT), start(AT + 1), start(AT + DAY)) == (TODAY, TODAY, TODAY + DAY)
    zone[0] = "Asia/Seoul"
    assert start(AT) == TODAY + 15 * 3_600_000_000


async def test_one_request_has_a_budget_too():
    book = await a_book(a_budget("once", period="request", amount=10**12))
    with pytest.raises(BudgetRefused) as refused:
        book.reservation(book.applicable(), WORST, AT, entry_id="call_1")
    error = refused.value
    assert (error.status, error.code) == (429, "insufficient_quota")
    assert "“once”" in error.message
    assert "$1.00" in error.message_ko
    assert "less at once" in error.hint
    assert error.details == {
        "budget": "once",
        "budget_id": "budget_once",
        "scope": "instance",
        "period": "request",
        "unit": "picodollars",
        "reason": "exhausted",
        "limit": "1000000000000",
        "spent": "0",
        "reserved": "0",
        "asked": "2000000000000",
        "resets_at": None,
    }
    assert book.reservation(book.applicable(), WorstCase(10**12, 5), AT, entry_id="call_1") is None


@pytest.mark.parametrize(
    ("worst", "unit", "reason", "hint"),
    [
        (WorstCase(None, 5, ("gpt-9: input has no price",)), "picodollars", "unpriced", "prices add"),
        (WorstCase(None, None, (), ("output",)), "tokens", "unbounded", "max_completion_tokens"),
        (WorstCase(None, None, (), ("input", "output")), "picodollars", "unbounded", "context window"),
        (WorstCase(None, 5, (), ("tools",)), "picodollars", "unbounded", "max_tool_calls"),
    ],
)
async def test_an_unknown_worst_case_is_refused_by_what_is_hard(worst, unit, reason, hint):
    book = await a_book(a_budget("hard", unit=unit), a_budget("soft", unit=unit, hard=False))
    hard, soft = book.all()
    with pytest.raises(BudgetRefused) as refused:
        book.reservation((soft, hard), worst, AT, entry_id="call_1")
    assert refused.value.details["reason"] == reason
    assert refused.value.details["asked"] is None
    assert hint in refused.value.hint
    assert refused.value.hint_ko
    assert book.reservation((soft,), worst, AT, entry_id="call_1").items[0].amount == 0


@pytest.mark.parametrize(
    ("period", "zone", "resets_at", "when"),
    [
        ("day", "UTC", TODAY + DAY, "2026-11-30T00:00:00+00:00"),
        ("week", "Asia/Seoul", TODAY + 7 * DAY + 15 * 3_600_000_000, "2026-12-07T00:00:00+09:00"),
        ("total", "UTC", None, None),
    ],
)
async def test_a_refusal_of_the_store_names_budget_and_reset(period, zone, resets_at, when):
    book = await a_book(a_budget(period=period, unit="tokens", amount=1_000), zone=zone)
    start = book.reservation(book.applicable(), WORST, AT, entry_id="call_1").items[0].period_start
    facts = {
        "budget_id": "budget_Team",
        "period_start": start,
        "limit": 1_000,
        "spent": 700,
        "reserved": 200,
        "asked": 1_000,
    }
    error = book.refusal(Conflict("", "", code="budget_exhausted", details=facts))
    assert isinstance(error, BudgetRefused)
    assert error.details["resets_at"] == resets_at
    assert {name: error.details[name] for name in ("limit", "spent", "reserved", "asked")} == {
        "limit": 1_000,
        "spent": 700,
        "reserved": 200,
        "asked": 1_000,
    }
    assert "100 tokens of 1,000 tokens are left" in error.message
    assert when is None or (when in error.hint and when in error.hint_ko)


async def test_a_refusal_that_is_not_the_budgets():
    book = await a_book()
    assert book.refusal(Conflict("", "", code="entry_exists")) is None
    gone = book.refusal(Conflict("gone", "없음", code="budget_exhausted", details={"budget_id": "budget_x"}))
    assert (gone.code, gone.details) == ("insufficient_quota", {"budget_id": "budget_x"})
    rates = {"kind": "requests", "limit": 1, "asked": 1, "remaining": 0, "reset": 1, "retry_after": 1}
    assert isinstance(book.refusal(Conflict("", "", code="rate_limited", details=rates)), RateLimited)


async def test_soft_budgets_warn():
    soft = a_budget("soft", hard=False, unit="tokens", amount=1_000)
    once = a_budget("once", hard=False, period="request", amount=2 * 10**12)
    hard, zero = a_budget("hard"), a_budget("zero", hard=False, amount=0)
    book = await a_book(soft, once, hard, zero)

    def warned(spent, worst=UNKNOWN):
        results = (("something else",), BudgetsReserved((Counted(soft.id, 0, spent, 10), Counted(zero.id, 0, 0, 0))))
        return [warning for warning in book.warnings(book.all(), worst, results) if warning.name != "zero"]

    assert warned(789) == []
    assert warned(790) == [BudgetWarning(soft.id, "soft", 80, 80)]
    assert warned(2_000, WORST) == [BudgetWarning(soft.id, "soft", 100, 201), BudgetWarning(once.id, "once", 100, 100)]
    assert book.warnings((zero,), WORST, (BudgetsReserved((Counted(zero.id, 0, 0, 0),)),))[0].percent == 100


async def test_budgets_are_added_changed_and_deleted():
    book = await a_book()
    budget = await book.add(a_budget())
    assert book.applicable() == (budget,)
    changed = await book.change(budget.id, amount=7, hard=False)
    assert book.get(budget.id) == changed == msgspec.structs.replace(budget, amount=7, hard=False)
    await book.change(budget.id, enabled=False)
    assert book.applicable() == ()
    with pytest.raises(BadInput):
        await book.change(budget.id, amount=-1)
    with pytest.raises(BadInput):
        await book.add(a_budget("b", amount=10**19))
    await book.delete(budget.id)
    assert book.all() == ()
    for attempt in (book.delete(budget.id), book.change(budget.id, amount=1)):
        with pytest.raises(NotFound) as absent:
            await attempt
        assert absent.value.code == "budget_not_found"


async def test_standings_are_of_the_present_period():
    book = await a_book(a_budget("day"), a_budget("ever", period="total"))
    book._store.figures[("budget_day", TODAY)] = Counted("budget_day", TODAY, 10**12, 10**11)
    found = await book.standing(at=AT)
    day, ever = found["budget_day"], found["budget_ever"]
    assert (day.spent, day.reserved, day.remaining) == (10**12, 10**11, 39 * 10**11)
    assert (day.period_start, day.resets_at) == (TODAY, TODAY + DAY)
    assert (ever.spent, ever.remaining, ever.resets_at) == (0, 5 * 10**12, None)
    assert (await book.standing(["budget_day"], at=AT + DAY))["budget_day"].spent == 0
    assert set(await book.standing(["budget_ever"])) == {"budget_ever"}
    with pytest.raises(NotFound):
        await book.standing(["budget_none"])
