"""The ledger: opened once, settled once, priced once; nothing else ever changes an entry."""

import asyncio

import pytest

from support.store_values import PRICED, UNPRICED, a_message, a_room, a_settlement, an_opening
from talkmeter.conversation.changes import AddMessage, AddRoom, DeleteRoom
from talkmeter.errors import BadInput, Conflict
from talkmeter.metering.cost import Cost, CostLine
from talkmeter.metering.ledger import ForgetPartials, KeepPartial, LedgerEntry, PriceEntry, Totals
from talkmeter.metering.usage import Usage


async def test_an_opening_comes_back_as_it_was(store):
    opening = an_opening(
        attempt=2,
        window=0,
        max_output_tokens=4096,
        worst_case_picodollars=2**62,
        room_id="room_1",
        run_id="run_1",
        question_id="msg_1",
        answer_id="msg_2",
    )
    await store.commit(opening)
    assert await store.entry(opening.id) == LedgerEntry(opening=opening)


async def test_a_settlement_comes_back_as_it_was(store):
    opening = an_opening()
    usage = Usage(**{name: number for number, name in enumerate(Usage.__struct_fields__)})
    settlement = a_settlement(
        opening,
        usage=usage,
        first_byte_at=5_500,
        model_served="gpt-4o-2024-08-06",
        service_tier="default",
        finish_reason="stop",
        http_status=200,
        error={"code": "upstream_broke", "message": "…", "message_ko": "끊어짐"},
        problem="usage came twice",
    )
    await store.commit(opening)
    await store.commit(settlement)
    assert await store.entry(opening.id) == LedgerEntry(opening=opening, settlement=settlement)


@pytest.mark.parametrize("usage", [None, Usage(), Usage(prompt_tokens=0, completion_tokens=0), Usage(prompt_tokens=7)])
async def test_zero_and_missing_stay_different(store, usage):
    opening = an_opening()
    settlement = a_settlement(opening, usage=usage, raw_usage=None, cost=Cost(None if usage is None else 0))
    await store.commit(opening, settlement)
    assert (await store.entry(opening.id)).settlement == settlement


async def test_an_unknown_entry_is_none(store):
    assert await store.entry("call_none") is None


async def test_an_entry_is_opened_once(store):
    opening = an_opening()
    await store.commit(opening)
    with pytest.raises(Conflict) as refused:
        await store.commit(an_opening(id=opening.id, model_requested="other"))
    assert refused.value.code == "entry_exists"
    assert (await store.entry(opening.id)).opening.model_requested == "gpt-4o"


async def test_an_entry_is_settled_exactly_once_under_100_attempts_at_once(store):
    opening = an_opening()
    await store.commit(opening)
    settlements = [a_settlement(opening, settled_at=at) for at in range(100)]
    outcomes = await asyncio.gather(*(store.commit(each) for each in settlements), return_exceptions=True)
    won = [each for each, outcome in zip(settlements, outcomes, strict=True) if outcome == ()]
    lost = [outcome for outcome in outcomes if outcome != ()]
    assert len(won) == 1
    assert all(isinstance(each, Conflict) and each.code == "already_settled" for each in lost)
    assert (await store.entry(opening.id)).settlement == won[0]


async def test_what_was_never_opened_cannot_be_settled(store):
    with pytest.raises(Conflict) as refused:
        await store.commit(a_settlement(an_opening()))
    assert refused.value.code == "no_such_entry"


async def test_open_entries_are_those_without_a_settlement_oldest_first(store):
    openings = [an_opening(opened_at=-at) for at in range(5)]  # a clock that goes backwards changes no order
    for each in openings:
        await store.commit(each)
    await store.commit(a_settlement(openings[2]))
    assert [each.opening for each in await store.open_entries()] == [*openings[:2], *openings[3:]]


async def test_unpriced_entries_have_usage_and_no_cost(store):
    known, served, unknown, priced, still_open = (an_opening(model_requested="gpt-9") for _ in range(5))
    other = an_opening(model_requested="gpt-8")
    await store.commit(known, served, unknown, priced, still_open, other)
    await store.commit(
        a_settlement(known, cost=UNPRICED),
        a_settlement(served, cost=UNPRICED, model_served="gpt-9-0613"),
        a_settlement(unknown, cost=UNPRICED, usage=None, provenance="unknown"),
        a_settlement(priced),
        a_settlement(other, cost=UNPRICED),
    )

    async def ids(model=None):
        return [each.opening.id for each in await store.unpriced_entries(model)]

    assert await ids() == [known.id, served.id, other.id]
    assert await ids("gpt-9") == [known.id, served.id]
    assert await ids("gpt-9-0613") == [served.id]
    assert await ids("gpt-7") == []


async def test_a_cost_arrives_later_and_only_once(store):
    opening = an_opening()
    settlement = a_settlement(opening, cost=UNPRICED)
    await store.commit(opening)
    with pytest.raises(Conflict) as refused:
        await store.commit(PriceEntry(id=opening.id, cost=PRICED))
    assert refused.value.code == "already_priced"  # it is still open
    await store.commit(settlement)
    await store.commit(PriceEntry(id=opening.id, cost=PRICED))
    assert (await store.entry(opening.id)).settlement == a_settlement(opening, cost=PRICED)
    with pytest.raises(Conflict) as refused:
        await store.commit(PriceEntry(id=opening.id, cost=Cost(1)))
    assert refused.value.code == "already_priced"
    assert (await store.entry(opening.id)).settlement.cost == PRICED
    with pytest.raises(Conflict) as refused:
        await store.commit(PriceEntry(id="call_none", cost=PRICED))
    assert refused.value.code == "no_such_entry"


