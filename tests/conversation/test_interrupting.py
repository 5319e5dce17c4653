"""`multitask: interrupt`: the new question goes out at once, with what was said so far in its history, while the rest of
the interrupted answer is read for its bill.
"""

import asyncio

import pytest

from support.workspace import workspace
from talkmeter.accounts.principals import LOCAL_PRINCIPAL
from talkmeter.conversation.recovery import settle_open_entries
from talkmeter.conversation.talk_values import Talk
from talkmeter.errors import StoreError

ANSWER = "one two three four five six"
STEPS = 4  # the role, and three pieces of text


@pytest.fixture
async def desk(tmp_path):
    async with workspace(tmp_path) as made:
        yield made


def talk(prompt, **more):
    return Talk(surface="ask", principal=LOCAL_PRINCIPAL, conversation_id="trip", prompt=prompt, **more)


async def held(desk):
    """An answer in its middle, and what was told of it."""
    desk.simulator.script({"gate": True, "answer": ANSWER})
    started = await desk.talks.ask(talk("count"))
    await desk.simulator.step(STEPS, wait=20)
    (row,) = [row for row in desk.simulator.bill.rows if row.outcome == "running"]
    text = ""
    async for event in desk.talks.follow(LOCAL_PRINCIPAL, started.run_id):
        if event.kind == "delta":
            text = text[: event.data["offset"]] + event.data["text"]
        if text and len(text) == row.sent_text:
            return started, text
    raise AssertionError("it has ended")


async def result(desk, started):
    return await desk.talks.result(LOCAL_PRINCIPAL, started.run_id)


def sent(desk, started):
    return desk.runs._live[started.run_id].sent


async def test_the_new_question_does_not_wait_for_the_old_ones_bill(desk):
    old, told = await held(desk)
    new = await desk.talks.ask(talk("say: something else", multitask="interrupt"))
    answered = await result(desk, new)
    assert (answered.status, answered.text) == ("complete", "something else")
    assert [message["content"] for message in sent(desk, new)] == ["count", told, "say: something else"]
    (under_way,) = await desk.store.open_entries()
    assert under_way.opening.run_id == old.run_id, "the old one is still being read"
    assert desk.runs.running() == 1
    assert (await desk.talks.history(LOCAL_PRINCIPAL, "trip")).under_way == ()
    await desk.simulator.step(1000)
    ended = await result(desk, old)
    assert (ended.status, ended.text, ended.provenance) == ("stopped", told, "drained")
    (row,) = [row for row in desk.simulator.bill.rows if row.client_request_id == ended.entry.opening.id]
    assert ended.usage.completion_tokens == row.completion_tokens
    while desk.runs.running():
        await asyncio.sleep(0.005)
    told_again = (await desk.talks.history(LOCAL_PRINCIPAL, "trip")).messages
    assert [said.text for said in told_again] == ["count", told, "say: something else", "something else"]


async def test_nothing_waits_for_an_answer_that_was_stopped(desk):
    """Neither what is asked afterwards, whatever it says of answers under way, nor another answer to a question."""
    for way in ("enqueue", "reject", "interrupt"):
        old, told = await held(desk)
        await desk.talks.stop(LOCAL_PRINCIPAL, old.run_id)
        new = await desk.talks.ask(talk(f"say: {way}", multitask=way))
        assert (await result(desk, new)).text == way
        assert [message["content"] for message in sent(desk, new)][-2:] == [told, f"say: {way}"]
        again = await desk.conversation.answer_again(
            principal="local", question_id=new.question_id, client_id=f"again {way}"
        )
        assert (await result(desk, again)).text == way
        await desk.talks.stop(LOCAL_PRINCIPAL, old.run_id, "cut")
        assert (await result(desk, old)).text == told


async def test_another_answer_need_not_wait_for_the_one_that_was_stopped(desk):
    old, told = await held(desk)
    await desk.talks.stop(LOCAL_PRINCIPAL, old.run_id)
    desk.simulator.script({"answer": "again"})
    again = await desk.conversation.answer_again(principal="local", question_id=old.question_id, client_id="again")
    assert (await result(desk, again)).text == "again"
    await desk.simulator.step(1000)
    ended = await result(desk, old)
    assert (ended.status, ended.text, ended.provenance) == ("stopped", told, "drained")


