"""The contract: every fault × every point. One entry for every call, none left open, the sum is the simulator's bill."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from support import books
from support.workspace import ME, workspace
from talkmeter.metering.budget_making import new_budget
from talkmeter.metering.meter import MeterLimits
from talkmeter.providers.client import Timeouts
from talkmeter.simulator.faults import fault_names

IMPATIENT = Timeouts(connect=20, headers=2, silence=2)  # for upstreams that hang
ENDLESS = MeterLimits(total_seconds=2.0)

# fault → (outcome of the entry, provenance, status of the answer)
EXPECTED = {
    "refuse": ("failed", "unknown", "failed"),
    "401": ("refused", "counted", "failed"),
    "429": ("refused", "counted", "failed"),
    "500": ("refused", "counted", "failed"),
    "503": ("refused", "counted", "failed"),
    "hang-headers": ("failed", "unknown", "failed"),
    "hang-stream": ("failed", "counted", "failed"),
    "cut-200": ("failed", "counted", "failed"),
    "reset-200": ("failed", "counted", "failed"),
    "malformed": ("failed", "counted", "failed"),
    "long-line": ("failed", "counted", "failed"),
    "split-utf8": ("finished", "reported", "complete"),
    "no-usage": ("finished", "counted", "complete"),
    "zero-usage": ("finished", "reported", "complete"),
    "usage-twice": ("finished", "reported", "complete"),
    "no-done": ("finished", "reported", "complete"),
    "one-byte": ("finished", "reported", "complete"),
    "endless": ("failed", "counted", "failed"),
    "error-in-200": ("failed", "counted", "failed"),
    "negative-usage": ("finished", "counted", "complete"),
    "crlf": ("finished", "reported", "complete"),
}
# The client gives up on these itself, so what was on the way at that moment can be on the bill alone.
WE_LEAVE = {"endless", "long-line"}


def test_every_fault_of_the_simulator_is_expected_here():
    assert set(fault_names()) == set(EXPECTED)


async def check(desk, *, at_most=False):
    """No entry is open, there is one entry for each request on the bill, and the sums are equal."""
    assert await desk.simulator.settled()
    assert list(await desk.store.open_entries()) == []
    rooms = (await desk.rooms.page(ME)).rooms
    totals = [await desk.rooms.totals(room.id) for room in rooms]
    bill = desk.simulator.bill.totals()
    assert sum(t.calls for t in totals) == bill["requests"]
    assert sum(t.prompt_tokens for t in totals) == bill["prompt_tokens"]
    completion = sum(t.completion_tokens for t in totals)
    if at_most:
        assert completion <= bill["completion_tokens"]
    else:
        assert completion == bill["completion_tokens"]
    ids = {row.client_request_id for row in desk.simulator.bill.rows}
    for room in rooms:
        for view in (await desk.rooms.view(ME, room.id)).messages:
            if view.entry is not None:
                assert view.entry.opening.id in ids


@pytest.mark.parametrize("fault", EXPECTED)
async def test_every_fault_is_accounted_for(tmp_path, fault):
    outcome, provenance, status = EXPECTED[fault]
    timeouts, limits = IMPATIENT if "hang" in fault else None, ENDLESS if fault == "endless" else None
    async with workspace(tmp_path, timeouts=timeouts, limits=limits) as desk:
        for amount in ("1000000 USD", "1000000000000 tokens"):
            await desk.budgets.add(new_budget(name=amount, amount=amount, period="total"))
        asked, answer, _ = await desk.answer("안녕하세요, 이야기해 주세요", model=f"sim-fault-{fault}")
        settled = answer.entry.settlement
        assert (settled.outcome, settled.provenance, answer.message.status) == (outcome, provenance, status)
        assert (answer.message.error is None) == (status == "complete")
        if settled.provenance == "unknown":
            assert settled.usage is None
            assert settled.cost.picodollars is None
        receipt = await desk.receipts.receipt(ME, answer.entry.opening.id)
        if settled.usage is not None and settled.outcome != "refused":
            assert sum(line.tokens for line in receipt.lines) == settled.usage.prompt_tokens
            assert sum(line.tokens for line in receipt.output_lines) == settled.usage.completion_tokens
        assert (await desk.rooms.message(ME, asked.question.message.id)).text.startswith("안녕하세요")
        await check(desk, at_most=fault in WE_LEAVE)
        with closing(sqlite3.connect(tmp_path / "talkmeter.sqlite")) as connection:
            connection.row_factory = sqlite3.Row
            assert books.check_budgets(connection) == 2
        assert [standing.reserved for standing in (await desk.budgets.standing()).values()] == [0, 0]


@pytest.mark.parametrize("end", ["fin", "rst"])
@pytest.mark.parametrize("bytes_", [0, 1, 150, 400, 777, 1500])
async def test_cut_after_any_number_of_bytes(tmp_path, end, bytes_):
    fault = {"fin": "cut", "rst": "reset"}[end]
    async with workspace(tmp_path) as desk:
        desk.simulator.script({"fault": fault, "after_bytes": bytes_})
        _, _, kind = await desk.answer("long 2000")
        assert kind == "failed"
        await check(desk)


@pytest.mark.parametrize("step", range(8))
async def test_the_follower_leaves_at_each_event_and_nothing_changes(tmp_path, step):
    async with workspace(tmp_path) as desk:
        desk.simulator.script({"gate": True})
        asked = await desk.ask("say: 하나 둘 셋 넷 다섯")
        follower = desk.runs.follow(ME, asked.run_id)
        await desk.simulator.step(step)
        for _ in range(min(step, 2)):
            await anext(follower)
        await follower.aclose()
        await desk.simulator.step(10_000)
        assert (await desk.events(asked.run_id))[-1].kind == "finished"
        view = await desk.rooms.message_view(ME, asked.answer.message.id)
        assert view.entry.settlement.provenance == "reported"
        await check(desk)


@pytest.mark.parametrize("mode", ["drain", "cut"])
@pytest.mark.parametrize("step", range(8))
async def test_stopped_at_each_event(tmp_path, step, mode):
    async with workspace(tmp_path) as desk:
        desk.simulator.script({"gate": True})
        asked = await desk.ask("say: 하나 둘 셋 넷 다섯")
        await desk.simulator.step(step)
        await desk.runs.stop(ME, asked.run_id, mode)
        await desk.simulator.step(10_000, wait=5 if mode == "drain" else 0.2)
        assert (await desk.events(asked.run_id))[-1].kind in ("stopped", "finished")
        view = await desk.rooms.message_view(ME, asked.answer.message.id)
        if mode == "drain":
            assert view.entry.settlement.provenance in ("drained", "reported")
        settled = view.entry.settlement if view.entry else None
        if settled is not None and settled.provenance == "unknown":
            assert settled.usage is None  # cut after it was sent and before a word came back
        else:
            await check(desk, at_most=mode == "cut")
        assert list(await desk.store.open_entries()) == []


@pytest.mark.parametrize("step", [0, 1, 3, 9])
async def test_shutdown_interrupts_and_settles(tmp_path, step):
    async with workspace(tmp_path) as desk:
        desk.simulator.script({"gate": True})
        asked = await desk.ask("long 1000")
        waiting = await desk.ask("and then?", asked.room.id)
        await desk.simulator.step(step)
        async for event in desk.runs.follow(ME, asked.run_id):
            if event.kind == ("delta" if step > 2 else "started"):
                break
        await desk.runs.close(grace=0.05)
        await desk.simulator.settled()
        answer = await desk.rooms.message_view(ME, asked.answer.message.id)
        assert answer.message.status in ("interrupted", "failed")
        assert list(await desk.store.open_entries()) == []
        assert (await desk.store.run(waiting.run_id, ME)).status == "queued"
        late = await desk.ask("while closing")
        assert (await desk.store.run(late.run_id, ME)).status == "queued"
    async with workspace(tmp_path) as desk:
        assert (await desk.events(waiting.run_id))[-1].kind == "finished"
        assert (await desk.events(late.run_id))[-1].kind == "finished"


async def test_nothing_listens(tmp_path):
    async with workspace(tmp_path) as desk:
        await desk.simulator.stop()
        _, answer, kind = await desk.answer("hello?")
        settled = answer.entry.settlement
        assert (kind, settled.outcome, settled.provenance) == ("failed", "not_sent", "counted")
        assert (settled.usage.prompt_tokens, settled.usage.completion_tokens) == (0, 0)
        assert settled.cost.picodollars == 0
        assert answer.message.error["code"] == "upstream_not_reached"


async def test_what_a_dead_process_left_is_settled_at_the_start(tmp_path):
    """The store is abandoned as SIGKILL would leave it: with an open entry and half an answer."""
    async with workspace(tmp_path) as first:
        first.simulator.script({"gate": True}, {"gate": True})
        asked = await first.ask("long 2000")
        await first.simulator.step(60)
        silent = await first.ask("a second room")
        waiting = await first.ask("waits", asked.room.id)
        while not await first.store.run_events(asked.run_id, 0) or len(await first.store.open_entries()) < 2:
            await asyncio.sleep(0.05)
        first.runs._closing = True
        tasks = [live.task for live in first.runs._live.values() if live.task]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        async with workspace(tmp_path, simulator=first.simulator) as second:
            answer = await second.rooms.message_view(ME, asked.answer.message.id)
            assert answer.message.status == "interrupted"
            assert answer.message.text
            settled = answer.entry.settlement
            assert (settled.outcome, settled.provenance) == ("interrupted", "counted")
            assert settled.usage.prompt_tokens == answer.entry.opening.preflight_tokens
            assert settled.usage.completion_tokens > 0
            other = (await second.rooms.message_view(ME, silent.answer.message.id)).entry.settlement
            assert other.outcome == "interrupted"
            assert (await second.events(waiting.run_id))[-1].kind == "finished"
            again = await second.conversation.answer_again(
                principal=ME, question_id=asked.question.message.id, client_id="again"
            )
            assert (await second.events(again.run_id))[-1].kind == "finished"
            assert list(await second.store.open_entries()) == []
