"""Runs and their logs."""

import asyncio

import pytest
from msgspec.structs import replace

from support.store_values import ME, a_message, a_room, a_run
from talkmeter.conversation.changes import AddMessage, AddRoom, AddRun, AppendRunEvents, ChangeRun, ForgetRunEvents
from talkmeter.errors import Conflict
from talkmeter.messages import RunEvent


@pytest.fixture
async def asked(store):
    room = a_room()
    question = a_message(room)
    answer = a_message(room, question)
    await store.commit(AddRoom(room), AddMessage(question), AddMessage(answer))
    return question, answer


def some_events(first, last):
    return tuple(
        RunEvent(seq=seq, kind="delta", data={"text": f"조각 {seq}", "n": [1, 2.5]}) for seq in range(first, last + 1)
    )


async def test_a_run_comes_back_as_it_was(store, asked):
    run = a_run(
        *asked, started_at=1, finished_at=2, stop_mode="drain", model="gpt-4o", provider_id="p", surface="slack"
    )
    await store.commit(AddRun(run))
    assert await store.run(run.id, ME) == run
    assert await store.run_by_client_id(ME, run.client_id) == run
    for found in (
        await store.run(run.id, "somebody else"),
        await store.run_by_client_id("somebody else", run.client_id),
        await store.run("run_none", ME),
        await store.run_by_client_id(ME, "none"),
    ):
        assert found is None


async def test_a_question_is_never_asked_twice(store, asked):
    runs = [a_run(*asked, client_id="c") for _ in range(30)]
    outcomes = await asyncio.gather(*(store.commit(AddRun(run)) for run in runs), return_exceptions=True)
    assert outcomes.count(()) == 1
    assert {each.code for each in outcomes if each != ()} == {"client_id_used"}
    assert await store.run_by_client_id(ME, "c") == runs[outcomes.index(())]
    await store.commit(AddRun(a_run(*asked, client_id="c", principal="somebody else")))


async def test_a_refused_run_leaves_no_message_behind(store, asked):
    question, _ = asked
    await store.commit(AddRun(a_run(*asked, client_id="c")))
    again = a_message(a_room(id=question.room_id))
    with pytest.raises(Conflict):
        await store.commit(AddMessage(again), AddRun(a_run(*asked, client_id="c")))
    assert await store.message(again.id, ME) is None
    assert (await store.room(question.room_id, ME)).message_count == 2


@pytest.mark.parametrize(
    "change",
    [
        {"status": "running", "started_at": 5},
        {"status": "finished", "finished_at": 6},
        {"stop_mode": "cut"},
        {"stop_mode": None},
        {},
    ],
)
async def test_a_change_leaves_the_rest(store, asked, change):
    run = a_run(*asked, stop_mode="drain")
    await store.commit(AddRun(run))
    await store.commit(ChangeRun(id=run.id, **change))
    assert await store.run(run.id, ME) == replace(run, **change)


async def test_changes_of_a_run_that_is_gone_do_nothing(store):
    await store.commit(
        ChangeRun(id="run_none", status="finished"),
        AppendRunEvents("run_none", some_events(1, 2)),
        ForgetRunEvents("run_none"),
    )
    assert await store.run_events("run_none", 0) == []


async def test_a_log_is_read_from_any_place_and_forgotten(store, asked):
    run = a_run(*asked)
    await store.commit(AddRun(run))
    await store.commit(AppendRunEvents(run.id, some_events(1, 3)))
    await store.commit(AppendRunEvents(run.id, some_events(7, 9)), AppendRunEvents(run.id, ()))
    events = [*some_events(1, 3), *some_events(7, 9)]
    for after in range(11):
        assert await store.run_events(run.id, after) == [event for event in events if event.seq > after]
    await store.commit(ForgetRunEvents(run.id))
    assert await store.run_events(run.id, 0) == []


async def test_an_event_is_logged_once(store, asked):
    run = a_run(*asked)
    await store.commit(AddRun(run), AppendRunEvents(run.id, some_events(1, 2)))
    with pytest.raises(Conflict) as refused:
        await store.commit(AppendRunEvents(run.id, some_events(2, 3)))
    assert refused.value.code == "event_exists"
    assert await store.run_events(run.id, 0) == list(some_events(1, 2))


async def test_unfinished_runs_are_what_a_dead_process_left(store, asked):
    statuses = ("queued", "running", "finished", "stopped", "failed", "interrupted", "queued")
    runs = [a_run(*asked, status=status, created_at=-at) for at, status in enumerate(statuses)]
    for run in runs:
        await store.commit(AddRun(run))
    assert await store.unfinished_runs() == [runs[0], runs[1], runs[6]]
