"""`talkmeter simulate` as a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support.raw_http import Answer, RawConnection, exchange
from support.simulator_bench import Bench
from talkmeter.simulator import Simulator
from talkmeter.simulator.bill import Bill

PROGRAM = "import sys, pathlib; from talkmeter.simulator.command import simulate; "
PROGRAM += "simulate('127.0.0.1', 0, pathlib.Path(sys.argv[1]), 0, 0)"


async def started(path: Path) -> tuple[asyncio.subprocess.Process, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(path), stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": "src"}
    )
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


async def hanging(url: str) -> RawConnection:
    bench = Bench(Simulator(None), url)
    connection = await bench.begin(bench.streamed("sim-fault-hang-stream", question="say: a b c d"))
    await connection.head()
    for _ in range(4):
        await connection.chunk()
    return connection


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_until_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    process, url = await started(tmp_path / "bill.jsonl")
    assert url.startswith("http://127.0.0.1:")
    assert url.endswith("/v1")
    assert (await exchange(f"{url}/models")).status == 200
    connection = await hanging(url)
    process.send_signal(number)
    assert await process.wait() == 0
    assert (await connection.rest()).ended == "fin"
    await connection.close()
    bill = Bill(tmp_path / "bill.jsonl")
    bill.open()
    assert [(row.outcome, row.completion_tokens) for row in bill.rows] == [("stopped", 3)]
    bill.close()


async def test_the_bill_survives_sigkill(tmp_path: Path) -> None:
    path = tmp_path / "bill.jsonl"
    process, url = await started(path)
    bench = Bench(Simulator(None), url)
    answer: Answer = await exchange(f"{url}/chat/completions", bench.streamed())
    shown = (await exchange(f"{bench.root}/_bill?wait=5")).json()["requests"]
    connection = await hanging(url)
    process.kill()
    await process.wait()
    await connection.close()
    process, url = await started(path)
    kept = (await exchange(url.removesuffix("/v1") + "/_bill")).json()["requests"]
    process.terminate()
    await process.wait()
    assert kept[0] == shown[0]
    assert kept[0]["sent_bytes"] == len(answer.body)
    assert (kept[1]["outcome"], kept[1]["model"]) == ("stopped", "sim-fault-hang-stream")


async def test_the_command_answers_to_real_names_if_told() -> None:
    command = ["-m", "talkmeter", "simulate", "--port", "0", "--tokens-per-second", "0", "--any-model"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONPATH": "src"}
    )
    assert process.stdout is not None
    url = (await process.stdout.readline()).decode().strip()
    body = {"model": "text-embedding-3-small", "input": "hello"}
    answer = (await exchange(f"{url}/embeddings", body)).json()
    process.terminate()
    await process.wait()
    assert answer["model"] == "text-embedding-3-small"


@pytest.mark.parametrize(
    "arguments", [("--port", "99999"), ("--tokens-per-second", "-1"), ("--tokens-per-second", "nan")], ids=" ".join
)
def test_values_that_cannot_be_are_refused(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "talkmeter", "simulate", *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert arguments[0] in done.stderr