async def test_a_cost_of_zero_is_a_cost(store):
    opening = an_opening()
    await store.commit(opening, a_settlement(opening, cost=Cost(0)))
    assert await store.unpriced_entries() == []
    with pytest.raises(Conflict):
        await store.commit(PriceEntry(id=opening.id, cost=PRICED))


async def test_totals_count_what_is_missing_beside_the_sums(store):
    openings = [an_opening(room_id="room_1") for _ in range(5)]
    await store.commit(*openings, an_opening(room_id="room_2"))
    await store.commit(
        a_settlement(openings[0]),
        a_settlement(openings[1], cost=UNPRICED),
        a_settlement(openings[2], usage=None, cost=Cost(None)),
        a_settlement(openings[3], usage=Usage(prompt_tokens=0, completion_tokens=0), cost=Cost(0)),
    )
    assert await store.totals("room_1") == Totals(
        calls=5,
        prompt_tokens=82,
        completion_tokens=18,
        picodollars=1_234,
        unpriced_calls=1,
        unknown_calls=1,
        open_calls=1,
    )
    assert await store.totals("room_none") == Totals()


async def test_sums_are_exact_beyond_what_a_float_holds(store):
    for _ in range(3):
        opening = an_opening(room_id="room_1")
        await store.commit(opening, a_settlement(opening, cost=Cost(2**60 + 1)))
    assert (await store.totals("room_1")).picodollars == 3 * (2**60 + 1)


async def test_the_newest_entry_of_an_answer_is_the_one_committed_last(store):
    first = an_opening(answer_id="msg_1", opened_at=9_000)
    second = an_opening(answer_id="msg_1", opened_at=8_000, attempt=2)
    other = an_opening(answer_id="msg_2")
    await store.commit(first)
    await store.commit(second)
    await store.commit(other)
    found = (await store.around(["msg_1", "msg_2", "msg_3"])).entries
    assert {answer: entry.opening for answer, entry in found.items()} == {"msg_1": second, "msg_2": other}
    assert (await store.around([])).entries == {}


async def test_entries_outlive_their_room(store):
    room = a_room()
    question = a_message(room)
    opening = an_opening(room_id=room.id, question_id=question.id)
    await store.commit(AddRoom(room), AddMessage(question), opening)
    await store.commit(a_settlement(opening))
    await store.commit(DeleteRoom(room.id))
    assert (await store.totals(room.id)).calls == 1
    assert (await store.entry(opening.id)).settlement is not None


async def test_a_figure_too_large_for_the_ledger_is_refused_whole(store):
    opening = an_opening()
    await store.commit(opening)
    with pytest.raises(BadInput) as refused:
        await store.commit(a_settlement(opening, cost=Cost(2**63)))
    assert refused.value.code == "figure_out_of_range"
    await store.commit(a_settlement(opening, cost=Cost(2**63 - 1)))
    assert (await store.entry(opening.id)).settlement.cost.picodollars == 2**63 - 1


async def test_what_a_provider_sent_is_stored_whatever_it_holds(store):
    """NUL and lone surrogates, which JSON may carry and a database may not, must not keep an entry open."""
    opening = an_opening()
    await store.commit(opening)
    await store.commit(a_settlement(opening, finish_reason="sto\0p", model_served="x\ud800y", problem="비용 \udfff 😀"))
    settled = (await store.entry(opening.id)).settlement
    assert settled.finish_reason in ("sto\0p", "sto\ufffdp")
    assert settled.model_served == "x\ufffdy"
    assert settled.problem == "비용 \ufffd 😀"


async def test_cost_lines_keep_every_field(store):
    cost = Cost(5, (CostLine("image:hd:1024x1792", 3, 120_000_000_000, 1_000_000, "own/a/b", 5),), ("web_search",))
    opening = an_opening()
    await store.commit(opening, a_settlement(opening, cost=cost))
    assert (await store.entry(opening.id)).settlement.cost == cost


async def test_sums_by_surface_model_outcome_and_provenance(store):
    openings = [an_opening(model_requested=model) for model in ("gpt-4o", "gpt-4o", "gpt-9", "gpt-9")]
    await store.commit(*openings)
    await store.commit(*(a_settlement(each) for each in openings[:2]), a_settlement(openings[2], cost=UNPRICED))
    found = {(each.model, each.outcome): each for each in await store.ledger_sums()}
    assert set(found) == {("gpt-4o", "finished"), ("gpt-9", "finished"), ("gpt-9", None)}
    both = found["gpt-4o", "finished"]
    assert (both.calls, both.prompt_tokens, both.completion_tokens) == (2, 82, 18)
    assert (both.picodollars, both.unpriced_calls) == (2_468, 0)
    assert found["gpt-9", "finished"].unpriced_calls == 1
    assert (found["gpt-9", None].calls, found["gpt-9", None].provenance) == (1, None)


async def test_texts_that_are_kept_are_put_together_part_by_part(store):
    opening = an_opening()
    await store.commit(opening)
    for seq, texts in enumerate([{0: "가", 2000: "x"}, {2000: "y"}, {0: "나", 1: "1"}], 1):
        kept = [KeepPartial(entry_id=opening.id, part=part, seq=seq, text=text) for part, text in texts.items()]
        await store.commit(*kept)
    assert await store.partial_texts(opening.id) == ["가나", "1", "xy"]
    assert await store.partial_texts("call_other") == []
    await store.commit(ForgetPartials(opening.id))
    assert await store.partial_texts(opening.id) == []
