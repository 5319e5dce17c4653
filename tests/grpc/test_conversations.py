"""`talkmeter.v1.Conversations`: ask, follow from anywhere, history, rooms, stop."""

import asyncio

import grpc
import pytest

from support.grpc_house import details_of, grpc_house, refusal, trailers_of
from talkmeter.accounts.principals import LOCAL_PRINCIPAL
from talkmeter.surfaces.grpc import translate_conversations as translation
from talkmeter.surfaces.grpc.asking import check_ended
from talkmeter.surfaces.grpc.messages import conversations_pb2 as pb
from talkmeter.surfaces.grpc.rpc import Failed

ANSWER = "하나 둘 셋 넷 다섯"
QUESTION = f"say: {ANSWER}"
CALL = "talkmeter.v1.Conversations/{}".format


def kinds(events):
    return [event.WhichOneof("event") for event in events]


def text_of(events, text=""):
    for event in events:
        if event.HasField("delta"):
            text = text[: event.delta.offset] + event.delta.text
    return text


async def begun(house, client, steps=3, **more):
    """A call whose answer is held back, and its first event."""
    house.desk.simulator.script({"gate": True})
    call = client.call(CALL("Ask"), prompt=QUESTION, **more)
    first = (await call.read()).event.begun
    if steps:
        await house.desk.simulator.step(steps)
    return call, first


async def test_an_answer_from_its_beginning_to_its_end(house, client):
    call = client.call(CALL("Ask"), prompt=QUESTION, conversation_id="우리 대화")
    events = [reply.event async for reply in call]
    assert kinds(events)[:2] == ["begun", "started"]
    assert text_of(events) == ANSWER
    start, end = events[0].begun, events[-1].ended
    assert (end.status, end.message_id, end.finish_reason) == (pb.RUN_STATUS_FINISHED, start.message_id, "stop")
    assert start.conversation_id == end.conversation_id == "우리 대화"
    assert [event.seq for event in events] == sorted(event.seq for event in events)
    (entry,) = await house.check_books()
    assert events[1].started.call_id == entry["id"]
    assert end.usage.completion_tokens == entry["completion_tokens"]
    assert end.cost.picodollars == entry["cost_picodollars"]
    trailers = await trailers_of(call)
    assert trailers["x-conversation-id"] == "%EC%9A%B0%EB%A6%AC %EB%8C%80%ED%99%94"
    assert trailers["x-usage-provenance"] == "reported"


async def test_it_is_followed_again_from_any_seq_that_was_seen(client):
    asked = await client.events("Ask", prompt=QUESTION)
    run_id, last = asked[0].begun.run_id, asked[-1].seq
    for after in (0, *(event.seq for event in asked)):
        again = await client.events("Follow", run_id=run_id, after_seq=after)
        before = text_of([event for event in asked if event.seq <= after])
        assert text_of(again, before) == ANSWER
        assert kinds(again)[-1:] == (["ended"] if after < last else [])
        assert all(event.seq > after for event in again)


async def test_whoever_left_follows_the_rest(house, client):
    call, first = await begun(house, client)
    seen = []
    while not text_of(seen):
        seen.append((await call.read()).event)
    call.cancel()
    following = client.call(CALL("Follow"), run_id=first.run_id, after_seq=seen[-1].seq)
    await following.initial_metadata()
    await house.desk.simulator.step(1000)
    rest = [reply.event async for reply in following]
    assert text_of(rest, text_of(seen)) == ANSWER
    (entry,) = await house.check_books()
    assert (entry["outcome"], entry["provenance"]) == ("finished", "reported")


async def test_a_key_that_cuts_does_not_cut_here(house, client):
    _, token = await house.desk.keys.issue(user_id="owner", name="cuts", disconnect="cut")
    call, _ = await begun(house, client, metadata=(("x-api-key", token),))
    call.cancel()
    await house.desk.simulator.step(1000)
    (entry,) = await house.check_books()
    assert entry["outcome"] == "finished"


@pytest.mark.slow
async def test_a_deadline_of_the_client_ends_the_answer(house, client):
    call, first = await begun(house, client, timeout=10)
    error = await refusal(call)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    events = await client.events("Follow", run_id=first.run_id)
    assert events[-1].ended.status == pb.RUN_STATUS_STOPPED
    assert "stopping" in kinds(events)
    await house.check_books(at_most=True)


@pytest.mark.parametrize(
    ("mode", "provenance"), [(pb.STOP_MODE_UNSPECIFIED, "drained"), (pb.STOP_MODE_DRAIN, "drained"), (2, "counted")]
)
async def test_stop(house, client, mode, provenance):
    call, first = await begun(house, client)
    seen = []
    while not text_of(seen):
        seen.append((await call.read()).event)
    await client.call(CALL("Stop"), run_id=first.run_id, mode=mode)
    await house.desk.simulator.step(1000, wait=0.2)
    rest = []
    while (reply := await call.read()) is not grpc.aio.EOF:
        rest.append(reply.event)
    stopping = next(event.stopping for event in rest if event.HasField("stopping"))
    assert stopping.mode == (mode or pb.STOP_MODE_DRAIN)
    assert rest[-1].ended.status == pb.RUN_STATUS_STOPPED
    assert rest[-1].ended.usage.provenance == provenance
    assert await call.code() is grpc.StatusCode.OK
    await house.check_books(at_most=True)


