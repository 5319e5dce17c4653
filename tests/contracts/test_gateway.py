"""The contract at the gateway: every endpoint × every fault × a client that stays, or goes at any moment, with either
policy. One settled entry for every request that the upstream saw, and the sum is the simulator's bill.
"""

import asyncio
import contextlib
import json

import pytest

from support.gate import ENDED_SECONDS, gate_open
from support.gateway_requests import REQUESTS, STREAMED
from talkmeter.simulator.faults import fault_names

NEVER_ENDS = "endless"
# What nobody but the provider knows, and it does not say: pictures by tokens and sound heard, unless usage tells.
UNKNOWABLE = ("images", "images-classic", "images-stream", "edits", "transcription", "transcription-stream", "transcription-seconds",
              "translation", "speech-stream")  # fmt: skip
IMPATIENT = {"upstream_header_seconds": 3, "upstream_silence_seconds": 3}  # room for a busy machine


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
async def test_every_fault_while_the_client_stays(tmp_path, request_):
    """All faults at once on one gate, compared call by call."""
    async with gate_open(tmp_path, **IMPATIENT) as gate:

        async def meet(fault):
            wish = {"fault": fault, "line_bytes": 200_000}
            answer = await gate.call(request_.path, request_.body, X_Simulate=json.dumps(wish), **request_.headers)
            assert answer.status, f"{fault}: no answer came"
            assert answer.status != 500 or fault == "500", f"{fault}: {answer.body[:300]}"

        faults = [fault for fault in fault_names() if fault != NEVER_ENDS]
        await asyncio.gather(*[meet(fault) for fault in faults])
        met = {row.fault for row in gate.simulator.bill.rows}
        assert len(gate.simulator.bill.rows) == len(faults)
        assert all(fault in met or fault.rpartition("-")[0] in met for fault in faults)
        may = request_.name in UNKNOWABLE
        ledger = await gate.check_books(unknown=True, at_most=may)
        unknown = {id_ for id_, entry in ledger.items() if entry["provenance"] == "unknown"}
        without_need = {row.fault for row in gate.simulator.bill.rows if row.client_request_id in unknown}
        assert may or without_need <= {"refuse", "hang-headers"}, f"unknown without need: {without_need}"


POINTS = (0, 1, "half", "last")


async def events_of(tmp_path, request):
    """How many events its answer has."""
    (tmp_path / "counting").mkdir()
    async with gate_open(tmp_path / "counting") as gate:
        gate.simulator.script({"gate": True})
        connection = await gate.open(request.path, request.body, Content_Type=request.kind)
        count = 0
        while not (await gate.simulator.step(1))[0]["ended"]:
            count += 1
        await connection.rest()
        await connection.close()
        return count + 1


@pytest.mark.parametrize("policy", ["drain", "cut"])
@pytest.mark.parametrize("request_", STREAMED, ids=str)
async def test_the_client_goes_at_every_point(tmp_path, request_, policy):
    """With drain the bill is exact; with cut it is what had been written, or at most that."""
    events = await events_of(tmp_path, request_)
    async with gate_open(tmp_path) as gate:
        _, token = await gate.key(disconnect=policy)
        for point in POINTS:
            steps = {"half": events // 2, "last": events}.get(point, point)
            gate.simulator.script({"gate": True})
            connection = await gate.open(request_.path, request_.body, key=token, Content_Type=request_.kind)
            (released,) = await gate.simulator.step(steps, wait=ENDED_SECONDS)
            assert released["ended"] == (steps == events)
            if steps:
                await connection.head()
                await read_until(connection, gate)
            await connection.close()
            await client_is_gone(gate)
            with contextlib.suppress(Exception):
                await gate.simulator.step(1000, wait=0.05)
            ledger = await gate.ledger()
            entry = list(ledger.values())[-1]
            if policy == "drain":
                assert entry["provenance"] in ("reported", "drained"), (point, entry)
                assert entry["outcome"] == "finished", (point, entry)
        exact = policy == "drain"
        await gate.check_books(unknown=not exact, at_most=not exact)


async def read_until(connection, gate):
    """What the upstream has written has come, as far as it goes on at once: half an event is never waited for."""
    written = gate.simulator.bill.rows[-1].sent_bytes
    got = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0.2):
            while got < written:
                data = await connection.chunk()
                if not data:
                    return
                got += len(data)


