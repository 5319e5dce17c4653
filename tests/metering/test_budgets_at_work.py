"""Budgets in the way of a call: reserved before sending, settled to the actual, whatever happens in between."""

import msgspec
import pytest

from support.workspace import ME, workspace
from talkmeter.completions import CompletionRequest
from talkmeter.conversation.recovery import settle_open_entries
from talkmeter.errors import BudgetRefused, Conflict, StoreBusy
from talkmeter.ids import new_ordered_id
from talkmeter.metering.budget_making import new_budget
from talkmeter.metering.meter import CallContext
from talkmeter.metering.prices import own_row

# The simulator's play prices: 1 US$ for a million tokens in (cached or not), 2 for a million out; see simulator.json.


@pytest.fixture
async def desk(tmp_path):
    async with workspace(tmp_path) as made:
        yield made


async def budget(desk, amount, **given):
    fields = {"name": f"the budget {len(desk.budgets.all())}", "period": "total", **given}
    return await desk.budgets.add(new_budget(amount=amount, **fields))


async def figures(desk, made):
    standing = (await desk.budgets.standing([made.id]))[made.id]
    return standing.spent, standing.reserved


def request(model="sim-fast", text="say: hello", **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True, **more}
    return CompletionRequest(new_ordered_id("call"), "chat/completions", body)


async def opened(desk, **more):
    context = CallContext(surface="test", principal=ME)
    return await desk.meter.open(request(**more), desk.providers.provider, context)


async def finished(desk, call):
    await call.read(lambda _text: None)
    settlement = await call.settlement()
    await call.settle(settlement)
    return settlement


async def test_the_worst_case_is_reserved_and_the_actual_spent(desk):
    money, tokens = await budget(desk, "1 USD"), await budget(desk, "1000000 tokens")
    call = await opened(desk, max_completion_tokens=100, stream_options={"include_usage": True})
    worst = call.opening.worst_case_picodollars
    assert worst > 0
    assert await figures(desk, money) == (0, worst)
    assert await figures(desk, tokens) == (0, call.opening.preflight_tokens + 100)
    settlement = await finished(desk, call)
    assert await figures(desk, money) == (settlement.cost.picodollars, 0)
    used = settlement.usage.prompt_tokens + settlement.usage.completion_tokens
    assert await figures(desk, tokens) == (used, 0)
    assert 0 < settlement.cost.picodollars < worst


async def test_a_call_without_budgets_keeps_nothing(desk):
    call = await opened(desk)
    assert call.opening.reservations is None
    await finished(desk, call)


async def test_what_does_not_fit_is_not_sent_and_leaves_no_entry(desk):
    await budget(desk, "0.000001 USD", period="day")
    with pytest.raises(BudgetRefused) as refused:
        await opened(desk)
    assert refused.value.details["budget"] == "the budget 0"
    assert refused.value.details["resets_at"] is not None
    assert list(await desk.store.open_entries()) == []
    assert desk.simulator.bill.totals()["requests"] == 0


async def test_a_model_without_a_price_is_not_sent_under_a_hard_budget_of_money(desk):
    tokens = await budget(desk, "100000 tokens")
    call = await opened(desk, model="home-model", max_tokens=10)
    call.cut()
    await finished(desk, call)
    assert await figures(desk, tokens) == (0, 0)
    await budget(desk, "1 USD")
    with pytest.raises(BudgetRefused) as refused:
        await opened(desk, model="home-model", max_tokens=10)
    assert refused.value.details["reason"] == "unpriced"
    with pytest.raises(BudgetRefused) as refused:
        await opened(desk, model="home-model")
    assert refused.value.details["reason"] == "unbounded"


async def test_a_refused_or_unsent_call_gives_everything_back(desk):
    made = await budget(desk, "1 USD")
    call = await opened(desk)
    call.cut()
    assert (await finished(desk, call)).outcome == "not_sent"
    desk.simulator.script({"fault": "status", "status": 500})
    assert (await finished(desk, await opened(desk))).outcome == "refused"
    assert await figures(desk, made) == (0, 0)


async def test_an_unknown_outcome_keeps_the_worst_case(desk):
    made = await budget(desk, "1 USD")
    call = await opened(desk)
    settlement = await call.settlement()  # it was never read: nobody knows
    assert settlement.provenance == "unknown"
    await call.settle(settlement)
    assert await figures(desk, made) == (call.opening.worst_case_picodollars, 0)


