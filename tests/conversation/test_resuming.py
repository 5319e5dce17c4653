"""What a process that died leaves: a waiting question goes on with its log, and unseen text is billed."""

import asyncio
import json

import pytest

from support.held_writer import HeldWriter
from support.refusing import refuse
from support.store_values import an_opening
from support.workspace import ME, workspace
from talkmeter.completions import Chunk, Head
from talkmeter.conversation import runs
from talkmeter.conversation.changes import AppendRunEvents, ChangeRun
from talkmeter.conversation.recovery import AT_A_TIME, settle_open_entries
from talkmeter.conversation.runlog import HIDDEN, text_of
from talkmeter.errors import StoreFull
from talkmeter.metering.ledger import SettleEntry

FULL = StoreFull("The disk is full.", "디스크가 가득 찼습니다.")


@pytest.fixture
async def desk(tmp_path):
    async with workspace(tmp_path) as opened:
        yield opened


async def test_a_resumed_run_continues_its_log(tmp_path, caplog):
    async with workspace(tmp_path) as first:
        first.simulator.script({"gate": True}, {"gate": True})
        running = await first.ask("say: one two three")
        waiting = await first.ask("say: four five six", running.room.id)
        while not await first.store.run_events(waiting.run_id, 0):
            await asyncio.sleep(0.01)
        first.runs._closing = True  # as after SIGKILL: nothing further is written
        task = first.runs._live[running.run_id].task
        task.cancel()
        await asyncio.wait([task])
        async with workspace(tmp_path, simulator=first.simulator) as second:
            await second.simulator.step(3)
            async with asyncio.timeout(60):  # within 250 ms, if it can be written at all
                while len(await second.store.run_events(waiting.run_id, 0)) < 3:
                    await asyncio.sleep(0.01)
            kept = await second.store.run_events(waiting.run_id, 0)
            assert [event.kind for event in kept] == ["queued", "started", "delta"]
            await second.simulator.step(100)
            events = await second.events(waiting.run_id)
            assert [event.seq for event in events] == sorted({event.seq for event in events})
            assert [event.kind for event in events if event.kind != "delta"] == ["queued", "started", "finished"]
            assert "cannot be written" not in caplog.text


async def test_what_a_waiting_run_has_said_is_written_before_the_store_is_closed(desk):
    """Else its next log would begin with a seq that its followers have seen."""
    desk.simulator.script({"gate": True})
    running = await desk.ask("say: one two three")
    waiting = await desk.ask("say: four five six", running.room.id)
    log = desk.runs._live[waiting.run_id].log
    await desk.runs.close()
    assert [event.kind for event in await desk.store.run_events(waiting.run_id, 0)] == ["queued"]
    assert (log._timer, log._flushing, log.closed) == (None, None, True)


async def test_what_cannot_be_written_at_a_shutdown_is_not_tried_again(desk, monkeypatch, caplog):
    desk.simulator.script({"gate": True})
    running = await desk.ask("say: one two three")
    waiting = await desk.ask("say: four five six", running.room.id)
    log = desk.runs._live[waiting.run_id].log
    refuse(monkeypatch, desk.store, AppendRunEvents, FULL)
    await desk.runs.close()
    assert "cannot be written yet" in caplog.text
    assert (log._timer, log._flushing, log.closed) == (None, None, True)


async def killed_after(first, asked, kind, length):
    """Ends the first process as SIGKILL would, once that much of the log is on the disk."""
    async with asyncio.timeout(60):
        while len(text_of(await first.store.run_events(asked.run_id, 0), kind)) < length:
            await asyncio.sleep(0.01)
    first.runs._closing = True
    task = first.runs._live[asked.run_id].task
    task.cancel()
    await asyncio.wait([task])


async def test_what_was_drained_is_counted_after_a_kill(tmp_path):
    """Nobody saw it, but it is on the provider's bill."""
    text = "one two three four five six seven eight nine ten"
    async with workspace(tmp_path) as first:
        first.simulator.script({"gate": True, "answer": text})
        asked = await first.ask("count")
        follower = first.runs.follow(ME, asked.run_id)
        await first.simulator.step(3)
        while (await anext(follower)).kind != "delta":
            pass
        await first.runs.stop(ME, asked.run_id, "drain")
        await first.simulator.step(6)
        await killed_after(first, asked, HIDDEN, len(" three four five six seven eight"))
        assert {event.kind for event in first.runs._live[asked.run_id].log._events} >= {"delta", HIDDEN}
        await first.simulator.settled()
        async with workspace(tmp_path, simulator=first.simulator) as second:
            answer = await second.rooms.message_view(ME, asked.answer.message.id)
            assert (answer.message.status, answer.message.text) == ("stopped", "one two"), "it had been"
            assert answer.entry.settlement.outcome == "stopped"
            (row,) = second.simulator.bill.rows
            assert answer.entry.settlement.usage.completion_tokens == row.completion_tokens == 8
            assert HIDDEN not in {event.kind for event in await second.events(asked.run_id)}


