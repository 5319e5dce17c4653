"""The contract at the WebSocket door: the dialects and the Responses mode × every fault × a client that stays, or goes at
every event, with either policy. One settled entry for every request that the upstream saw, and the sum is its bill.
"""

import asyncio
import contextlib
import json

import pytest

from support.gate import ENDED_SECONDS, gate_open
from support.sockets import open_responses, open_socket
from talkmeter.simulator.faults import fault_names

NEVER_ENDS = "endless"
IMPATIENT = {"upstream_header_seconds": 3, "upstream_silence_seconds": 3}
ANSWER = "one two three four"
OPEN = {"dialect": open_socket, "responses": open_responses}


def asked(mode):
    if mode == "dialect":
        return "<|ask|>$c$new$Hello"
    return json.dumps({"type": "response.create", "model": "sim-fast", "input": "Hello"})


async def ended(socket, mode):
    await (socket.answer() if mode == "dialect" else socket.events())


@pytest.mark.parametrize("mode", OPEN)
async def test_every_fault_while_the_client_stays(tmp_path, mode, monkeypatch):
    monkeypatch.setattr("talkmeter.surfaces.websocket.asking.PAUSES", (0.0, 0.0))
    async with gate_open(tmp_path, **IMPATIENT) as gate:
        faults = [fault for fault in fault_names() if fault != NEVER_ENDS]
        for fault in faults:
            gate.simulator.script({"fault": fault, "line_bytes": 200_000})
            async with await OPEN[mode](gate) as socket:
                await socket.send(asked(mode))
                await ended(socket, mode)
        met = {row.fault for row in gate.simulator.bill.rows}
        assert all(fault in met or fault.rpartition("-")[0] in met for fault in faults)
        ledger = await gate.check_books(unknown=True)
        assert {entry["surface"] for entry in ledger.values()} == {"websocket"}
        unknown = {id_ for id_, entry in ledger.items() if entry["provenance"] == "unknown"}
        without_need = {row.fault for row in gate.simulator.bill.rows if row.client_request_id in unknown}
        assert without_need <= {"refuse", "hang-headers"}, f"unknown without need: {without_need}"


async def test_an_answer_without_an_end_is_given_up(tmp_path):
    """In a conversation: after `upstream_total_seconds`. What was on the way then can be on the bill alone."""
    async with gate_open(tmp_path, upstream_total_seconds=2) as gate:
        gate.simulator.script({"fault": NEVER_ENDS})
        async with await open_socket(gate) as socket:
            await socket.send(asked("dialect"))
            text, end = await socket.answer()
        assert text
        assert end == "<|err|>", "and it is not asked again: a word of it was told"
        (entry,) = (await gate.check_books(at_most=True)).values()
        assert (entry["outcome"], entry["provenance"]) == ("failed", "counted")


@pytest.mark.parametrize("how", ["cancels", "leaves"])
async def test_a_program_ends_a_response_without_an_end(tmp_path, how):
    """By `response.cancel` at once; who just leaves has it read on for as long as the gateway does that for anybody."""
    async with gate_open(tmp_path, gateway_drain_seconds=1) as gate:
        gate.simulator.script({"fault": NEVER_ENDS})
        async with await open_responses(gate) as socket:
            await socket.send(asked("responses"))
            while (await socket.event())["type"] != "response.output_text.delta":
                pass
            if how == "cancels":
                await socket.send({"type": "response.cancel"})
                end = (await socket.events())[-1]
                assert (end["type"], end["response"]["status"]) == ("response.incomplete", "cancelled")
            else:
                await socket.drop()
        (entry,) = (await gate.check_books(at_most=True)).values()
        assert (entry["outcome"], entry["provenance"]) == ("stopped", "counted")
        assert entry["completion_tokens"] > 0


async def events_of(tmp_path, mode):
    """How many events the upstream's answer has."""
    (tmp_path / "counting").mkdir()
    async with gate_open(tmp_path / "counting") as gate:
        gate.simulator.script({"gate": True, "answer": ANSWER})
        async with await OPEN[mode](gate) as socket:
            await socket.send(asked(mode))
            count = 0
            while not (await gate.simulator.step(1, wait=ENDED_SECONDS))[0]["ended"]:
                count += 1
            await ended(socket, mode)
        return count + 1


@pytest.mark.parametrize(("mode", "policy"), [("dialect", "drain"), ("responses", "drain"), ("responses", "cut")])
async def test_the_client_goes_at_every_event(tmp_path, mode, policy):
    """A conversation's answer is made to its end, whoever listens; a program's is drained or cut as its key says."""
    events = await events_of(tmp_path, mode)
    async with gate_open(tmp_path) as gate:
        _, token = await gate.key(disconnect=policy)
        for point in range(events + 1):
            gate.simulator.script({"gate": True, "answer": ANSWER})
            socket = await OPEN[mode](gate, key=token)
            await socket.send(asked(mode))
            (released,) = await gate.simulator.step(point, wait=ENDED_SECONDS)
            assert released["ended"] == (point == events)
            await socket.drop()
            await nobody_listens(gate)
            with contextlib.suppress(Exception):
                await gate.simulator.step(1000, wait=0.05)
            entry = list((await gate.ledger()).values())[-1]
            if policy == "drain":
                assert entry["outcome"] == "finished", (point, entry)
                assert entry["provenance"] in ("reported", "drained"), (point, entry)
        exact = policy == "drain"
        await gate.check_books(unknown=not exact, at_most=not exact)


async def nobody_listens(gate):
    """Once the server has noticed that the socket is lost."""
    gateway = gate.application.gateway
    async with asyncio.timeout(ENDED_SECONDS):
        while gate.server.server_state.connections or any(not passage.left for passage in gateway._passages):
            await asyncio.sleep(0.002)


async def test_the_same_question_by_socket_and_by_http_has_the_same_figures(tmp_path):
    async with gate_open(tmp_path) as gate:
        gate.simulator.script({"answer": ANSWER, "times": 2})
        body = {"model": "sim-fast", "input": "Hello"}
        async with await open_responses(gate) as socket:
            await socket.send({"type": "response.create", **body})
            await socket.events()
        await gate.call("responses", {**body, "stream": True})
        one, two = (await gate.check_books()).values()
        assert (one["surface"], two["surface"]) == ("websocket", "openai")
        figures = ("prompt_tokens", "completion_tokens", "cost_picodollars", "model_served")
        assert [one[name] for name in figures] == [two[name] for name in figures]
