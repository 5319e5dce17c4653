"""The contract at the ask door: every fault, told whole and as events; a client that goes at each event; an answer that is
stopped, and a server that is killed, in the middle. One settled entry for each request that the upstream saw, and the
sum is the simulator's bill.
"""

import asyncio
import contextlib
import json

import pytest

from support import books
from support.asking import EVENTS, Asker, events_of, told
from support.gate import ENDED_SECONDS, gate_open
from support.processes import start_server, start_simulator
from support.raw_http import RawConnection, exchange
from talkmeter.simulator.faults import fault_names

TEXT = "하나 둘 셋 네 다섯"
QUESTION = f"say: {TEXT}"
STEPS = 9  # of the simulator's stream for TEXT: role, five pieces of text, finish, usage, [DONE]
IMPATIENT = {"upstream_header_seconds": 3, "upstream_silence_seconds": 3}
ENDLESS = {"upstream_total_seconds": 2}
COMPLETE = {"split-utf8", "no-usage", "zero-usage", "usage-twice", "no-done", "one-byte", "negative-usage", "crlf"}
WE_LEAVE = {"endless", "long-line"}  # what was on the way when we gave up can be on the bill alone
KINDS = {"whole": "application/json", "events": EVENTS}


@pytest.mark.parametrize("endless", [False, True])
@pytest.mark.parametrize("how", KINDS)
async def test_every_fault(tmp_path, how, endless):
    async with gate_open(tmp_path, **(ENDLESS if endless else IMPATIENT)) as gate:
        asker = Asker(gate)

        async def meet(fault):
            answer = await asker.ask(QUESTION, fault, headers={"Accept": KINDS[how]}, model=f"sim-fault-{fault}")
            if how == "events":
                assert answer.status == 200
                events = events_of(answer.body)
                end = events[-1]
                assert end.kind == ("finished" if fault in COMPLETE else "failed"), (fault, end)
                assert told(events) == end.data["message"]
                assert (end.data["error"] is None) == (fault in COMPLETE)
                return
            assert (answer.status == 200) == (fault in COMPLETE), (fault, answer.status, answer.body)
            assert answer.status != 500
            if fault not in COMPLETE:
                assert answer.json()["response"]

        faults = [fault for fault in fault_names() if (fault == "endless") == endless]
        await asyncio.gather(*[meet(fault) for fault in faults])
        rows = gate.simulator.bill.rows
        assert len(rows) == len(faults)
        ledger = await gate.check_books(unknown=True, at_most=True)
        assert {entry["surface"] for entry in ledger.values()} == {"ask"}
        for row in rows:
            entry = ledger[row.client_request_id]
            if row.fault not in WE_LEAVE and entry["provenance"] != "unknown":
                assert entry["completion_tokens"] == row.completion_tokens, row
        unknown = {row.fault for row in rows if ledger[row.client_request_id]["provenance"] == "unknown"}
        assert unknown <= {"refuse", "hang-headers"}


@pytest.mark.parametrize("how", KINDS)
async def test_the_client_goes_at_each_event(tmp_path, how):
    async with gate_open(tmp_path) as gate:
        asker = Asker(gate)
        for steps in range(STEPS + 1):
            gate.simulator.script({"gate": True})
            connection = await asker.open(QUESTION, f"c{steps}", headers={"Accept": KINDS[how]})
            (released,) = await gate.simulator.step(steps, wait=ENDED_SECONDS)
            assert released["ended"] == (steps == STEPS)
            if steps and how == "events":
                await read_until(connection, TEXT.split()[: max(0, min(steps - 2, 5))])
            await connection.close()
            with contextlib.suppress(Exception):
                await gate.simulator.step(1000, wait=0.05)
        ledger = await gate.check_books()
        assert len(ledger) == STEPS + 1
        assert {(entry["outcome"], entry["provenance"]) for entry in ledger.values()} == {("finished", "reported")}
        for steps in range(STEPS + 1):
            assert (await asker.history(f"c{steps}"))["messages"][-1]["text"] == TEXT


async def read_until(connection, words):
    """Reads a stream until these words have been told."""
    if not connection.answer.status:
        await connection.head()
    while not all(word in told(events_of(connection.answer.body)) for word in words):
        await connection.chunk()


@pytest.mark.parametrize("mode", ["drain", "cut"])
async def test_it_is_stopped_at_each_event(tmp_path, mode):
    async with gate_open(tmp_path) as gate:
        asker = Asker(gate)
        for steps in range(1, STEPS):
            gate.simulator.script({"gate": True})
            connection = await asker.open(QUESTION, f"c{steps}")
            await gate.simulator.step(steps, wait=ENDED_SECONDS)
            await read_until(connection, TEXT.split()[: max(0, min(steps - 2, 5))])
            stopped = await asker.call("POST", f"/ask/c{steps}/stop", {"mode": mode})
            assert stopped.status == 200
            with contextlib.suppress(Exception):
                await gate.simulator.step(1000, wait=0.05)
            end = events_of((await connection.rest()).body)[-1]
            await connection.close()
            assert end.kind in ("stopped", "finished")
            assert TEXT.startswith(end.data["message"])
        await gate.check_books(at_most=mode == "cut", unknown=mode == "cut")


