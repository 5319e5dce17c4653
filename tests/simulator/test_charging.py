"""The rule that makes the bill, for every way a request can end."""

from hypothesis import given
from hypothesis import strategies as st

from talkmeter.simulator.charging import NOTHING, Charge, charge, claimed
from talkmeter.simulator.shapes import usage_object

figures = st.integers(0, 10**6)
charges = st.builds(
    lambda prompt, cached, completion, reasoning: Charge(
        prompt, min(prompt, cached), completion, min(completion, reasoning)
    ),
    figures,
    figures,
    figures,
    figures,
)
usages = st.none() | charges.map(usage_object)
error_statuses = st.none() | st.integers(400, 599)


@given(error_statuses, st.booleans(), usages, charges, figures)
def test_without_a_good_status_nothing_is_charged(
    status: int | None, finished: bool, usage: dict[str, object] | None, truth: Charge, written: int
) -> None:
    cost = charge(status=status, finished=finished, usage_sent=usage, truth=truth, written_tokens=written)
    assert cost == NOTHING


@given(st.booleans(), charges, charges, figures)
def test_a_claim_is_charged_as_it_was_made(finished: bool, said: Charge, truth: Charge, written: int) -> None:
    usage = usage_object(said)
    assert claimed(usage) == said
    cost = charge(status=200, finished=finished, usage_sent=usage, truth=truth, written_tokens=written)
    assert cost == said


@given(charges, figures, st.integers(-(10**6), -1), st.sampled_from(range(4)))
def test_a_negative_claim_is_none(truth: Charge, written: int, negative: int, place: int) -> None:
    said = list(truth)
    said[place] = negative
    usage = usage_object(Charge(*said))
    assert charge(status=200, finished=True, usage_sent=usage, truth=truth, written_tokens=written) == truth


@given(charges, figures)
def test_without_a_claim_the_end_decides(truth: Charge, written: int) -> None:
    def cost(finished: bool) -> Charge:
        return charge(status=200, finished=finished, usage_sent=None, truth=truth, written_tokens=written)

    assert cost(True) == truth
    assert cost(False) == (truth.prompt, 0, written, 0)


def test_a_usage_without_details_can_be_read() -> None:
    assert claimed({"prompt_tokens": 3, "completion_tokens": 4}) == (3, 0, 4, 0)
