"""An answer as server-sent events: numbered, followed from any of them, asked once however often it is resumed."""

import asyncio

import pytest

from support.asking import EVENTS, Asker, events_of, problem_of, told
from support.raw_http import RawConnection

TEXT = "하나 둘 셋 네 다섯 여섯 일곱"
QUESTION = f"say: {TEXT}"
SSE = {"Accept": EVENTS}
SLOW = {"model": "sim-fast@60"}


@pytest.fixture
def asker(gate):
    return Asker(gate)


async def test_a_stream_tells_which_run_it_is_and_ends_with_the_whole_reply(gate, asker):
    answer = await asker.ask(QUESTION, "trip", headers=SSE)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-accel-buffering"] == "no"
    events = events_of(answer.body)
    assert [event.kind for event in events[:2]] == ["asked", "started"]
    numbers = [event.id for event in events[1:]]
    assert (events[0].id, numbers[0]) == (None, 1)
    assert numbers == sorted(set(numbers))
    assert told(events) == TEXT
    end = events[-1]
    assert (end.kind, end.data["message"], end.data["error"]) == ("finished", TEXT, None)
    assert end.data["run_id"] == events[0].data["run_id"]
    assert end.data["conversation_id"] == events[0].data["conversation_id"] == "trip"
    assert end.data["usage"]["completion_tokens"] > 0
    assert (await asker.ask(QUESTION, "trip", stream=True)).headers["content-type"].startswith(EVENTS)
    assert (await asker.ask(QUESTION, "trip", headers=SSE, stream=False)).json()["message"] == TEXT
    assert len(await gate.check_books()) == 3


async def partly(asker, **headers):
    """Some events of an answer, whose reader then leaves."""
    connection = await asker.open(QUESTION, "trip", headers=headers, **SLOW)
    await connection.head()
    while len(events := events_of(connection.answer.body)) < 4:
        await connection.chunk()
    await connection.close()
    return events


@pytest.mark.parametrize("how", ["get", "get by its run", "post with its key", "post"])
async def test_a_reader_that_lost_its_connection_goes_on_where_it_was(gate, asker, how):
    key = {"Idempotency-Key": "once"} if "key" in how else {}
    seen = await partly(asker, **key)
    resume = {"Accept": EVENTS, "Last-Event-ID": str(seen[-1].id)}
    if how.startswith("get"):
        run = f"?run_id={seen[0].data['run_id']}" if "run" in how else ""
        answer = await asker.call("GET", f"/ask/trip{run}", **resume)
    else:
        answer = await asker.ask(QUESTION, "trip", headers={**resume, **key}, **SLOW)
    rest = events_of(answer.body)
    assert rest[0].data["run_id"] == seen[0].data["run_id"]
    assert all(event.id > seen[-1].id for event in rest[1:])
    assert told(rest, told(seen)) == TEXT
    assert rest[-1].kind == "finished"
    assert len(await gate.check_books()) == 1


async def test_a_key_that_was_not_heard_is_asked_and_told_from_the_start(asker):
    headers = {**SSE, "Last-Event-ID": "3", "Idempotency-Key": "never-arrived"}
    assert told(events_of((await asker.ask(QUESTION, headers=headers)).body)) == TEXT


async def test_what_was_never_asked_is_not_resumed_and_not_asked(gate, asker):
    await asker.reply("another", "trip")
    for name, code in (("trip", "nothing_to_resume"), ("none", "conversation_not_found")):
        problem_of(await asker.ask(QUESTION, name, headers={**SSE, "Last-Event-ID": "3"}), 404, code)
    problem_of(await asker.ask(QUESTION, headers={**SSE, "Last-Event-ID": "x"}), 400, "bad_event_id")
    assert len(await gate.check_books()) == 1


