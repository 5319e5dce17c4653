"""Budgets from what a person enters."""

import pytest
from msgspec import UNSET

from talkmeter.errors import BadInput
from talkmeter.metering.budget_making import changes_of, new_budget


def test_a_budget_is_made_of_what_is_given():
    budget = new_budget(name=" 팀 ", amount="5 USD", period="day", scope="tag", scope_id="lab")
    assert (budget.name, budget.unit, budget.amount, budget.hard) == ("팀", "picodollars", 5 * 10**12, True)
    assert (budget.scope, budget.scope_id) == ("tag", "lab")
    assert new_budget(name="a", amount="5 tokens", period="total").scope_id is None


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"scope": "tag"}, "scope_id"),
        ({"scope": "tag", "scope_id": " "}, "scope_id"),
        ({"scope_id": "lab"}, "scope_id"),
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "a" * 201}, "name"),
        ({"amount": "much"}, "amount"),
    ],
)
def test_what_cannot_be_used_is_named(given, param):
    with pytest.raises(BadInput) as refused:
        new_budget(**{"name": "a", "amount": "5 USD", "period": "day", **given})
    assert refused.value.param == param


def test_changes_are_in_the_unit_that_has_been_counted():
    budget = new_budget(name="a", amount="5 USD", period="day")
    given = {"name": " b ", "amount": "$7", "hard": UNSET, "enabled": None}
    assert changes_of(budget, given) == {"name": "b", "amount": 7 * 10**12}
    assert changes_of(budget, {"hard": False}) == {"hard": False}
    with pytest.raises(BadInput) as refused:
        changes_of(budget, {"amount": "5 tokens"})
    assert refused.value.param == "amount"
    assert "counts money, not tokens" in refused.value.message