async def test_a_failure_is_an_event_and_a_status(house, client):
    house.desk.simulator.script({"fault": "429"})
    call = client.call(CALL("Ask"), prompt=QUESTION, conversation_id="c")
    events = [(await call.read()).event for _ in range(3)]
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call.read()
    assert kinds(events) == ["begun", "started", "ended"]
    assert events[-1].ended.status == pb.RUN_STATUS_FAILED
    assert events[-1].ended.problem.message_ko
    assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert details_of(failed.value)["QuotaFailure"].violations
    again = await client.events("Follow", run_id=events[0].begun.run_id)
    assert again[-1].ended.problem.code == events[-1].ended.problem.code
    history = await client.call(CALL("GetHistory"), conversation_id="c")
    assert history.messages[-1].problem.code == events[-1].ended.problem.code


async def test_multitask(house, client):
    first, one = await begun(house, client, conversation_id="c")
    error = await refusal(client.call(CALL("Ask"), prompt="x", conversation_id="c", multitask=pb.MULTITASK_REJECT))
    assert (error.code(), details_of(error)["ErrorInfo"].reason) == (grpc.StatusCode.ABORTED, "room_busy")
    waiting = client.call(CALL("Ask"), prompt="say: 그다음", conversation_id="c")
    assert (await waiting.read()).event.HasField("begun")
    assert (await waiting.read()).event.queued.behind_run_id == one.run_id
    history = await client.call(CALL("GetHistory"), conversation_id="c")
    assert len(history.run_ids_under_way) == 2
    await house.desk.simulator.step(1000)
    while (await first.read()) is not grpc.aio.EOF:
        pass
    rest = []
    while (reply := await waiting.read()) is not grpc.aio.EOF:
        rest.append(reply.event)
    assert text_of(rest) == "그다음"


async def test_history_in_pages(client):
    for number in range(3):
        await client.events("Ask", prompt=f"say: {number}", conversation_id="c", options={"model": "sim-fast"})
    whole = await client.call(CALL("GetHistory"), conversation_id="c")
    assert [message.text for message in whole.messages] == ["say: 0", "0", "say: 1", "1", "say: 2", "2"]
    assert [message.role for message in whole.messages] == [pb.ROLE_USER, pb.ROLE_ASSISTANT] * 3
    assert whole.next_page_token == ""
    answer = whole.messages[1]
    assert (answer.status, answer.finish_reason) == (pb.MESSAGE_STATUS_COMPLETE, "stop")
    assert (answer.usage.provenance, answer.cost.usd[:2]) == ("reported", "0.")
    assert answer.parent_id == whole.messages[0].message_id
    assert not whole.messages[0].HasField("usage")
    pages, token = [], ""
    while True:
        page = await client.call(CALL("GetHistory"), conversation_id="c", page_size=4, page_token=token)
        pages = [*page.messages, *pages]
        token = page.next_page_token
        if not token:
            break
    assert list(pages) == list(whole.messages)


async def test_a_page_is_never_too_large_for_a_client(client, monkeypatch):
    monkeypatch.setattr("talkmeter.surfaces.grpc.pieces.PAGE_BYTES", 1500)
    for number in range(3):
        await client.events("Ask", prompt=f"say: {str(number) * 400}", conversation_id="c")
    texts, token = [], ""
    while True:
        page = await client.call(CALL("GetHistory"), conversation_id="c", page_token=token)
        assert len(page.messages) in (1, 2)
        texts = [message.text for message in page.messages] + texts
        token = page.next_page_token
        if not token:
            break
    assert [len(text) for text in texts] == [405, 400] * 3


async def test_rooms_in_pages(client):
    for name in ("a", "b", "c"):
        await client.events("Ask", prompt=f"say: {name}", conversation_id=name)
    first = await client.call(CALL("ListRooms"), page_size=2)
    assert [room.conversation_id for room in first.rooms] == ["c", "b"]
    assert first.rooms[0].message_count == 2
    assert first.rooms[0].last_used_at.seconds >= first.rooms[0].created_at.seconds > 0
    second = await client.call(CALL("ListRooms"), page_size=2, page_token=first.next_page_token)
    assert ([room.conversation_id for room in second.rooms], second.next_page_token) == (["a"], "")