async def test_an_ended_answer_is_told_again_and_then_there_is_nothing_more(asker):
    reply = await asker.reply(QUESTION, "trip")
    events = events_of((await asker.call("GET", "/ask/trip", **SSE)).body)
    assert (told(events), events[-1].data["run_id"]) == (TEXT, reply["run_id"])
    last = await asker.call("GET", f"/ask/trip?after={events[-1].id}", **SSE)
    assert (last.status, last.body) == (204, b"")
    other = await asker.reply("hi", "other")
    problem_of(await asker.call("GET", f"/ask/trip?run_id={other['run_id']}", **SSE), 404, "run_not_found")
    problem_of(await asker.call("GET", "/ask/trip?run_id=run_none", **SSE), 404, "run_not_found")
    head = await asker.call("HEAD", "/ask/trip", **SSE)
    assert (head.status, head.body) == (200, b"")


async def test_a_question_that_waits_says_so(asker):
    first = await asker.open(QUESTION, "trip", model="sim-fast@8")  # it takes seconds: so long it may take to ask
    await first.head()
    second = events_of((await asker.ask("say: 둘째", "trip", headers=SSE)).body)
    assert [event.kind for event in second[:3]] == ["asked", "queued", "started"]
    assert told(second) == "둘째"
    assert events_of((await first.rest()).body)[-1].kind == "finished"
    await first.close()


async def test_a_refusal_before_the_first_event_has_a_status(gate, asker):
    await gate.budget("1 tokens")
    refused = problem_of(await asker.ask("hi", "trip", headers=SSE), 429, "insufficient_quota")
    assert refused["conversation_id"] == "trip"


async def test_a_failure_in_the_middle_is_the_last_event(gate, asker):
    events = events_of((await asker.ask(QUESTION, headers=SSE, model="sim-fault-cut-200")).body)
    end = events[-1]
    assert (end.kind, end.data["status"], end.data["error"]["code"]) == ("failed", "failed", "upstream_broke")
    assert end.data["message"] == told(events)
    await gate.check_books(at_most=True)


@pytest.mark.parametrize("events", [0, 1, 3])
async def test_a_revoked_key_closes_its_streams_and_the_answer_goes_on(gate, events):
    key, token = await gate.key()
    asker = Asker(gate, token)
    connection = await asker.open(QUESTION, "trip", **SLOW)
    await connection.head()
    while len(events_of(connection.answer.body)) < events:
        await connection.chunk()
    await gate.application.accounts.keys.revoke(key.id)
    answer = await connection.rest()
    assert answer.ended == "complete"
    assert "finished" not in {event.kind for event in events_of(answer.body)}
    await connection.close()
    (entry,) = (await gate.check_books()).values()
    assert entry["outcome"] == "finished"


async def running(gate, count):
    async with asyncio.timeout(60):
        while gate.application.runs.running() < count:
            await asyncio.sleep(0.01)


async def test_the_server_that_stops_lets_its_readers_go(gate, asker):
    streamed = await asker.open(QUESTION, "trip", model="sim-fast@2")
    whole = await asker.open(QUESTION, "other", headers={"Accept": "application/json"}, model="sim-fast@2")
    await running(gate, 2)
    waiting = await asker.open("later", "other", headers={"Accept": "application/json"})
    await running(gate, 3)
    async with asyncio.timeout(60):
        while len(events_of(streamed.answer.body)) < 3:
            await (streamed.chunk() if streamed.answer.status else streamed.head())
    await gate.application.end_runs(0)
    assert events_of((await streamed.rest()).body)[-1].kind == "interrupted"
    problem_of(await whole.rest(), 503, "interrupted")
    body = problem_of(await waiting.rest(), 503, "continues_after_restart")
    assert body["conversation_id"] == "other"
    for connection in (streamed, whole, waiting):
        await connection.close()


async def test_a_reader_that_goes_silent_is_left_alone(gate, asker):
    """It takes nothing, and the answer is in the room all the same."""
    connection = await RawConnection.open(gate.root, receive_buffer=4096)
    await connection.send("POST", "/ask/trip", b'{"prompt": "Write 300 words"}', {"Accept": EVENTS})
    async with asyncio.timeout(60):
        while (told := await asker.call("GET", "/ask/trip")).status == 404 or told.json()["under_way"]:
            await asyncio.sleep(0.01)
    assert told.json()["messages"][-1]["status"] == "complete"
    assert len(await gate.check_books()) == 1
    await connection.close()