async def test_after_a_crash_the_reservation_is_released_from_the_entry(desk):
    made = await budget(desk, "1 USD")
    call = await opened(desk)
    assert await figures(desk, made) == (0, call.opening.worst_case_picodollars)
    assert await settle_open_entries(desk.store, desk.prices) == 1  # as the next process does
    entry = await desk.store.entry(call.opening.id)
    assert entry.settlement.provenance == "unknown"  # whether it was sent at all: so its worst case stays
    assert await figures(desk, made) == (call.opening.worst_case_picodollars, 0)
    await call.settle(await call.settlement())  # and the late one is refused as a whole
    assert await figures(desk, made) == (call.opening.worst_case_picodollars, 0)


async def test_an_unpriced_call_is_corrected_when_its_price_arrives(desk):
    soft = await budget(desk, "1 USD", hard=False)
    priced = await opened(desk, stream_options={"include_usage": True})
    settlement = await finished(desk, priced)
    before, _ = await figures(desk, soft)
    call = await opened(desk)
    unpriced = msgspec.structs.replace(call.opening, id=new_ordered_id("call"), model_requested="home-model")
    await finished(desk, call)
    worst = msgspec.json.decode(unpriced.reservations)["budgets"][0]["amount"]
    await desk.store.commit(unpriced)
    at = unpriced.opened_at
    late = msgspec.structs.replace(
        settlement,
        id=unpriced.id,
        model_served=None,
        cost=desk.prices.cost(settlement.usage, "sim", ("home-model",), None, at),
    )
    from talkmeter.metering.reservations import release

    counted = (await figures(desk, soft))[0]
    await desk.store.commit(late, *release(unpriced, late))
    assert (await figures(desk, soft))[0] == counted + worst  # held at its worst
    await desk.prices.add(own_row(model="home-model", unit="input", usd="2"))
    await desk.prices.add(own_row(model="home-model", unit="output", usd="4"))
    price = (await desk.store.entry(unpriced.id)).settlement.cost.picodollars
    assert (await figures(desk, soft))[0] == counted + price
    assert before > 0


async def test_more_than_was_reserved_is_counted_as_it_is_and_said(desk):
    made = await budget(desk, "1000000 tokens")
    call = await opened(desk, max_tokens=5)
    reserved = msgspec.json.decode(call.opening.reservations)
    reserved["budgets"][0]["amount"] = 1
    call.opening = msgspec.structs.replace(call.opening, reservations=msgspec.json.encode(reserved).decode())
    settlement = await finished(desk, call)
    used = settlement.usage.prompt_tokens + settlement.usage.completion_tokens
    assert settlement.problem == f"the call came to {used - 1} tokens more than the 1 reserved"
    assert (await figures(desk, made))[0] == used


async def test_another_refusal_of_the_store_stays_what_it_is(desk, monkeypatch):
    await budget(desk, "1 USD")

    async def refuse(*_changes):
        raise Conflict("The ledger has that entry.", "있습니다.", code="entry_exists")

    monkeypatch.setattr(desk.store, "commit", refuse)
    with pytest.raises(Conflict) as refused:
        await opened(desk)
    assert refused.value.code == "entry_exists"

    async def busy(*_changes):
        raise StoreBusy("busy", "사용 중")

    monkeypatch.setattr(desk.store, "commit", busy)
    with pytest.raises(StoreBusy):
        await opened(desk)


async def test_a_room_shows_the_refusal_and_keeps_the_question(desk):
    asked, _, _ = await desk.answer("say: hello")
    room_id = asked.room.id
    made = await budget(desk, "0.000000000001 USD", scope="room", scope_id=room_id, period="day")
    asked, view, end = await desk.answer("say: again", room_id)
    assert (end, view.message.status) == ("failed", "failed")
    assert view.message.error["code"] == "insufficient_quota"
    assert made.name in view.message.error["message"]
    question = await desk.store.message(asked.question.message.id, ME)
    assert question.text == "say: again"
    _, other, _ = await desk.answer("say: elsewhere")  # other rooms are not concerned
    assert other.message.status == "complete"
    await desk.budgets.change(made.id, amount=10**12)
    _, view, _ = await desk.answer("say: now", room_id)
    assert view.message.status == "complete"
    assert (await figures(desk, made))[1] == 0


async def test_without_a_book_nothing_is_kept(desk):
    desk.meter._budgets = None
    await finished(desk, await opened(desk))


async def test_an_estimated_prompt_is_bounded_by_its_bytes(desk):
    made = await budget(desk, "1000000 tokens")
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    call = await opened(desk, max_tokens=5, response_format=schema)
    assert call.opening.preflight_quality == "estimate"
    assert (await figures(desk, made))[1] > call.opening.preflight_tokens + 5
    await finished(desk, call)
