"""OpenAI's Responses WebSocket mode: with the official SDK, and event by event."""

import asyncio
import json

import pytest
from openai import AsyncOpenAI

from support.sockets import SECONDS, open_responses, open_socket
from support.upstreams import Scripted, reply


def create(text="hello", **members):
    return {"type": "response.create", "model": "sim-fast", "input": text, **members}


def text_of(events):
    return "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")


def only(gate):
    """The rows of the simulator's bill."""
    return gate.simulator.bill.rows


async def begun(gate, rows=1):
    async with asyncio.timeout(SECONDS):
        while len(only(gate)) < rows:
            await asyncio.sleep(0.005)


@pytest.fixture
async def client(gate):
    async with AsyncOpenAI(base_url=gate.base_url, api_key="any", max_retries=0) as made:
        yield made


async def test_the_official_sdk_holds_a_conversation(gate, client):
    gate.simulator.script({"answer": "one two"}, {"answer": "three"})
    async with client.responses.connect() as connection, asyncio.timeout(SECONDS):
        response = None
        for question in ("first", "second"):
            more = {} if response is None else {"previous_response_id": response.id}
            await connection.response.create(model="sim-fast", input=question, **more)
            numbers = []
            async for event in connection:
                numbers.append(event.sequence_number)
                if event.type == "response.completed":
                    response = event.response
                    break
            assert numbers == list(range(len(numbers)))
    assert response.output_text == "three"
    entries = list((await gate.check_books()).values())
    assert [entry["surface"] for entry in entries] == ["websocket", "websocket"]
    assert [entry["endpoint"] for entry in entries] == ["responses", "responses"]
    assert entries[1]["prompt_tokens"] == response.usage.input_tokens
    asked = json.loads(gate.asked.body)
    assert asked["input"] == "second"
    assert asked["previous_response_id"].startswith("resp_")


async def test_the_sdk_reads_an_error(gate, client):
    async with client.responses.connect() as connection, asyncio.timeout(SECONDS):
        await connection.response.create(input="hello")
        event = await connection.recv()
    assert (event.type, event.status, event.error.code) == ("error", 400, "missing_required_parameter")
    assert gate.wire.sent == b""


async def test_every_field_goes_on_and_every_event_comes_back_as_it_was(gate):
    async with await open_responses(gate, openai_beta="something=1") as socket:
        await socket.send(
            '{"type":"response.create","model":"sim-fast","text":{"verbosity":  "low"},"input":"h\\u00e9","metadata":{"a":"b"}}'
        )
        await socket.events()
    assert gate.asked.first == "POST /v1/responses HTTP/1.1"
    assert (
        gate.asked.body
        == b'{"model":"sim-fast","text":{"verbosity":  "low"},"input":"h\\u00e9","metadata":{"a":"b"},"stream":true}'
    )
    assert gate.asked.header("openai-beta") == "something=1"
    assert gate.asked.header("sec-websocket-key") is None
    data = [line[6:] for line in gate.answered.body.decode().splitlines() if line.startswith("data: ")]
    assert socket.frames == [one for one in data if one != "[DONE]"]
    (entry,) = (await gate.ledger()).values()
    assert json.loads(entry["metadata"]) == {"a": "b"}


async def test_the_mode_is_on_the_sockets_port_too(gate):
    async with await open_responses(gate, beside=True) as socket:
        await socket.send(create())
        assert (await socket.events())[-1]["type"] == "response.completed"


async def test_lanes_go_on_beside_each_other_and_each_in_its_order(gate):
    gate.simulator.script({"answer": "slow", "gate": True}, {"answer": "quick"}, {"answer": "after"})
    async with await open_responses(gate) as socket:
        await socket.send(create("1", stream_id="a"))
        await begun(gate)
        await socket.send(create("2", stream_id="a"))
        await socket.send(create("3"))
        events = await socket.events()
        assert text_of(events) == "quick"
        assert not any("stream_id" in event for event in events)
        await gate.simulator.step(1000)
        first, second = await socket.events(), await socket.events()
    assert (text_of(first), text_of(second)) == ("slow", "after")
    assert {event["stream_id"] for event in first + second} == {"a"}
    await gate.check_books()


@pytest.mark.parametrize("named", [True, False])
async def test_a_response_is_cancelled(gate, named):
    gate.simulator.script({"answer": "one two three four", "gate": True})
    async with await open_responses(gate) as socket:
        await socket.send(create(stream_id="a"))
        await gate.simulator.step(6, wait=SECONDS)
        seen = await socket.events("response.output_text.delta")
        id_ = seen[0]["response"]["id"]
        await socket.send({"type": "response.cancel", **({"response_id": id_} if named else {})})
        events = seen + await socket.events()
        end = events[-1]
        assert (end["type"], end["stream_id"]) == ("response.incomplete", "a")
        assert (end["response"]["id"], end["response"]["status"]) == (id_, "cancelled")
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        await socket.send(create())
        assert (await socket.events())[-1]["type"] == "response.completed"
    entries = list((await gate.check_books(at_most=True)).values())
    assert (entries[0]["outcome"], entries[0]["provenance"]) == ("stopped", "counted")