async def client_is_gone(gate):
    """Once the gateway has heard of it: nobody watches this client any more, or its answer is drained."""
    gateway = gate.application.gateway
    async with asyncio.timeout(ENDED_SECONDS):
        while any(not passage.left for passage in gateway._passages):
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("policy", ["drain", "cut"])
@pytest.mark.parametrize("request_", [one for one in REQUESTS if not one.streamed], ids=str)
async def test_the_client_goes_before_a_whole_answer(tmp_path, request_, policy):
    async with gate_open(tmp_path) as gate:
        _, token = await gate.key(disconnect=policy)
        gate.simulator.script({"delay": 0.3 if policy == "drain" else 60})  # one that is cut has no answer
        connection = await gate.open(request_.path, request_.body, key=token, Content_Type=request_.kind)
        async with asyncio.timeout(ENDED_SECONDS):
            while not gate.simulator.bill.rows:
                await asyncio.sleep(0.002)
        await connection.close()
        (entry,) = (await gate.check_books(unknown=policy == "cut" or request_.name == "translation")).values()
        if policy == "cut":
            assert (entry["outcome"], entry["provenance"]) == ("stopped", "unknown")
        else:
            assert entry["outcome"] == "finished"


@pytest.mark.parametrize("request_", [one for one in STREAMED if "unasked" not in one.name], ids=str)
async def test_an_answer_that_never_ends_is_drained_only_for_so_long(tmp_path, request_):
    async with gate_open(tmp_path, gateway_drain_seconds=0.4) as gate:
        gate.simulator.script({"fault": NEVER_ENDS})
        connection = await gate.open(request_.path, request_.body, Content_Type=request_.kind)
        await connection.head()
        if not gate.wire.answers or "images" in request_.name or "speech" in request_.name:
            await connection.close()  # these end all the same
            await gate.check_books(unknown=True, at_most=True)
            return
        await connection.close()
        ledger = await gate.check_books(unknown=True, at_most=True)
        assert {entry["state"] for entry in ledger.values()} == {"settled"}


async def test_no_more_are_drained_than_allowed(tmp_path):
    request = STREAMED[0]
    async with gate_open(tmp_path, gateway_drain_calls=1) as gate:
        gate.simulator.script({"gate": True, "times": 2})
        connections = [await gate.open(request.path, request.body) for _ in range(2)]
        await gate.simulator.step(3)
        async with asyncio.timeout(ENDED_SECONDS):
            while len(gate.simulator.bill.rows) < 2:
                await asyncio.sleep(0.002)
        await gate.simulator.step(3)
        for connection in connections:
            await connection.head()
        for connection in connections:
            await connection.close()
        await client_is_gone(gate)
        await gate.simulator.step(1000)
        ledger = await gate.check_books(at_most=True)
        assert sorted(entry["provenance"] for entry in ledger.values()) == ["counted", "drained"]


async def test_no_dearer_ones_are_drained_than_allowed(tmp_path):
    request = STREAMED[0]
    async with gate_open(tmp_path, gateway_drain_dollars=0.0000001) as gate:
        await gate.budget("5 USD")
        gate.simulator.script({"gate": True})
        connection = await gate.open(request.path, request.body)
        await gate.simulator.step(3)
        await connection.head()
        await connection.close()
        await client_is_gone(gate)
        (entry,) = (await gate.check_books(at_most=True)).values()
        assert (entry["outcome"], entry["provenance"]) == ("stopped", "counted")
        assert gate.counters() == [(entry["cost_picodollars"], 0)]


@pytest.mark.parametrize("seconds", [0, 60])
async def test_the_gateway_ends_in_the_middle(tmp_path, seconds):
    """SIGTERM: what is under way gets its grace, then is cut and settled."""
    request = STREAMED[0]
    async with gate_open(tmp_path) as gate:
        gate.simulator.script({"gate": True})
        connection = await gate.open(request.path, request.body)
        await gate.simulator.step(4)
        await connection.head()
        ending = asyncio.create_task(gate.application.end_runs(seconds))
        if seconds:
            await gate.simulator.step(1000)
        await ending
        answer = await connection.rest()
        assert answer.ended == ("complete" if seconds else "fin")
        await connection.close()
        (entry,) = (await gate.check_books(at_most=True)).values()
        assert entry["outcome"] == ("finished" if seconds else "interrupted")
