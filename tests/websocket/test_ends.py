"""How a socket ends: its key is revoked or expires, its client does not read, its time is over, the server stops."""

import asyncio
import json
import time

import pytest

from support.sockets import SECONDS, open_responses, open_socket
from support.upstreams import Scripted, reply
from talkmeter.accounts.principals import LOCAL_PRINCIPAL
from talkmeter.clock import SECOND, now

HALF_A_MEGABYTE = 1 << 19


def create(text="hello", **members):
    return {"type": "response.create", "model": "sim-fast", "input": text, **members}


async def serving(gate, count=1):
    """So many sockets are open at the server."""
    async with asyncio.timeout(SECONDS):
        while len(gate.server.server_state.connections) != count:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("what", ["revoked", "user disabled"])
@pytest.mark.parametrize("open_one", [open_socket, open_responses])
async def test_a_key_that_is_revoked_closes_its_sockets(gate, open_one, what):
    user = await gate.application.accounts.users.add("Bo")
    key, token = await gate.key(user=user.id)
    _, other = await gate.key("another")
    async with await open_one(gate, key=other) as stays:
        sockets = [await open_one(gate, key=token) for _ in range(3)]
        if what == "revoked":
            await gate.application.accounts.keys.revoke(key.id)
        else:
            await gate.application.accounts.users.change(user.id, disabled=True)
        assert [(await socket.closed())[0] for socket in sockets] == [1008, 1008, 1008]
        await stays.connection.ping()
        await serving(gate, 1)


@pytest.mark.parametrize(("policy", "outcome"), [("drain", "finished"), ("cut", "stopped")])
async def test_what_a_revoked_key_has_under_way_ends_as_it_wished(gate, policy, outcome):
    gate.simulator.script({"gate": True})
    key, token = await gate.key(disconnect=policy)
    socket = await open_responses(gate, key=token)
    await socket.send(create())
    await gate.simulator.step(5, wait=SECONDS)
    await socket.event()
    await gate.application.accounts.keys.revoke(key.id)
    assert (await socket.closed())[0] == 1008
    await gate.simulator.step(1000, wait=0.5)
    (entry,) = (await gate.check_books(at_most=policy == "cut")).values()
    assert entry["outcome"] == outcome


async def test_a_key_that_expires_closes_its_socket(gate):
    _, token = await gate.key(expires_at=now() + 3 * SECOND)
    async with await open_socket(gate, key=token) as socket:
        assert (await socket.closed())[0] == 1008


async def test_a_key_that_is_given_more_time_goes_on(gate):
    key, token = await gate.key(expires_at=now() + 3 * SECOND)
    async with await open_socket(gate, key=token) as socket:
        await gate.application.accounts.keys.update(key.id, expires_at=now() + 3600 * SECOND)
        await asyncio.sleep(3.2)
        await socket.send("Hello")
        assert (await socket.answer())[1] == "<|end|>"


async def test_rights_that_are_taken_away_are_gone_with_the_next_message(gate):
    key, token = await gate.key()
    async with await open_socket(gate, key=token) as asking, await open_responses(gate, key=token) as responses:
        await gate.application.accounts.keys.update(key.id, doors=["ask"])
        await asking.send("Hello")
        assert (await asking.answer())[1].startswith("<|err|>$This key is not for WebSocket.")
        await responses.send(create())
        assert (await responses.event())["error"]["code"] == "door_not_allowed"
    assert gate.wire.sent == b""


def long_answer():
    """An upstream whose every answer is a megabyte and a half of text."""
    events = [{"choices": [{"index": 0, "delta": {"content": "x" * HALF_A_MEGABYTE}}]}] * 3
    end = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
    data = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in [*events, end])
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
    body = data + b"data: [DONE]\n\n"
    return Scripted().running(reply(head % len(body) + body))


async def stalled(gate):
    """Until the one socket is closed for it; how much was kept for its client at most."""
    (one,) = [each for each in gate.server.server_state.connections if hasattr(each, "close_sent")]
    most = 0
    async with asyncio.timeout(SECONDS):
        while not one.close_sent:
            most = max(most, one.transport.get_write_buffer_size())
            await asyncio.sleep(0.002)
    return most


async def test_a_reader_that_does_not_read_is_closed(open_gate):
    """The server keeps no more for it than one event beyond its transport's buffer; the bill is exact all the same."""
    gate = await open_gate(websocket_stall_seconds=0.3)
    gate.simulator.script({"event_bytes": HALF_A_MEGABYTE, "times": 40})
    socket = await open_responses(gate)
    socket.connection.transport.pause_reading()
    for _ in range(30):
        await socket.send(create())
    assert await stalled(gate) < 2 * HALF_A_MEGABYTE
    socket.connection.transport.resume_reading()
    assert (await socket.closed())[0] == 1013
    await gate.check_books(at_most=True)