async def test_a_response_is_cancelled_before_its_first_byte_and_before_its_turn(gate):
    gate.simulator.script({"delay": 60})
    async with await open_responses(gate) as socket:
        await socket.send(create("1"))
        await begun(gate)
        await socket.send(create("2"))
        await socket.send({"type": "response.cancel"})
        ends = [(await socket.events())[-1] for _ in range(2)]
    assert [end["response"]["status"] for end in ends] == ["cancelled", "cancelled"]
    (entry,) = (await gate.check_books(unknown=True)).values()
    assert entry["outcome"] == "stopped"


async def test_there_must_be_something_to_cancel(gate):
    async with await open_responses(gate) as socket:
        await socket.send({"type": "response.cancel", "response_id": "resp_1"})
        event = await socket.event()
    assert (event["type"], event["status"], event["error"]["code"]) == ("error", 404, "response_not_found")


async def test_what_a_lost_socket_has_interrupted_is_gone_on_from(gate):
    """The rest is read for the bill, the provider keeps it, and the next request waits for it."""
    gate.simulator.script({"answer": "one two three", "gate": True}, {"answer": "four"})
    socket = await open_responses(gate)
    await socket.send(create("first"))
    await gate.simulator.step(6, wait=SECONDS)
    id_ = (await socket.event())["response"]["id"]
    await socket.drop()
    async with await open_responses(gate) as socket:
        await socket.send(create("second", previous_response_id=id_))
        await gate.simulator.step(1000)
        events = await socket.events()
    assert text_of(events) == "four"
    entries = list((await gate.check_books()).values())
    assert [entry["provenance"] for entry in entries] == ["drained", "reported"]
    assert entries[1]["prompt_tokens"] > entries[0]["prompt_tokens"] + 3


async def test_a_response_that_nobody_keeps_is_gone_on_from_on_its_socket_alone(gate):
    gate.simulator.script({"answer": "It is five."}, {"answer": "Six."}, {"answer": "Seven."})
    async with await open_responses(gate) as socket:
        id_, said = None, []
        for question in ("one", "two", "three"):
            await socket.send(create(question, store=False, **({"previous_response_id": id_} if id_ else {})))
            events = await socket.events()
            said.append(text_of(events))
            id_ = events[-1]["response"]["id"]
    assert said == ["It is five.", "Six.", "Seven."]
    asked = json.loads(gate.asked.body)
    assert "previous_response_id" not in asked
    texts = [
        item["content"] if isinstance(item["content"], str) else item["content"][0]["text"] for item in asked["input"]
    ]
    assert texts == ["one", "It is five.", "two", "Six.", "three"]
    async with await open_responses(gate) as socket:
        await socket.send(create("four", previous_response_id=id_))
        event = await socket.event()
    assert (event["type"], event["error"]["code"]) == ("error", "previous_response_not_found")
    await gate.check_books()


async def test_without_generating_nothing_is_asked_of_anybody(gate):
    gate.simulator.script({"answer": "fine"})
    async with await open_responses(gate) as socket:
        await socket.send(create("remember this", generate=False))
        events = await socket.events()
        assert [event["type"] for event in events] == ["response.created", "response.completed"]
        assert gate.wire.sent == b""
        await socket.send(create("go on", previous_response_id=events[-1]["response"]["id"]))
        assert text_of(await socket.events()) == "fine"
    assert [item["content"] for item in json.loads(gate.asked.body)["input"]] == ["remember this", "go on"]


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ("hello", 400, "invalid_json"),
        ({"type": "session.update"}, 400, "unknown_event"),
        ({"type": "response.create"}, 400, "missing_required_parameter"),
        (create(model=["a"]), 400, "invalid_type"),
        (create(background=True), 400, "invalid_type"),
        (create(previous_response_id="resp_unknown"), 400, "previous_response_not_found"),
        (create(model="sim-fault-401"), 401, None),
        (create(model="sim-fault-429"), 429, "rate_limit_exceeded"),
        (create(model="sim-fault-refuse"), 502, "upstream_broke"),
    ],
    ids=str,
)
async def test_an_error_is_an_event_and_the_socket_goes_on(gate, message, status, code):
    async with await open_responses(gate) as socket:
        await socket.send(message)
        event = await socket.event()
        assert (event["type"], event["status"]) == ("error", status)
        assert event["error"]["message"]
        assert code is None or event["error"]["code"] == code
        await socket.send(create())
        assert (await socket.events())[-1]["type"] == "response.completed"
    await gate.check_books(unknown=True)


