"""A call that passes through is let in with all that budgets and limits set aside for it, or not at all."""

import json

import pytest

from support.store_values import an_opening
from support.workspace import workspace
from talkmeter.clock import now
from talkmeter.errors import BadInput, BudgetRefused, Conflict, RateLimited
from talkmeter.metering.admission import Admission, RateLimit, Whose
from talkmeter.metering.asked import Asked
from talkmeter.metering.budget_making import new_budget

MESSAGES = [{"role": "user", "content": "say: hello " + "hello " * 60}]
BODY = json.dumps({"model": "sim-fast", "messages": MESSAGES, "max_tokens": 10}).encode()
ASKED = Asked(endpoint="chat/completions", model="sim-fast", body=BODY, request_bytes=len(BODY), max_output_tokens=10)


@pytest.fixture
async def desk(tmp_path):
    async with workspace(tmp_path) as made:
        made.admission = Admission(made.store, made.prices, made.budgets)
        yield made


def opening(**given):
    fields = {"provider_id": "sim", "model_requested": "sim-fast", "opened_at": now(), "preflight_tokens": None}
    fields |= {"preflight_quality": None, "preflight_encoding": None, "preflight_lines": None, "messages_sent": None}
    return an_opening(**fields | given)


async def budget(desk, amount, **given):
    return await desk.budgets.add(new_budget(amount=amount, **{"name": amount, "period": "total", **given}))


async def test_without_budgets_and_limits_there_is_only_the_entry(desk):
    made = opening()
    admitted = await desk.admission.admit(made, ASKED, Whose(user_id="kim"))
    assert (admitted.opening, list(admitted.headers), list(admitted.warnings)) == (made, [], [])
    assert [entry.opening for entry in await desk.store.open_entries()] == [made]
    without = Admission(desk.store, desk.prices, None)
    assert (await without.admit(opening(), ASKED, Whose(user_id="kim"))).opening.reservations is None


async def test_limits_alone_tell_how_they_stand(desk):
    whose = Whose(user_id="kim", rates=(RateLimit("key_1", 2, None), RateLimit("kim", 50, 100_000)))
    first = await desk.admission.admit(opening(), ASKED, whose)
    assert dict(first.headers)[b"x-ratelimit-limit-requests"] == b"2"
    assert dict(first.headers)[b"x-ratelimit-remaining-requests"] == b"1"
    assert dict(first.headers)[b"x-ratelimit-limit-tokens"] == b"100000"
    await desk.admission.admit(opening(), ASKED, whose)
    with pytest.raises(RateLimited) as refused:
        await desk.admission.admit(opening(), ASKED, whose)
    assert refused.value.details["kind"] == "requests"
    assert len(await desk.store.open_entries()) == 2


async def test_what_is_not_billed_takes_a_request_and_no_tokens(desk):
    await budget(desk, "1 tokens")
    whose = Whose(user_id="kim", rates=(RateLimit("kim", None, 1),))
    free = Asked(endpoint="moderations", model="sim-moderation", billing="nothing", request_bytes=500)
    admitted = await desk.admission.admit(opening(), free, whose)
    assert list(admitted.headers) == []
    assert admitted.opening.reservations is None


async def test_the_prompt_is_counted_only_where_the_bound_of_bytes_does_not_fit(desk):
    roomy = await desk.admission.admit(opening(), ASKED, Whose(user_id="kim"))
    assert roomy.count is None
    await budget(desk, f"{len(BODY) - 50} tokens")
    tight = await desk.admission.admit(opening(), ASKED, Whose(user_id="kim"))
    assert tight.count is not None
    assert tight.opening.preflight_tokens == tight.count.total < len(BODY) - 60
    assert tight.opening.worst_case_picodollars > 0


async def test_what_does_not_fit_even_counted_is_refused_with_nothing_kept(desk):
    await budget(desk, "20 tokens", name="Tiny")
    with pytest.raises(BudgetRefused) as refused:
        await desk.admission.admit(opening(), ASKED, Whose(user_id="kim"))
    assert refused.value.details["budget"] == "Tiny"
    assert await desk.store.open_entries() == []


async def test_what_cannot_be_counted_is_refused_by_its_bound(desk):
    await budget(desk, "20 tokens")
    body = b'{"model": "gpt-4o-mini-tts", "input": "hello"}'
    spoken = Asked(endpoint="audio/speech", model="gpt-4o-mini-tts", body=body, request_bytes=900, characters=5)
    with pytest.raises(BudgetRefused):
        await desk.admission.admit(opening(model_requested="gpt-4o-mini-tts"), spoken, Whose(user_id="kim"))


@pytest.mark.parametrize("body", [b"not json", b"[1]"])
async def test_a_body_that_says_nothing_is_bounded_by_the_model_or_refused(desk, body):
    await budget(desk, "100 USD", hard=False)
    asked = Asked(endpoint="chat/completions", model="sim-fast", body=body, request_bytes=len(body))
    admitted = await desk.admission.admit(opening(), asked, Whose(user_id="kim"))
    assert admitted.opening.worst_case_picodollars > 0
    await budget(desk, "200 USD")
    with pytest.raises(BadInput) as refused:
        await desk.admission.admit(opening(), asked, Whose(user_id="kim"))
    assert refused.value.code == "ambiguous_body"
    assert len(await desk.store.open_entries()) == 1


async def test_a_form_is_bounded_by_its_fields(desk):
    await budget(desk, "100 USD")
    form = {"model": "dall-e-2", "n": "2", "size": "256x256"}
    asked = Asked(
        endpoint="images/variations", model="dall-e-2", request_bytes=999, billing="image:standard:256x256", form=form
    )
    admitted = await desk.admission.admit(opening(model_requested="dall-e-2"), asked, Whose(user_id="kim"))
    assert admitted.opening.worst_case_picodollars == 2 * 16_000_000_000


async def test_a_soft_budget_warns(desk):
    await budget(desk, "1 tokens", name="Soft", hard=False)
    admitted = await desk.admission.admit(opening(), ASKED, Whose(user_id="kim"))
    assert admitted.warnings[0].startswith("Soft; ")


async def test_a_conflict_of_another_kind_stays_what_it_is(desk):
    made = opening()
    await desk.store.commit(made)
    await budget(desk, "100 USD")
    with pytest.raises(Conflict) as refused:
        await desk.admission.admit(made, ASKED, Whose(user_id="kim"))
    assert refused.value.code == "entry_exists"
    without = Admission(desk.store, desk.prices, None)
    with pytest.raises(Conflict):
        await without.admit(made, ASKED, Whose(user_id="kim", rates=(RateLimit("kim", 9, None),)))