async def test_a_stop_stands_though_the_server_ends_before_the_bill_is_read(desk):
    desk.simulator.script({"gate": True})
    asked = await desk.ask("say: one two three")
    await desk.simulator.step(3)
    await desk.runs.stop(ME, asked.run_id, "drain")
    assert (await desk.runs.close()).interrupted == 0
    answer = await desk.rooms.message_view(ME, asked.answer.message.id)
    assert (answer.message.status, answer.entry.settlement.outcome) == ("stopped", "stopped")


@pytest.mark.parametrize("status", ["queued", "running"])
async def test_a_run_that_was_stopped_is_ended_and_not_taken_up(tmp_path, status):
    """Killed between the stop and the end: while it waited, or when its entry was settled already."""
    async with workspace(tmp_path) as first:
        first.simulator.script({"gate": True})
        running = await first.ask("say: one two three")
        waiting = await first.ask("say: four five six", running.room.id)
        await first.store.commit(ChangeRun(id=waiting.run_id, status=status, stop_mode="drain"))
        first.runs._closing = True
        task = first.runs._live[running.run_id].task
        task.cancel()
        await asyncio.wait([task])
        async with workspace(tmp_path, simulator=first.simulator) as second:
            answer = await second.rooms.message_view(ME, waiting.answer.message.id)
            assert (answer.message.status, answer.entry) == ("stopped", None)
            assert (await second.events(waiting.run_id))[-1].kind == "stopped"


class Reasoning:
    """A provider that thinks aloud, then is silent. Our simulator does not, as OpenAI does not."""

    id, name = "sim", "Thinker"
    hide = staticmethod(str)

    async def send(self, _request):
        yield Head(200, {"content-type": "text/event-stream"})
        for word in ("let ", "me ", "think"):
            delta = {"choices": [{"delta": {"reasoning_content": word}}]}
            yield Chunk(b"data: " + json.dumps(delta).encode() + b"\n\n")
        await asyncio.Event().wait()


async def test_what_was_thought_is_counted_after_a_kill(tmp_path, monkeypatch):
    async with workspace(tmp_path) as first:
        monkeypatch.setattr(first.providers, "pick", lambda *_: Reasoning())
        asked = await first.ask("think")
        await killed_after(first, asked, HIDDEN, len("let me think"))
        async with workspace(tmp_path) as second:
            answer = await second.rooms.message_view(ME, asked.answer.message.id)
            settled = answer.entry.settlement
            assert (answer.message.text, settled.usage.completion_tokens) == ("", 3)
            assert (settled.outcome, settled.provenance) == ("interrupted", "counted")


async def test_a_shutdown_does_not_wait_for_a_full_disk_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "SETTLE_SECONDS", 0.1)
    async with workspace(tmp_path) as first:
        first.simulator.script({"gate": True})
        asked = await first.ask("say: one two three")
        await first.simulator.step(3)
        refuse(monkeypatch, first.store, SettleEntry, FULL)
        await first.runs.close()
        assert [entry.opening.run_id for entry in await first.store.open_entries()] == [asked.run_id]
        await first.simulator.settled()
        async with workspace(tmp_path, simulator=first.simulator) as second:
            answer = await second.rooms.message_view(ME, asked.answer.message.id)
            assert answer.entry.settlement.outcome == "interrupted"
            assert list(await second.store.open_entries()) == []


async def test_what_is_left_open_is_settled_many_at_a_time(tmp_path):
    """A start waits for it: the store is given a hundred at once, to commit together."""
    async with workspace(tmp_path) as desk:
        count = AT_A_TIME + 7
        await desk.store.commit(*[an_opening(provider_id="sim", model_requested="sim-fast") for _ in range(count)])
        async with HeldWriter(desk.store):
            settling = asyncio.create_task(settle_open_entries(desk.store, desk.prices))
            async with asyncio.timeout(60):
                while desk.store._writer.waiting() < AT_A_TIME:
                    await asyncio.sleep(0.005)
        assert await settling == count
        assert list(await desk.store.open_entries()) == []