@pytest.mark.parametrize("fault", ["cut-900", "no-done", "malformed", "error-in-200"])
async def test_a_stream_that_breaks_off_says_so_with_its_next_number(gate, fault):
    gate.simulator.script({"fault": fault})
    async with await open_responses(gate) as socket:
        await socket.send(create())
        events = await socket.events()
        assert events[-1]["type"] == "error"
        assert events[-1]["sequence_number"] == events[-2]["sequence_number"] + 1
        await socket.send(create())
        assert (await socket.events())[-1]["type"] == "response.completed"
    await gate.check_books()


async def test_lanes_and_responses_are_limited(gate):
    gate.simulator.script({"gate": True})
    async with await open_responses(gate) as socket:
        for number in range(32):
            await socket.send({"type": "response.create", "stream_id": f"lane{number}"})
            await socket.events()
        await socket.send({"type": "response.create", "stream_id": "one-more"})
        assert (await socket.event())["error"]["code"] == "websocket_stream_limit_reached"
        for _ in range(65):
            await socket.send(create())
        event = await socket.event()
        assert event["error"]["code"] == "websocket_response_limit_reached"
        await begun(gate)
        await socket.drop()
    await gate.simulator.step(1000)
    assert len(await gate.check_books()) == 1


async def test_steering_is_refused_as_documented(gate):
    async with await open_responses(gate) as socket:
        await socket.send({"type": "response.steer", "previous_response_id": "resp_1", "input": "no"})
        event = await socket.event()
    assert (event["type"], event["error"]["code"]) == ("response.steer.failed", "steering_not_supported")
    assert event["steer"] == {"previous_response_id": "resp_1", "input": "no"}


@pytest.mark.parametrize(
    ("status", "body", "kind", "about"),
    [
        (200, {"id": "resp_1", "status": "completed", "output": []}, "response.completed", "resp_1"),
        (200, {"id": "resp_1", "status": "failed"}, "response.failed", "resp_1"),
        (200, ["no", "object"], "error", "upstream_unreadable"),
        (404, {"detail": "no such thing"}, "error", None),
        (404, {"error": "no such thing"}, "error", None),
    ],
)
async def test_an_answer_in_one_piece_is_told_as_an_event(gate, status, body, kind, about):
    raw = json.dumps(body).encode()
    head = b"HTTP/1.1 %d OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(raw))
    async with Scripted().running(reply(head + raw)) as upstream:
        await gate.application.accounts.providers.add("Plain", upstream.base_url, "sk-plain")
        async with await open_responses(gate) as socket:
            await socket.send(create(model="Plain/m", stream_id="a"))
            (event,) = await socket.events()
    assert (event["type"], event["stream_id"]) == (kind, "a")
    if kind == "error":
        assert event["error"].get("code") == about
        assert about or "no such thing" in event["error"]["message"]
    else:
        assert event["response"]["id"] == about


async def test_nobody_goes_on_from_another_s_response(gate):
    user = await gate.application.accounts.users.add("Bo")
    _, bo = await gate.key("bo", user=user.id)
    async with await open_responses(gate) as socket:
        await socket.send(create())
        id_ = (await socket.events())[-1]["response"]["id"]
    async with await open_responses(gate, key=bo) as socket:
        await socket.send(create(previous_response_id=id_))
        event = await socket.event()
    assert (event["status"], event["error"]["code"]) == (400, "previous_response_not_found")
    assert len(gate.wire.requests) == 1


async def test_models_that_a_key_may_not_use_are_refused(gate):
    _, token = await gate.key(models=["sim-smart"])
    async with await open_responses(gate, key=token) as socket:
        await socket.send(create())
        event = await socket.event()
    assert (event["status"], event["error"]["code"]) == (403, "model_not_allowed")


async def test_budgets_and_rates_of_a_key_hold(gate):
    _, token = await gate.key(rpm=1)
    async with await open_responses(gate, key=token) as socket:
        await socket.send(create())
        await socket.events()
        await socket.send(create())
        event = (await socket.events())[-1]
        assert (event["status"], event["error"]["code"]) == (429, "rate_limit_exceeded")
    await gate.budget("0.0000001 USD")
    async with await open_responses(gate) as socket:
        await socket.send(create())
        event = await socket.event()
    assert (event["status"], event["error"]["code"]) == (429, "insufficient_quota")


async def test_the_group_that_is_switched_off_is_not_there(open_gate):
    gate = await open_gate(gateway_endpoints="chat")
    with pytest.raises(Exception, match="404"):
        await open_responses(gate)
    async with await open_socket(gate) as socket:
        await socket.send("Hello")
        assert (await socket.answer())[1] == "<|end|>"
