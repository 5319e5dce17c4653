"""The bill as a file: it outlives its process, whatever state that left it in."""

import json
from pathlib import Path

import pytest

from support.raw_http import exchange
from support.simulator_bench import Bench, prompt_of, tokens_of
from talkmeter.simulator import Simulator, service
from talkmeter.simulator.bill import Bill, Row
from talkmeter.simulator.charging import Charge

SAID = "say: 하나 둘 셋"


async def started(path: Path) -> Bench:
    simulator = Simulator(path, tokens_per_second=0)
    return Bench(simulator, await simulator.start())


def last_states(path: Path) -> dict[str, dict[str, object]]:
    return {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}


async def test_the_bill_over_http(bench: Bench) -> None:
    await bench.ask(bench.streamed(question=SAID))
    await bench.ask(bench.request("sim-reasoning"))
    shown = (await exchange(f"{bench.root}/_bill")).json()
    assert set(shown) == {"requests", "totals", "damaged_lines"}
    first, second = shown["requests"]
    assert set(first) == set(Row.__struct_fields__)
    assert first["completion_tokens"] == tokens_of("하나 둘 셋")
    assert shown["totals"] == {
        "requests": 2,
        **{name: first[name] + second[name] for name in Charge._fields},
    }
    assert (await exchange(f"{bench.root}/_bill", method="DELETE")).status == 204
    assert (await exchange(f"{bench.root}/_bill?wait=1")).json()["requests"] == []
    assert (await exchange(f"{bench.root}/_bill?wait=soon")).status == 400


async def test_the_bill_outlives_the_simulator(tmp_path: Path) -> None:
    path = tmp_path / "data" / "bill.jsonl"
    first = await started(path)
    for model in ("sim-fast", "sim-fault-429", "sim-fault-cut-900", "nothing"):
        await first.ask(first.streamed(model))
    before = first.simulator.bill.as_dict()
    await first.simulator.stop()
    second = await started(path)
    assert second.simulator.bill.as_dict() == before
    await second.ask(second.streamed())
    assert second.simulator.bill.totals()["requests"] == 5
    await second.simulator.stop()
    assert len(last_states(path)) == 5


async def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    first = await started(path)
    await first.ask(first.streamed())
    before = first.simulator.bill.rows
    await first.simulator.stop()
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id": "req_torn", "at": 1')
    second = await started(path)
    assert second.simulator.bill.rows == before
    assert second.simulator.bill.as_dict()["damaged_lines"] == 1
    await second.ask(second.streamed())
    await second.simulator.stop()
    assert path.read_bytes().startswith(whole)
    assert len(last_states(path)) == 2


async def test_a_damaged_line_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    path.write_bytes(b'{"id": "a", "at": 1, "outcome": "finished"}\n\0\0\0\n{"id": "b", "at": 2, "outcome": "cut"}\n')
    bill = Bill(path)
    bill.open()
    assert [(row.id, row.outcome) for row in bill.rows] == [("a", "finished"), ("b", "cut")]
    assert bill.damaged_lines == 1
    bill.close()


async def test_what_runs_is_on_the_bill_and_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "_SAVE_EVERY", 0.01)
    path = tmp_path / "bill.jsonl"
    bench = await started(path)
    body = bench.streamed(question=SAID, simulate={"gate": True})
    connection = await bench.begin(body)
    await connection.head()
    start = last_states(path)[bench.row.id]
    assert (start["outcome"], start["prompt_tokens"], start["sent_text"]) == ("running", prompt_of(body), 0)
    await bench.simulator.step(3)
    shown = (await exchange(f"{bench.root}/_bill")).json()["requests"][0]
    assert (shown["outcome"], shown["completion_tokens"], shown["sent_text"]) == ("running", tokens_of("하나 둘"), 4)
    while last_states(path)[bench.row.id]["sent_text"] != 4:
        # The next event of this connection makes the loop turn; the saver is due by then or soon after.
        await exchange(f"{bench.root}/_bill")
    copy = tmp_path / "killed.jsonl"
    copy.write_bytes(path.read_bytes())
    await connection.close()
    await bench.simulator.stop()
    # What a process that starts on the file of a killed one says about the request that was running.
    reopened = Bill(copy)
    reopened.open()
    (row,) = reopened.rows
    assert (row.outcome, row.prompt_tokens, row.completion_tokens) == ("stopped", prompt_of(body), tokens_of("하나 둘"))
    reopened.close()
    assert next(iter(last_states(copy).values()))["outcome"] == "stopped"


async def test_clearing_forgets_also_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    bench = await started(path)
    connection = await bench.begin(bench.streamed(question=SAID, simulate={"gate": True}))
    await connection.head()
    await exchange(f"{bench.root}/_bill", method="DELETE")
    await connection.close()
    assert await bench.simulator.settled()
    await bench.simulator.stop()
    assert bench.simulator.bill.rows == []
    assert path.read_bytes() == b""


async def test_one_hundred_at_once(tmp_path: Path) -> None:
    import asyncio

    bench = await started(tmp_path / "bill.jsonl")
    models = ["sim-fast", "sim-korean", "sim-fault-cut-700", "sim-fault-no-done", "sim-fault-zero-usage"]
    bodies = [bench.streamed(models[number % 5], question=f"say: number {number}") for number in range(100)]
    answers = await asyncio.gather(*(bench.ask(body, X_Client_Request_Id=str(n)) for n, body in enumerate(bodies)))
    rows = {row.client_request_id: row for row in bench.simulator.bill.rows}
    assert len(rows) == 100
    for number, answer in enumerate(answers):
        zero = "zero" in bodies[number]["model"]
        expected = (0, 0) if zero else (prompt_of(bodies[number]), tokens_of(answer.text))
        assert (rows[str(number)].prompt_tokens, rows[str(number)].completion_tokens) == expected
    await bench.simulator.stop()
