"""A thousand idle WebSockets: each one's memory, the CPU time of all, and how long a ping takes beside them.

The sockets come from four loopback addresses, because one may have 512 connections. The first one is opened before
memory is taken for the first time: with it comes the code that sockets need, once.
"""

import asyncio
import time
from pathlib import Path

from figures import Figure, progress
from running import Missed, Server, Simulator, cpu_seconds, memory_mb, scratch
from websockets.asyncio.client import ClientConnection, connect

SOCKETS = 1000
BAR = 32.0  # KiB each
IDLE_SECONDS = 25.0  # so that the server's own pings, every 20 s, are in it
PINGS = 300
ADDRESSES = tuple(f"127.0.0.{number}" for number in range(2, 6))
AT_ONCE = 50
MOST_RUNS = 3
SETTLING = 2.0


def measure(python: Path, runs: int) -> list[Figure]:
    found = [_once(python) for _ in range(min(runs, MOST_RUNS))]
    each, code, cpu, half, slow = (tuple(run[at] for run in found) for at in range(5))
    return [
        Figure("socket idle, memory each", each, "KiB", BAR, f"{SOCKETS} at once"),
        Figure("sockets, their code", code, "MB", None, "once, with the first socket"),
        Figure("sockets idle, CPU of all", cpu, "%", None, f"of a core, over {IDLE_SECONDS:.0f} s with a ping each"),
        Figure("ping beside them, p50", half, "ms", None, "round trip, client in Python"),
        Figure("ping beside them, p99", slow, "ms", None, f"of {PINGS}"),
    ]


def _once(python: Path) -> tuple[float, float, float, float, float]:
    progress(f"{SOCKETS} idle WebSockets")
    with scratch() as made:
        folder = Path(made)
        simulator = Simulator(python, folder)
        try:
            with Server(python, folder, simulator) as server:
                return asyncio.run(_open(server))
        finally:
            simulator.end()


async def _open(server: Server) -> tuple[float, float, float, float, float]:
    await asyncio.sleep(SETTLING)
    before, _ = memory_mb(server.pid)
    first = await _connect(server, ADDRESSES[0])
    await asyncio.sleep(SETTLING)
    bare, _ = memory_mb(server.pid)
    sockets = [first]
    while len(sockets) < SOCKETS:
        count = min(AT_ONCE, SOCKETS - len(sockets))
        opening = [_connect(server, ADDRESSES[(len(sockets) + number) % len(ADDRESSES)]) for number in range(count)]
        sockets += await asyncio.gather(*opening)
    await asyncio.sleep(SETTLING)
    full, _ = memory_mb(server.pid)
    began = cpu_seconds(server.pid)
    await asyncio.sleep(IDLE_SECONDS)
    cpu = (cpu_seconds(server.pid) - began) / IDLE_SECONDS * 100
    trips = sorted([await _ping(first) for _ in range(PINGS)])
    if any(socket.close_code is not None for socket in sockets):
        raise Missed("Some of the sockets were closed.")
    await asyncio.gather(*[socket.close() for socket in sockets])
    each = (full - bare) * 1e6 / 1024 / (SOCKETS - 1)
    return each, bare - before, cpu, trips[len(trips) // 2], trips[len(trips) * 99 // 100]


async def _connect(server: Server, address: str) -> ClientConnection:
    url = f"ws://127.0.0.1:{server.port}/ws"
    return await connect(url, compression=None, ping_interval=None, local_addr=(address, 0))


async def _ping(socket: ClientConnection) -> float:
    """Milliseconds."""
    begun = time.perf_counter()
    await (await socket.ping())
    return (time.perf_counter() - begun) * 1e3
