"""The wall clock is set while Talkmeter works: nothing becomes negative, nothing changes its place, nothing is lost."""

import time
from types import SimpleNamespace

import pytest

from support.workspace import ME, workspace
from talkmeter import clock
from talkmeter.accounts.sessions import Sessions

HOUR = 3600 * clock.SECOND
YEAR = 365 * 24 * HOUR


@pytest.fixture
def jump(monkeypatch):
    """`jump(-HOUR)` sets the wall clock by so many µs; the monotonic clock goes on, as it does."""
    offset = 0
    monkeypatch.setattr(clock, "time", SimpleNamespace(time_ns=lambda: time.time_ns() + offset * 1000))

    def by(microseconds):
        nonlocal offset
        offset += microseconds

    return by


def check_times(entry):
    opening, settled = entry.opening, entry.settlement
    assert opening.opened_at <= settled.first_byte_at <= settled.settled_at
    assert settled.settled_at - opening.opened_at < 60 * clock.SECOND
    assert settled.cost.picodollars >= 0
    assert min(settled.usage.prompt_tokens, settled.usage.completion_tokens) >= 0


@pytest.mark.parametrize("by", [-HOUR, HOUR, -YEAR, YEAR])
async def test_the_clock_is_set_in_the_middle_of_an_answer(tmp_path, jump, by):
    async with workspace(tmp_path) as desk:
        before = await desk.ask("say: before", model="sim-fast")
        await desk.events(before.run_id)
        desk.simulator.script({"gate": True})
        running = await desk.ask("say: one two three", before.room.id)
        waiting = await desk.ask("say: waits", before.room.id)
        await desk.simulator.step(3)
        jump(by)
        await desk.simulator.step(1000)
        for asked in (running, waiting):
            assert (await desk.events(asked.run_id))[-1].kind == "finished"
        again = await desk.conversation.answer_again(
            principal=ME, question_id=waiting.question.message.id, client_id="again"
        )
        assert (await desk.events(again.run_id))[-1].kind == "finished"
        view = await desk.rooms.view(ME, before.room.id)
        texts = [one.message.text for one in view.messages]
        assert texts == ["say: before", "before", "say: one two three", "one two three", "say: waits", "waits"]
        assert list(view.messages[-1].siblings) == [waiting.answer.message.id, again.answer.message.id]
        for one in view.messages:
            if one.message.role == "assistant":
                check_times(one.entry)
        totals, bill = await desk.rooms.totals(before.room.id), desk.simulator.bill.totals()
        assert (totals.calls, totals.prompt_tokens, totals.completion_tokens) == (
            bill["requests"],
            bill["prompt_tokens"],
            bill["completion_tokens"],
        )
        assert totals.picodollars == sum(
            [
                (await desk.store.entry(row.client_request_id)).settlement.cost.picodollars
                for row in desk.simulator.bill.rows
            ]
        )


@pytest.mark.parametrize("by", [-HOUR, HOUR, -YEAR, YEAR])
async def test_the_clock_is_set_while_nobody_runs(tmp_path, jump, by):
    async with workspace(tmp_path) as first:
        first.simulator.script({"gate": True})
        asked = await first.ask("say: one two three")
        await first.simulator.step(3)
        jump(by)
        await first.runs.close()
        async with workspace(tmp_path, simulator=first.simulator) as second:
            entry = (await second.rooms.message_view(ME, asked.answer.message.id)).entry
            check_times(entry)


async def test_what_a_dead_process_left_is_settled_no_earlier_than_it_was_opened(tmp_path, jump):
    async with workspace(tmp_path, recover=False) as first:
        first.simulator.script({"gate": True})
        asked = await first.ask("say: one two three")
        await first.simulator.step(3)
        jump(-HOUR)
        async with workspace(tmp_path, simulator=first.simulator) as second:  # beside it: as if it had been killed
            entry = (await second.rooms.message_view(ME, asked.answer.message.id)).entry
            assert entry.settlement.outcome == "interrupted"
            assert entry.settlement.settled_at >= entry.opening.opened_at


async def test_sessions_and_links_outlive_a_clock_that_is_set_back(tmp_path, jump):
    async with workspace(tmp_path) as desk:
        sessions = Sessions(desk.store)
        token = await sessions.new_link_token()
        early = await sessions.start()
        jump(-HOUR)
        late = await sessions.use_link_token(token)
        for cookie in (early, late):
            assert (await sessions.find(cookie)).principal == "owner"
        jump(2 * HOUR)
        assert (await sessions.find(late)).principal == "owner"