async def test_a_conversation_goes_on_without_a_reader_that_does_not_read(open_gate):
    async with long_answer() as upstream:
        gate = await open_gate(websocket_stall_seconds=0.3, environ={"OPENAI_BASE_URL": upstream.base_url})
        socket = await open_socket(gate)
        socket.connection.transport.pause_reading()
        for _ in range(12):
            await socket.send("Hello")
        await stalled(gate)
        socket.connection.transport.resume_reading()
        assert (await socket.closed())[0] == 1013
        talks = gate.application.talks
        (newest, *_) = (await talks.rooms(LOCAL_PRINCIPAL)).rooms
        history = await talks.history(LOCAL_PRINCIPAL, newest.id)
        answered = await talks.result(LOCAL_PRINCIPAL, history.messages[-1].run_id)
        assert len(answered.text) == 3 * HALF_A_MEGABYTE


async def test_who_never_reads_again_is_cut_off(open_gate):
    gate = await open_gate(websocket_stall_seconds=0.1)
    gate.simulator.script({"event_bytes": 16 * HALF_A_MEGABYTE, "times": 3})
    socket = await open_responses(gate)
    socket.connection.transport.pause_reading()
    await socket.send(create())
    await serving(gate, 0)
    await socket.drop()


@pytest.mark.parametrize("open_one", [open_socket, open_responses])
async def test_an_idle_socket_is_closed(open_gate, open_one):
    gate = await open_gate(websocket_idle_seconds=1)
    socket = await open_one(gate)
    assert (await socket.closed())[0] == 1001


async def test_a_socket_that_is_answered_is_not_idle(open_gate):
    gate = await open_gate(websocket_idle_seconds=3)
    gate.simulator.script({"gate": True, "answer": "late"})
    async with await open_socket(gate) as socket:
        await socket.send("Hello")
        await asyncio.sleep(3.3)
        await gate.simulator.step(1000)
        assert await socket.answer() == ("late", "<|end|>")
        assert (await socket.closed())[0] == 1001


async def test_the_time_limit_of_the_responses_mode(open_gate):
    gate = await open_gate(websocket_session_seconds=3)
    gate.simulator.script({"gate": True, "answer": "late"})
    socket = await open_responses(gate)
    await socket.send(create())
    await asyncio.sleep(3.2)
    await socket.send(create(stream_id="too-late"))
    refused = (await socket.events())[-1]
    assert (refused["stream_id"], refused["error"]["code"]) == ("too-late", "websocket_connection_limit_reached")
    await gate.simulator.step(1000)
    assert (await socket.events())[-1]["type"] == "response.completed"
    event = await socket.event()
    assert (event["status"], event["error"]["code"]) == (400, "websocket_connection_limit_reached")
    assert (await socket.closed())[0] == 1001


@pytest.mark.parametrize("open_one", [open_socket, open_responses])
async def test_idle_sockets_are_told_that_the_server_restarts(gate, open_one):
    sockets = [await open_one(gate) for _ in range(3)]
    began = time.monotonic()
    gate.server.should_exit = True
    assert [(await socket.closed())[0] for socket in sockets] == [1012, 1012, 1012]
    await serving(gate, 0)
    assert time.monotonic() - began < SECONDS


async def test_what_is_under_way_at_the_server_s_end_is_finished_first(gate):
    gate.simulator.script({"gate": True, "answer": "one two"}, {"gate": True, "answer": "one two"})
    asking, responses = await open_socket(gate), await open_responses(gate)
    await asking.send("<|ask|>$c$Hello")
    await responses.send(create())
    async with asyncio.timeout(SECONDS):
        while len(gate.simulator.bill.rows) < 2:
            await asyncio.sleep(0.005)
    gate.server.should_exit = True
    ending = asyncio.create_task(gate.application.end_runs(SECONDS))
    await gate.simulator.step(1000)
    assert await asking.answer() == ("one two", "<|end|>")
    assert (await responses.events())[-1]["type"] == "response.completed"
    assert [(await socket.closed())[0] for socket in (asking, responses)] == [1012, 1012]
    await ending
    await gate.check_books()


async def test_what_is_not_finished_in_time_says_so(gate):
    gate.simulator.script({"gate": True, "answer": "one two three"}, {"gate": True, "answer": "one two three"})
    asking, responses = await open_socket(gate), await open_responses(gate)
    await asking.send("<|ask|>$c$Hello")
    await responses.send(create())
    async with asyncio.timeout(SECONDS):
        while len(gate.simulator.bill.rows) < 2:
            await asyncio.sleep(0.005)
    await gate.simulator.step(6)
    await asking.frame()
    await responses.events("response.output_text.delta")
    gate.server.should_exit = True
    await gate.application.end_runs(0)
    assert "interrupted" in (await asking.until("<|err|>$"))[-1]
    end = (await responses.events())[-1]
    assert (end["type"], end["status"], end["error"]["code"]) == ("error", 503, "shutting_down")
    assert [(await socket.closed())[0] for socket in (asking, responses)] == [1012, 1012]
    ledger = await gate.check_books(at_most=True)
    assert {entry["outcome"] for entry in ledger.values()} == {"interrupted"}


async def test_a_question_that_comes_too_late_continues_after_the_restart(gate):
    async with await open_socket(gate) as socket:
        await gate.application.runs.close()
        await socket.send("<|ask|>$c$Hello")
        _, end = await socket.answer()
    assert "continues after restart" in end
    assert gate.wire.sent == b""
