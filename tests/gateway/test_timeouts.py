"""Time-outs of a provider's own: which call they end, what is said, and where the call goes next."""

import asyncio
import json
import socket

import pytest

from support.gate import chat
from talkmeter.accounts.routes import RouteTarget
from talkmeter.conversation.gateway import passing_on

LONG = 60  # seconds, for what must not run out


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(passing_on, "_pause", lambda _attempt: 0.0)


async def own(gate, **timeouts):
    """A provider with time-outs of its own at the gate's upstream."""
    return await gate.application.accounts.providers.add("Own", gate.wire.base_url, "sk-own", timeouts=timeouts)


def said(entry):
    return json.loads(entry["error"])["message"]


def told(event):
    """What an error event says of us."""
    return json.loads(event.removeprefix(b"data: "))["error"]["talkmeter"]["phase"]


async def step_until_ended(gate, call):
    """Lets the held answer go on, event by event."""
    while not call.done():
        await gate.simulator.step(100, wait=0.05)
        await asyncio.sleep(0.01)
    return await call


async def test_a_slow_first_token_is_past_a_short_limit(gate):
    await own(gate, headers=LONG, first_token=0.2, silence=LONG)
    gate.simulator.script({"gate": True})
    answer = await gate.call("chat/completions", chat(model="Own/sim-fast", stream=True))
    entry = await gate.last()
    assert entry["provider_name"] == "Own"
    assert "0.2 s" in said(entry)
    assert "(time-out: first token)" in said(entry)
    # The head had gone to the client: why there is nothing else it hears in the stream, which breaks off.
    assert answer.status == 200
    assert told(answer.body) == "first_token"
    assert answer.ended in ("fin", "rst")


async def test_a_slow_first_token_is_not_past_a_long_limit(open_gate):
    gate = await open_gate(upstream_first_token_seconds=0.2)
    await own(gate, first_token=LONG)
    gate.simulator.script({"gate": True})
    call = asyncio.create_task(gate.call("chat/completions", chat(model="Own/sim-fast", stream=True)))
    await asyncio.sleep(0.6)  # three times as long as others may take
    answer = await step_until_ended(gate, call)
    assert answer.status == 200
    assert b"[DONE]" in answer.body
    assert (await gate.last())["outcome"] == "finished"
    await gate.check_books()


async def test_the_setting_holds_for_a_provider_without_its_own(open_gate):
    gate = await open_gate(upstream_first_token_seconds=0.2)
    gate.simulator.script({"gate": True})
    await gate.call("chat/completions", chat(stream=True))
    assert "(time-out: first token)" in said(await gate.last())


async def test_silence_in_the_middle_is_named(gate):
    await own(gate, first_token=LONG, silence=0.2)
    gate.simulator.script({"fault": "hang-stream"})
    answer = await gate.call("chat/completions", chat(model="Own/sim-fast", stream=True))
    assert answer.body.startswith(gate.answered.body)
    assert told(answer.body.removeprefix(gate.answered.body)) == "silence"
    assert "(time-out: silence)" in said(await gate.last())


async def test_a_changed_time_out_holds_for_the_next_call(gate):
    provider = await own(gate, headers=0.2)
    gate.simulator.script({"delay": 0.8, "times": 2})
    answer = await gate.call("chat/completions", chat(model="Own/sim-fast"))
    assert (answer.status, answer.json()["error"]["talkmeter"]["phase"]) == (504, "headers")
    await gate.application.accounts.providers.change(provider.id, timeouts={"headers": LONG})
    assert (await gate.call("chat/completions", chat(model="Own/sim-fast"))).status == 200


async def test_after_the_headers_time_out_another_provider_answers(gate, impatient):
    first = await own(gate, headers=0.2)
    other = gate.application.accounts.providers.enabled()[0].id
    await gate.application.accounts.routes.add(
        "m", [RouteTarget(first.id, "sim-fast"), RouteTarget(other, "sim-fast")], 0
    )
    gate.simulator.script({"fault": "hang-headers"})
    assert (await gate.call("chat/completions", chat(model="m"))).status == 200
    silent, answered = (await gate.ledger()).values()
    assert (silent["provider_name"], silent["attempt"], answered["attempt"]) == ("Own", 1, 2)
    assert "(time-out: headers)" in said(silent)
    assert answered["outcome"] == "finished"


@pytest.mark.parametrize("streamed", [True, False])
async def test_after_the_first_token_time_out_another_provider_answers(gate, impatient, streamed):
    """The client has seen nothing yet: the head of an answer that another can follow waits for its body."""
    first = await own(gate, headers=LONG, first_token=0.2, silence=LONG)
    other = gate.application.accounts.providers.enabled()[0].id
    await gate.application.accounts.routes.add(
        "m", [RouteTarget(first.id, "sim-fast"), RouteTarget(other, "sim-fast")], 0
    )
    gate.simulator.script({"gate": True} if streamed else {"fault": "cut-0"})
    answer = await gate.call("chat/completions", chat(model="m", stream=streamed))
    assert (answer.status, answer.ended) == (200, "complete")
    assert not streamed or answer.body.endswith(b"data: [DONE]\n\n")
    silent, answered = (await gate.ledger()).values()
    assert (silent["provider_name"], silent["attempt"], silent["outcome"]) == ("Own", 1, "failed")
    assert not streamed or "(time-out: first token)" in said(silent)
    assert (answered["attempt"], answered["outcome"]) == (2, "finished")
    assert answer.headers["x-talkmeter-call-id"] == answered["id"]
    await gate.check_books()


async def test_the_last_target_has_no_other_to_wait_for(gate, impatient):
    """Its head goes on at once, as without a route."""
    first = await own(gate, headers=LONG, first_token=LONG, silence=LONG)
    await gate.application.accounts.routes.add("m", [RouteTarget(first.id, "sim-fast")], 0)
    gate.simulator.script({"gate": True})
    connection = await gate.open("chat/completions", chat(model="m", stream=True))
    assert (await connection.head()).status == 200
    call = asyncio.create_task(connection.rest())
    assert (await step_until_ended(gate, call)).ended == "complete"
    await connection.close()
    await gate.check_books()


async def test_connecting_has_its_own_limit(gate):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]  # nobody accepts: the queue is full, and the next is not heard
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        providers = gate.application.accounts.providers
        await providers.add("Deaf", f"http://127.0.0.1:{port}/v1", "sk-x", timeouts={"connect": 0.2})
        answer = await gate.call("chat/completions", chat(model="Deaf/sim-fast"))
        for one in waiting:
            one.close()
    assert answer.status == 502
    error = answer.json()["error"]
    assert (error["code"], error["talkmeter"]["phase"]) == ("upstream_not_reached", "connect")
    assert "the limit is 0.2 s (time-out: connect)" in said(await gate.last())