@pytest.mark.parametrize("steps", [1, 4])
async def test_the_server_is_killed_in_the_middle(tmp_path, steps):
    """Who asks again with the same key hears what came of it, and it is not billed twice."""
    simulator = start_simulator(tmp_path / "bill.jsonl")
    data_dir = tmp_path / "data"
    server = start_server(data_dir, simulator.url)
    headers = {"Content-Type": "application/json", "Accept": EVENTS, "Idempotency-Key": "once"}
    body = json.dumps({"prompt": QUESTION, "model": "sim-fast"}).encode()
    try:
        await simulator.script({"gate": True})
        connection = await RawConnection.open(server.url.replace("localhost", "127.0.0.1"))
        await connection.send("POST", "/ask/trip", body, headers)
        await simulator.step(steps)
        await connection.head()
        while not any(event.kind == "started" for event in events_of(connection.answer.body)):
            await connection.chunk()
        await read_until(connection, TEXT.split()[: max(0, steps - 2)])
        seen = events_of(connection.answer.body)
        server.kill()
        await connection.close()
        server = start_server(data_dir, simulator.url)
        url = server.url.replace("localhost", "127.0.0.1")
        again = await exchange(f"{url}/ask/trip", body, headers={**headers, "Last-Event-ID": str(seen[-1].id)})
        events = events_of(again.body)
        assert events[0].data["run_id"] == seen[0].data["run_id"]
        assert (events[-1].kind, events[-1].data["status"]) == ("interrupted", "interrupted")
        kept = events[-1].data["message"]  # the last quarter of a second need not be on the disk
        assert told(events, told(seen)) == kept
        assert TEXT.startswith(kept)
        whole = await exchange(f"{url}/ask/trip", body, headers={**headers, "Accept": "application/json"})
        error = whole.json()["error"]
        assert (whole.status, error["code"]) == (409, "interrupted"), "nobody is asked to try the same again"
        assert "retry-after" not in whole.headers
        assert "new idempotency key" in error["hint"]
        assert "새 키" in error["hint_ko"]
        history = (await exchange(f"{url}/ask/trip", method="GET")).json()
        assert history["messages"][-1]["error"]["code"] == events[-1].data["error"]["code"] == "interrupted"
        assert whole.json()["message"] == kept
        books.check_billed(books.entries(data_dir), await simulator.rows(), at_most=True)
    finally:
        server.stop()
        simulator.stop()


async def test_waiting_questions_survive_a_kill_and_are_asked_once(tmp_path):
    simulator = start_simulator(tmp_path / "bill.jsonl")
    data_dir = tmp_path / "data"
    server = start_server(data_dir, simulator.url)
    try:
        await simulator.script({"gate": True})
        url = server.url.replace("localhost", "127.0.0.1")
        first = await RawConnection.open(url)
        await first.send(
            "POST", "/ask/trip", json.dumps({"prompt": QUESTION, "model": "sim-fast"}).encode(), {"Accept": EVENTS}
        )
        await simulator.step(2)
        await first.head()
        waiting = await RawConnection.open(url)
        headers = {"Accept": EVENTS, "Idempotency-Key": "second"}
        second = json.dumps({"prompt": "say: 그다음", "model": "sim-fast@0"}).encode()
        await waiting.send("POST", "/ask/trip", second, headers)
        await waiting.head()
        while not any(event.kind == "queued" for event in events_of(waiting.answer.body)):
            await waiting.chunk()
        server.kill()
        await first.close()
        await waiting.close()
        server = start_server(data_dir, simulator.url)
        url = server.url.replace("localhost", "127.0.0.1")
        again = await exchange(f"{url}/ask/trip", second, headers=headers)
        assert told(events_of(again.body)) == "그다음"
        ledger = books.entries(data_dir)
        assert [entry["outcome"] for entry in ledger.values()] == ["interrupted", "finished"]
        books.check_billed(ledger, await simulator.rows(), at_most=True)
    finally:
        server.stop()
        simulator.stop()


async def test_it_is_interrupted_at_each_event(tmp_path):
    """The new question goes out while the old answer is still held back; both are billed to the token."""
    async with gate_open(tmp_path) as gate:
        asker = Asker(gate)
        for steps in range(STEPS):
            gate.simulator.script({"gate": True})
            connection = await asker.open(QUESTION, f"c{steps}")
            await gate.simulator.step(steps, wait=ENDED_SECONDS)
            await read_until(connection, TEXT.split()[: max(0, min(steps - 2, 5))])
            now = await asker.reply("say: 새 질문", f"c{steps}", multitask="interrupt")
            assert (now["status"], now["message"]) == ("complete", "새 질문")
            with contextlib.suppress(Exception):
                await gate.simulator.step(1000, wait=0.05)
            end = events_of((await connection.rest()).body)[-1]
            await connection.close()
            assert end.kind in ("stopped", "finished")
            assert [said["text"] for said in (await asker.history(f"c{steps}"))["messages"]][1::2] == [
                end.data["message"],
                "새 질문",
            ]
        ledger = await gate.check_books()
        assert len(ledger) == 2 * STEPS
        assert {entry["provenance"] for entry in ledger.values()} <= {"reported", "drained"}