@pytest.mark.parametrize(
    ("method", "fields", "code", "reason"),
    [
        ("Follow", {"run_id": "run_nothing"}, "NOT_FOUND", "run_not_found"),
        ("Stop", {"run_id": "run_nothing"}, "NOT_FOUND", "run_not_found"),
        ("GetHistory", {"conversation_id": "nothing"}, "NOT_FOUND", "conversation_not_found"),
        ("GetHistory", {"conversation_id": "x", "page_size": -1}, "INVALID_ARGUMENT", "bad_page_size"),
        ("Ask", {"prompt": " "}, "INVALID_ARGUMENT", "empty_question"),
        ("Ask", {"prompt": "x", "conversation_id": "a$b"}, "INVALID_ARGUMENT", "bad_conversation_id"),
        ("Ask", {"prompt": "x", "options": {"window": -1}}, "INVALID_ARGUMENT", "bad_input"),
        ("Ask", {"prompt": "x", "idempotency_key": ""}, "INVALID_ARGUMENT", "bad_idempotency_key"),
    ],
)
async def test_what_cannot_be(client, method, fields, code, reason):
    error = await refusal(client.call(CALL(method), **fields))
    assert (error.code().name, details_of(error)["ErrorInfo"].reason) == (code, reason)


@pytest.mark.parametrize(
    ("method", "fields", "field", "said"),
    [
        ("Ask", {"prompt": " "}, "prompt", "The question is empty."),
        ("Ask", {"prompt": "x", "idempotency_key": "k" * 256}, "idempotency_key", "1 to 255"),
        ("Ask", {"prompt": "x", "options": {"window_tokens": 0}}, "window_tokens", "window_tokens must be"),
        ("Ask", {"prompt": "x", "multitask": 77}, "multitask", "multitask cannot be 77"),
        ("Stop", {"run_id": "run_x", "mode": 9}, "mode", "mode cannot be 9"),
        ("ListRooms", {"page_token": "x"}, "page_token", "Start again without a page_token."),
    ],
)
async def test_a_field_is_called_what_the_proto_calls_it(client, method, fields, field, said):
    error = await refusal(client.call(CALL(method), **fields))
    found = details_of(error)
    assert found["BadRequest"].field_violations[0].field == found["ErrorInfo"].metadata["param"] == field
    assert said in error.details()
    assert not any(
        word in error.details() + found["LocalizedMessage"].message for word in ("cursor", "커서", "window.t")
    )


@pytest.mark.parametrize(
    ("method", "fields", "said"),
    [
        ("GetHistory", {}, "No conversation was named."),
        ("GetHistory", {"conversation_id": "nowhere"}, "There is no conversation nowhere."),
        ("Stop", {}, "No run was named."),
        ("Follow", {}, "No run was named."),
    ],
)
async def test_what_is_not_named(client, method, fields, said):
    error = await refusal(client.call(CALL(method), **fields))
    assert (error.code(), error.details()) == (grpc.StatusCode.NOT_FOUND, said)


async def test_when_the_server_stops(tmp_path):
    """What was being written says so; what waits goes on after the next start."""
    async with grpc_house(tmp_path) as house:
        await stopped_in_the_middle(house, house.client())


async def stopped_in_the_middle(house, client):
    first, _ = await begun(house, client, conversation_id="c")
    waiting = client.call(CALL("Ask"), prompt="say: later", conversation_id="c")
    assert (await waiting.read()).event.HasField("begun")
    following = client.call(CALL("Follow"), run_id=_run_of(await waiting.initial_metadata()))
    await following.initial_metadata()
    stopping = asyncio.create_task(house.desk.runs.close())
    errors = [await refusal(call) for call in (first, waiting, following)]
    await stopping
    assert {error.code() for error in errors} == {grpc.StatusCode.UNAVAILABLE}
    reasons = [details_of(error)["ErrorInfo"].reason for error in errors]
    assert reasons == ["interrupted", "continues_after_restart", "continues_after_restart"]
    assert [row["outcome"] for row in house.ledger().values()] == ["interrupted"]
    standing = await house.desk.talks.standing(LOCAL_PRINCIPAL, _run_of(await first.initial_metadata()))
    with pytest.raises(Failed) as again:
        check_ended(standing, repeated=True)
    assert again.value.status.code == grpc.StatusCode.FAILED_PRECONDITION.value[0], "not to be tried again as it is"
    assert "new idempotency key" in again.value.status.message


def _run_of(metadata):
    return dict(metadata)["x-run-id"]


def test_a_delta_in_pieces_can_be_taken_up_between_them(monkeypatch):
    monkeypatch.setattr("talkmeter.surfaces.grpc.pieces.PIECE", 4)
    event = translation.RunEvent(seq=9, kind="delta", data={"offset": 10, "text": "abcdefghij"})
    made = list(translation.events_of(event))
    assert [(one.seq, one.delta.offset, one.delta.text) for one in made] == [
        (8, 10, "abcd"),
        (8, 14, "efgh"),
        (9, 18, "ij"),
    ]


def test_events_that_have_no_message_here_are_passed_over():
    assert list(translation.events_of(translation.RunEvent(seq=1, kind="new-kind", data={}))) == []
