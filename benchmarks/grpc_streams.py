"""Two hundred gRPC calls that stream at once, each on a connection of its own: delay of an event, memory and CPU.

The upstream is the fake one of the gateways' benchmark, whose events carry the nanosecond in which they were sent.
"""

import asyncio
import os
import re
import sqlite3
import time
from collections import Counter
from pathlib import Path

import grpc
from figures import Figure, progress
from gateways.checking import difference, percentile
from gateways.processes import FakeUpstream
from running import PATIENCE, Missed, Process, cpu_seconds, free_port, memory_mb, scratch, serve_command

CALLS, EVENTS, PACE_MS = 200, 100, 50.0
MOST_RUNS = 3
MARK = re.compile(r"@(\d+)#(\d+)@")
PROMPT = "안녕하세요, tell me about tokens."
REQUEST = b"\x0a" + bytes([len(PROMPT.encode())]) + PROMPT.encode() + b"\x12\x03new"  # prompt and conversation_id


def measure(python: Path, runs: int) -> list[Figure]:
    runs = min(runs, MOST_RUNS)
    delays, memory, cpu = [], [], []
    with scratch() as made, FakeUpstream(Path(made), (os.cpu_count() or 1) - 1) as upstream:
        port = free_port()
        command = [*serve_command(python, Path(made) / "data", 0), "--grpc-port", str(port)]
        surroundings = {"OPENAI_BASE_URL": f"http://127.0.0.1:{upstream.port}/v1", "OPENAI_API_KEY": "sk-benchmark"}
        with Process(command, Path(made), **surroundings) as server:
            server.wait_for(r"gRPC\s+(\S+:\d+)")
            upstream.set(5, 1.0)
            asyncio.run(_load(port, CALLS))  # connections, encodings: what is there from the first use on
            upstream.set(EVENTS, PACE_MS)
            for run in range(runs):
                progress(f"grpc {run + 1}/{runs}")
                before, spent = memory_mb(server.pid)[0], cpu_seconds(server.pid)
                seen, most = asyncio.run(_watched(port, server.pid))
                if len(seen) != CALLS * EVENTS:
                    raise Missed(f"{len(seen)} of {CALLS * EVENTS} events came.")
                delays.append(seen)
                memory.append((most - before) * 1e3 / CALLS)
                cpu.append((cpu_seconds(server.pid) - spent) / len(seen) * 1e6)
        books = _compare(Path(made) / "data", upstream)
    note = f"{CALLS} calls of {1000 / PACE_MS:.0f} events a second, {CALLS} connections"
    return [
        Figure("gRPC event, delay p50", tuple(percentile(seen, 0.5) for seen in delays), "ms", note=note),
        Figure("gRPC event, delay p99", tuple(percentile(seen, 0.99) for seen in delays), "ms", note=note),
        Figure("gRPC event: CPU", tuple(cpu), "µs", note="question, ledger and storing the answer included"),
        Figure("memory for each streaming gRPC call", tuple(memory), "kB", note="the most while they ran, less before"),
        books,
    ]


async def _watched(port: int, pid: int) -> tuple[list[float], float]:
    """Delays in ms, and the most resident memory meanwhile in MB."""
    loading = asyncio.create_task(_load(port, CALLS))
    most = 0.0
    while not loading.done():
        most = max(most, memory_mb(pid)[0])
        await asyncio.wait([loading], timeout=0.2)
    return await loading, most


async def _load(port: int, calls: int) -> list[float]:
    return [delay for one in await asyncio.gather(*(_call(port) for _ in range(calls))) for delay in one]


async def _call(port: int) -> list[float]:
    """The delay of each event of one answer, in ms."""
    delays, rest = [], ""
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=options) as channel:
        call = channel.unary_stream("/chat.Chat/Ask")(REQUEST, timeout=PATIENCE)
        async for reply in call:
            now = time.monotonic_ns()
            text = rest + _text(reply)
            end = 0
            for mark in MARK.finditer(text):
                delays.append((now - int(mark[2])) / 1e6)
                end = mark.end()
            rest = text[end:]
    return delays


def _text(reply: bytes) -> str:
    """The first field of an `askresponse`, a string; what a client with generated code does is not measured here."""
    if reply[:1] != b"\x0a":
        return ""
    size = shift = 0
    at = 1
    while True:
        byte = reply[at]
        size |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return reply[at : at + size].decode()


def _compare(data_dir: Path, upstream: FakeUpstream) -> Figure:
    """The server must have ended."""
    connection = sqlite3.connect(f"file:{data_dir / 'talkmeter.db'}?mode=ro", uri=True)
    try:
        rows = connection.execute("SELECT prompt_tokens, completion_tokens FROM ledger_entries").fetchall()
    finally:
        connection.close()
    bill, _ = upstream.bill()
    differ = difference(bill, Counter(rows))
    note = f"{sum(bill.values()):,} calls, {len(rows):,} entries, difference {differ}"
    return Figure("gRPC: ledger = upstream's bill", (float(differ),), "", 0.0, note)
