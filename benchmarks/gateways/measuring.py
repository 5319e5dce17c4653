"""One load on one gateway: what it did, what the gateway's processes used for it, what others used meanwhile."""

import json
import sqlite3
import statistics
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from running import Missed

from gateways import words
from gateways.checking import difference
from gateways.processes import HERE, FakeUpstream, busy_seconds, tree_cpu, tree_peak_mb, wait_for_quiet
from gateways.targets import Gateway

FULL = 0.93  # of the core on which upstream and load are: then they are what is slow
SETTLING = 20.0  # seconds that a gateway and its ledger have after a load
PACE_MS = 20


@dataclass(frozen=True)
class Phase:
    """events 0: plain requests. Each connection makes one request after the other, and begins none after `seconds`."""

    name: str
    connections: int
    events: int = 0
    pace_ms: int = 0
    seconds: float = 0.0
    spread: float = 0.0


@dataclass
class Seen:
    """cpu: seconds of the gateway's tree. noise: share of the two cores that others had. full: see FULL."""

    load: dict[str, Any]
    cpu: float
    noise: float
    full: bool
    late: int

    @property
    def failed(self) -> int:
        return sum(self.load["problems"].values())

    def milliseconds(self, what: str, share: int) -> float:
        """what: whole, first, delay or length. NaN if there was none."""
        found: float = self.load.get(what, {}).get(f"p{share}", float("nan"))
        return found


@dataclass
class Target:
    """A gateway, all that was seen of it, and for Talkmeter what the upstream has charged for it."""

    gateway: Gateway
    upstream: FakeUpstream
    seen: dict[str, list[Seen]] = field(default_factory=dict)
    capacity: str = ""
    peak_mb: float = 0.0
    bill: Counter[tuple[int, int]] = field(default_factory=Counter)
    books: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.gateway.name

    def measured(self) -> list[Seen]:
        """All but warming up, and what was tried to find the most it can carry."""
        return [seen for phase, runs in self.seen.items() if phase not in {"warm", "capacity"} for seen in runs]

    def median(self, phase: str, figure: Any) -> float:
        return statistics.median(figure(seen) for seen in self.seen[phase])


@dataclass(frozen=True)
class Bench:
    gateway_core: int
    load_core: int
    patience: float

    def run(self, target: Target, phase: Phase) -> Seen:
        gateway, upstream = target.gateway, target.upstream
        cores = (self.gateway_core, self.load_core)
        wait_for_quiet(cores, self.patience)
        upstream.set(phase.events, phase.pace_ms)
        before = (tree_cpu(gateway.process.pid), tree_cpu(upstream.pid), busy_seconds(cores), time.process_time())
        begun = time.monotonic()
        load = self._load(gateway, phase)
        wall = time.monotonic() - begun
        after = (tree_cpu(gateway.process.pid), tree_cpu(upstream.pid), busy_seconds(cores), time.process_time())
        cpu, upstream_cpu, busy, own = (late - early for late, early in zip(after, before, strict=True))
        if gateway.process is upstream:  # no gateway: it is on the gateway's core, and must not be counted twice
            upstream_cpu = 0.0
        ours = cpu + upstream_cpu + load["cpu"] + own
        noise = max(0.0, busy - ours) / (len(cores) * wall)
        bill, late = upstream.bill()
        target.bill.update(bill)
        target.peak_mb = max(target.peak_mb, tree_peak_mb(gateway.process.pid))
        full = (upstream_cpu + load["cpu"]) / load["seconds"] > FULL
        seen = Seen(load, cpu, noise, full, late)
        target.seen.setdefault(phase.name, []).append(seen)
        if seen.failed:
            _let_go(gateway)
        return seen

    def _load(self, gateway: Gateway, phase: Phase) -> dict[str, Any]:
        asked = {
            "port": gateway.port,
            "path": gateway.path,
            "headers": [f"{name}: {value}" for name, value in gateway.headers],
            "body": words.question(gateway.model, stream=phase.events > 0).decode(),
            "connections": phase.connections,
            "events": phase.events,
            "seconds": phase.seconds,
            "spread": phase.spread,
        }
        command = ["taskset", "-c", str(self.load_core), sys.executable, "-m", "gateways.load", json.dumps(asked)]
        done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Missed(f"The load on {gateway.name} failed: {done.stderr[-1000:]}")
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def capacity(self, target: Target, first: Phase, most: int) -> str:
        """The most paced streams that are all complete, at their full rate, with p99 of the delay below 100 ms."""
        good, bad = 0, 0
        before = target.seen[first.name][-1]
        tried = first.connections if _is_good(before, first) else first.connections // 4
        harness = False
        while tried:
            seen = self._carried(target, first, tried)
            if seen is None:
                good = tried
            else:
                bad, harness = tried, seen.full or seen.late > 0
            tried = _next(good, bad, most)
        sign = "≥ " if good >= most or harness else ""
        return f"{sign}{good}" if good else f"< {bad}"

    def _carried(self, target: Target, first: Phase, streams: int) -> Seen | None:
        """None if so many were; tried again once where others may have been in the way."""
        phase = Phase("capacity", streams, first.events, first.pace_ms, 0.0, first.spread)
        for _ in range(2):
            seen = self.run(target, phase)
            if _is_good(seen, phase):
                return None
            if seen.noise < 0.1:
                break
        return seen


def _is_good(seen: Seen, phase: Phase) -> bool:
    at_rate = seen.milliseconds("length", 95) < phase.events * phase.pace_ms * 1.05
    return not seen.failed and at_rate and seen.milliseconds("delay", 99) < 100


def _next(good: int, bad: int, most: int) -> int:
    """Doubles, halves by four, then goes between, to a quarter; 0: that is it."""
    if good >= most:
        return 0
    if not bad:
        return min(most, good * 2)
    if not good:
        return bad // 4 if bad > 16 else 0
    between = (good + bad) // 2
    return between if bad - good > max(4, good // 4) else 0


def _let_go(gateway: Gateway) -> None:
    """Waits until it is done with what its reader has given up, which would otherwise disturb the next."""
    until = time.monotonic() + SETTLING
    while time.monotonic() < until:
        before = tree_cpu(gateway.process.pid)
        time.sleep(0.5)
        if tree_cpu(gateway.process.pid) - before < 0.05:
            return


def compare(target: Target, phase: str) -> str:
    """Holds Talkmeter's ledger against the bill of the upstream so far; waits until what is under way is settled."""
    until = time.monotonic() + SETTLING
    charged = sum(target.bill.values())
    while True:
        entries, ledger = _ledger(target.gateway)
        found = difference(target.bill, ledger) + abs(entries - sum(ledger.values()))
        if found == 0 or time.monotonic() > until:
            break
        time.sleep(0.2)
    said = f"ledger = upstream's bill: {charged:,} calls, {entries:,} entries, difference {found:,}"
    target.books.append(said)
    return f"{said} ({phase})"


def _ledger(gateway: Gateway) -> tuple[int, dict[tuple[int, int], int]]:
    """Entries of any state; and how often the reported ones have each pair of prompt and completion tokens."""
    connection = sqlite3.connect(f"file:{gateway.database}?mode=ro", uri=True)
    try:
        (entries,) = connection.execute("SELECT count(*) FROM ledger_entries").fetchone()
        rows = connection.execute(
            "SELECT prompt_tokens, completion_tokens, count(*) FROM ledger_entries "
            "WHERE provenance = 'reported' GROUP BY 1, 2"
        ).fetchall()
    finally:
        connection.close()
    return entries, {(prompt, completion): times for prompt, completion, times in rows}
