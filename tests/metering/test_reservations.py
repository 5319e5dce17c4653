"""What an entry has set aside, and what becomes of it."""

import msgspec
import pytest

from support.store_values import PRICED, UNPRICED, a_settlement, an_opening
from talkmeter.metering.budget_store import (
    AdjustRate,
    RateItem,
    Reserve,
    ReserveItem,
    SettleBudgets,
    SettleItem,
    TakeRates,
)
from talkmeter.metering.cost import Cost
from talkmeter.metering.reservations import (
    NONE,
    correction,
    flagged,
    release,
    reservations_of,
    reservations_text,
)
from talkmeter.metering.usage import Usage

MONEY = ReserveItem("budget_1", 100, 10_000, 5_000, "picodollars")
TOKENS = ReserveItem("budget_2", 0, None, 900, "tokens")
RATES = TakeRates((RateItem("key_1:requests", "requests", 60, 1), RateItem("key_1:tokens", "tokens", 1_000, 300)), 5)


def opened(*items, rates=None):
    return an_opening(reservations=reservations_text(Reserve("call_1", items) if items else None, rates))


def settled(opening, **given):
    return a_settlement(opening, **given)  # 41 + 9 tokens, 1,234 picodollars


def test_it_stands_on_the_entry_as_text():
    opening = opened(MONEY, TOKENS, rates=RATES)
    assert msgspec.json.decode(opening.reservations) == {
        "budgets": [
            {"budget_id": "budget_1", "period_start": 100, "unit": "picodollars", "amount": 5_000},
            {"budget_id": "budget_2", "period_start": 0, "unit": "tokens", "amount": 900},
        ],
        "tokens": [{"id": "key_1:tokens", "limit_per_minute": 1_000, "cost": 300}],
    }
    assert opened().reservations is None
    assert opened(rates=TakeRates(RATES.items[:1], 5)).reservations is None  # a request is taken for good
    assert reservations_of(an_opening()) == NONE


def test_a_settlement_releases_what_was_reserved_and_counts_what_was_used():
    opening = opened(MONEY, TOKENS, rates=RATES)
    assert release(opening, settled(opening)) == (
        SettleBudgets((SettleItem("budget_1", 100, 5_000, 1_234), SettleItem("budget_2", 0, 900, 50))),
        AdjustRate("key_1:tokens", 1_000, -250, 6_000),
    )
    assert release(an_opening(), settled(opening)) == ()


def test_exactly_what_was_taken_needs_no_adjusting():
    opening = opened(rates=TakeRates((RateItem("key_1:tokens", "tokens", 1_000, 50),), 5))
    assert release(opening, settled(opening)) == ()


@pytest.mark.parametrize(
    ("usage", "cost", "money", "tokens"),
    [
        (None, Cost(None), 5_000, 900),  # unknown: the worst case stays
        (Usage(prompt_tokens=41, completion_tokens=9), UNPRICED, 5_000, 50),
        (Usage(prompt_tokens=41), Cost(None), 5_000, 900),
        (Usage(prompt_tokens=0, completion_tokens=0), Cost(0), 0, 0),
        (Usage(prompt_tokens=900, completion_tokens=900), Cost(70_000), 70_000, 1_800),
    ],
)
def test_what_is_not_known_stays_at_its_worst(usage, cost, money, tokens):
    opening = opened(MONEY, TOKENS, rates=RATES)
    budgets, *rates = release(opening, settled(opening, usage=usage, cost=cost))
    assert [item.spend for item in budgets.items] == [money, tokens]
    known = usage is not None and usage.completion_tokens is not None
    assert [each.cost for each in rates] == ([tokens - 300] if known else [])


def test_a_price_that_arrives_corrects_exactly():
    opening = opened(MONEY, TOKENS)
    before = settled(opening, cost=UNPRICED)
    assert correction(opening, before, before.usage, PRICED) == (
        SettleBudgets((SettleItem("budget_1", 100, 0, 1_234 - 5_000),)),
    )
    assert correction(opening, before, before.usage, Cost(5_000)) == ()
    assert correction(opening, settled(opening, usage=None, cost=Cost(None)), Usage(prompt_tokens=7, completion_tokens=3), PRICED) == (
        SettleBudgets((SettleItem("budget_1", 100, 0, -3_766), SettleItem("budget_2", 0, 0, -890))),
    )  # fmt: skip


def test_more_than_was_reserved_is_flagged():
    opening = opened(MONEY, TOKENS)
    fine = settled(opening)
    assert flagged(opening, fine) is fine
    assert flagged(an_opening(), fine) is fine
    dear = settled(opening, cost=Cost(5_001), usage=Usage(prompt_tokens=900, completion_tokens=1))
    said = "the call came to 1 picodollars more than the 5000 reserved; 1 tokens more than the 900 reserved"
    assert flagged(opening, dear).problem == said
    odd = msgspec.structs.replace(dear, problem="usage came twice")
    assert flagged(opening, odd).problem == f"usage came twice; {said}"
    assert flagged(opening, settled(opening, usage=None, cost=Cost(None))).problem is None