async def test_what_waits_goes_out_when_the_one_before_it_is_stopped(desk):
    old, _ = await held(desk)
    waiting = await desk.talks.ask(talk("say: behind it"))
    await desk.talks.stop(LOCAL_PRINCIPAL, old.run_id)
    assert (await result(desk, waiting)).text == "behind it"
    await desk.simulator.step(1000)
    assert (await result(desk, old)).provenance == "drained"


async def test_whoever_waits_in_the_room_goes_on(desk):
    """As an answer that the page has asked for again, in that very moment."""
    old, _ = await held(desk)
    waiting = await desk.talks.ask(talk("say: behind it"))
    await desk.runs.interrupt("local", old.run_id)
    assert (await result(desk, waiting)).text == "behind it"
    await desk.simulator.step(1000)
    assert (await result(desk, old)).status == "stopped"


async def test_what_is_not_under_way_needs_no_giving_way(desk):
    started = await desk.talks.ask(talk("say: done"))
    await result(desk, started)
    await desk.runs.interrupt("local", started.run_id)
    assert (await result(desk, started)).status == "complete"


async def test_an_answer_that_ends_in_that_very_moment(desk, monkeypatch):
    """While its log is written: it is being settled then. While its text is: it has left the room."""
    for moment in ("log", "text"):
        old, told = await held(desk)
        live = desk.runs._live[old.run_id]
        ending = [desk.simulator]

        async def end(live=live, ending=ending):
            if ending:
                await ending.pop().step(1000)
                await asyncio.wait([live.task])

        with monkeypatch.context() as patch:
            if moment == "log":
                patch.setattr(live.log, "flush", end)
            else:
                commit = desk.store.commit

                async def slow(*changes, commit=commit, end=end, live=live):
                    given = await commit(*changes)
                    if type(changes[0]).__name__ == "FinishMessage" and live.stop_mode and not live.log.ended:
                        await end()
                    return given

                patch.setattr(desk.store, "commit", slow)
            new = await desk.talks.ask(talk("say: next", multitask="interrupt"))
            assert (await result(desk, new)).text == "next"
        ended = await result(desk, old)
        assert (ended.status, ended.text) == ("stopped", told)
        await desk.talks.delete(LOCAL_PRINCIPAL, "trip")
        assert desk.runs.running() == 0


async def test_a_full_disk_refuses_the_question_and_loses_nothing(desk, monkeypatch):
    old, told = await held(desk)
    commit = desk.store.commit

    async def full(*changes):
        if type(changes[0]).__name__ == "FinishMessage":
            raise StoreError("full", "가득")
        return await commit(*changes)

    with monkeypatch.context() as patch:
        patch.setattr(desk.store, "commit", full)
        with pytest.raises(StoreError):
            await desk.talks.ask(talk("say: next", multitask="interrupt"))
    await desk.simulator.step(1000)
    assert (await result(desk, old)).text == told


async def test_a_room_that_is_deleted_ends_what_is_read_aside(desk):
    old, _ = await held(desk)
    new = await desk.talks.ask(talk("say: next", multitask="interrupt"))
    await result(desk, new)
    await desk.talks.delete(LOCAL_PRINCIPAL, "trip")
    assert await desk.store.open_entries() == []
    entry = await desk.store.entry(desk.simulator.bill.rows[0].client_request_id)
    assert (entry.opening.run_id, entry.settlement.outcome) == (old.run_id, "stopped")


async def test_killed_while_it_is_read_aside(tmp_path):
    """What was said stays as it was, and counts; the next start settles it."""
    async with workspace(tmp_path) as first:
        old, told = await held(first)
        new = await first.talks.ask(talk("say: next", multitask="interrupt"))
        await result(first, new)
        first.runs._closing = True  # as after SIGKILL: nothing further is written
        task = first.runs._live[old.run_id].task
        task.cancel()
        await asyncio.wait([task])
        async with workspace(tmp_path, simulator=first.simulator, recover=False) as second:
            assert await settle_open_entries(second.store, second.prices) == 1
            ended = await result(second, old)
            assert (ended.status, ended.text, ended.provenance) == ("stopped", told, "counted")
            history = (await second.talks.history(LOCAL_PRINCIPAL, "trip")).messages
            assert [said.text for said in history] == ["count", told, "say: next", "next"]
