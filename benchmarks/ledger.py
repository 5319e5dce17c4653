"""The ledger alone: entries opened and settled per second, each durable, beside what the disk itself can do."""

import asyncio
import os
import statistics
import time
from pathlib import Path

from figures import Figure, progress
from running import scratch
from seeding import a_settlement, an_opening

from talkmeter.store.store import open_store

AT_ONCE = (1, 16, 128)
SECONDS = 2.0


def measure(_python: Path, runs: int) -> list[Figure]:
    with scratch() as made:
        syncs = tuple(_syncs_per_second(Path(made) / "sync") for _ in range(runs))
        figures = [Figure("disk: fsyncs of 4 kB", syncs, "/s", note="in this folder's file system")]
        for at_once in AT_ONCE:
            progress(f"ledger, {at_once} at once")
            rounds = [asyncio.run(_entries(Path(made) / f"{at_once}-{run}.db", at_once)) for run in range(runs)]
            label = f"ledger, {at_once} at once"
            note = f"{statistics.median(each[3] for each in rounds):.1f} commits to a transaction"
            figures += [
                Figure(f"{label}: entries", tuple(each[0] for each in rounds), "/s", note=note),
                Figure(f"{label}: open, p50", tuple(each[1] for each in rounds), "ms"),
                Figure(f"{label}: CPU per entry", tuple(each[2] for each in rounds), "µs", note="open and settle"),
            ]
        return figures


async def _entries(path: Path, at_once: int) -> tuple[float, float, float, float]:
    """Entries per second, median milliseconds until open, CPU µs per entry, commits in a transaction."""
    store = await open_store(path)
    waited: list[float] = []
    done = 0
    end = time.perf_counter() + SECONDS

    async def caller() -> None:
        nonlocal done
        while time.perf_counter() < end:
            opening = an_opening()
            before = time.perf_counter()
            await store.commit(opening)
            waited.append(time.perf_counter() - before)
            await store.commit(a_settlement(opening))
            done += 1

    begun, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
    written = store.written
    await store.close()
    together = written.commits / max(1, written.transactions)
    return done / wall, statistics.median(waited) * 1e3, cpu / done * 1e6, together


def _syncs_per_second(path: Path) -> float:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        count, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < 1.0:
            os.write(file, bytes(4096))
            os.fsync(file)
            count += 1
        return count / (time.perf_counter() - begun)
    finally:
        os.close(file)
