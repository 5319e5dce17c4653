"""The web door end to end, against the simulator in a process of its own: CPU per question and per streamed event.

After each load the ledger in the database is held against the simulator's own bill, call by call.
"""

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, progress
from running import Server, Simulator, cpu_seconds, scratch
from talking import Answered, Question, talk

from talkmeter.simulator.pieces import split

SHORT = "say: 네, 알겠습니다."
ASKS = 400
STREAMS, CHARACTERS = 32, 8_000
MOST_RUNS = 5
PACED = 50  # tokens per second and stream
FIGURES = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


@dataclass(frozen=True)
class Load:
    """What one load has cost the server. events: content events that the simulator has sent."""

    seconds: float
    cpu: float
    events: int
    answered: Sequence[Answered]


def measure(python: Path, runs: int) -> list[Figure]:
    runs = min(runs, MOST_RUNS)
    asks, flood, paced = [], [], []
    with scratch() as made, Simulator(python, Path(made)) as simulator:
        with Server(python, Path(made), simulator) as server:
            _load(server, [Question(SHORT, "sim-fast@0")] * 50, 16)
            for run in range(runs):
                progress(f"chat {run + 1}/{runs}")
                asks.append(_load(server, [Question(SHORT, "sim-fast@0")] * ASKS, 16))
                flood.append(_load(server, _long("sim-fast@0"), STREAMS))
                paced.append(_load(server, _long(f"sim-fast@{PACED}"), STREAMS))
        books = _compare(server.data_dir, simulator)
    per_ask = tuple(load.cpu / ASKS * 1e3 for load in asks)
    return [
        Figure("question and answer: CPU", per_ask, "ms", note="a new room each, short answers, followed to the end"),
        Figure("questions per second, 16 at once", tuple(ASKS / load.seconds for load in asks), "/s"),
        Figure("streamed event, flood: CPU", _per_event(flood, per_ask), "µs", note=f"{STREAMS} streams, no pauses"),
        Figure("streamed event, paced: CPU", _per_event(paced, per_ask), "µs", note=f"{STREAMS} streams of {PACED}/s"),
        Figure("paced: events to the reader for one from upstream", tuple(map(_passed_on, paced)), ""),
        books,
    ]


def _passed_on(load: Load) -> float:
    return sum(one.deltas for one in load.answered) / load.events


def _long(model: str) -> list[Question]:
    return [Question(f"long {CHARACTERS}", model)] * STREAMS


def _per_event(loads: Sequence[Load], per_ask: Sequence[float]) -> tuple[float, ...]:
    """µs, the questions' own share taken off."""
    return tuple(
        (load.cpu - len(load.answered) * ask / 1e3) / load.events * 1e6
        for load, ask in zip(loads, per_ask, strict=True)
    )


def _load(server: Server, questions: Sequence[Question], at_once: int) -> Load:
    cpu, begun = cpu_seconds(server.pid), time.perf_counter()
    answered = talk(server, questions, at_once)
    seconds, cpu = time.perf_counter() - begun, cpu_seconds(server.pid) - cpu
    # The same question has the same answer, and the simulator cuts an answer always in the same way.
    answer = server.send("GET", f"/api/rooms/{answered[0].room_id}")["messages"][-1]["text"]
    return Load(seconds, cpu, len(split(answer)) * len(answered), answered)


def _compare(data_dir: Path, simulator: Simulator) -> Figure:
    """Calls that ledger and bill do not agree about to the token. The server must have ended."""
    connection = sqlite3.connect(f"file:{data_dir / 'talkmeter.db'}?mode=ro", uri=True)
    try:
        entries = connection.execute(f"SELECT id, {', '.join(FIGURES)} FROM ledger_entries").fetchall()
    finally:
        connection.close()
    ledger = {entry[0]: tuple(figure or 0 for figure in entry[1:]) for entry in entries}
    calls = simulator.bill()["requests"]
    bill = {call["client_request_id"]: tuple(call[name] for name in FIGURES) for call in calls}
    difference = len(ledger.items() ^ bill.items())
    note = f"{len(calls):,} calls, {len(entries):,} entries, difference {difference}"
    return Figure("ledger = upstream's bill", (float(difference),), "", 0.0, note)
