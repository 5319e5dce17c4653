"""Every model that the simulator serves has a play price: a hard budget holds for it, and its calls have a cost."""

import pytest

from support.gateway_requests import REQUESTS

UNTOLD = {"translation"}  # its answer says nothing of its length
FREE = {"moderations"}  # nothing is reserved for what costs nothing
LATE = {"speech"}  # in one piece it says nothing of its tokens


@pytest.mark.parametrize("suffix", ["", "@0"])
@pytest.mark.parametrize("request_", REQUESTS, ids=str)
async def test_under_a_hard_budget(gate, request_, suffix):
    budget = await gate.budget("1000 USD")
    answer = await gate.call(request_.path, request_.of_model(request_.model + suffix).body, **request_.headers)
    assert answer.status == 200, answer.body
    entry = await gate.entry(answer)
    assert budget.hard
    assert (entry["worst_case_picodollars"] is None) is (request_.name in FREE)
    if request_.name not in UNTOLD | FREE:
        assert 0 <= entry["cost_picodollars"] <= entry["worst_case_picodollars"]


@pytest.mark.parametrize("request_", [one for one in REQUESTS if one.name != "images-classic"], ids=str)
async def test_a_model_that_only_has_a_fault_costs_alike_everywhere(gate, request_):
    await gate.budget("1000 USD")
    answer = await gate.call(request_.path, request_.of_model("sim-fault-crlf").body, **request_.headers)
    assert answer.status == 200, answer.body
    entry = await gate.entry(answer)
    if request_.name not in UNTOLD | LATE | FREE:
        assert 0 < entry["cost_picodollars"] <= entry["worst_case_picodollars"]
