"""Resident memory: idle after the start, and with an encoding loaded and a hundred rooms in use."""

import time
from pathlib import Path

from figures import Figure, progress
from running import Server, Simulator, memory_mb, scratch
from talking import Question, talk

IDLE_BAR = 110.0  # MB
IN_USE_BAR = 220.0
ROOMS = 100
MOST_RUNS = 3  # memory hardly differs between runs
SETTLING = 2.0  # seconds after the start, so that what begins in the background is there too
MODEL = "sim-fast@100"


def measure(python: Path, runs: int) -> list[Figure]:
    runs = min(runs, MOST_RUNS)
    separate = [_once(python, separate=True) for _ in range(runs)]
    built_in = [_once(python, separate=False) for _ in range(runs)]
    return [
        Figure("memory idle", tuple(run[0] for run in separate), "MB", IDLE_BAR, "a provider is configured"),
        Figure("memory idle, simulator inside", tuple(run[0] for run in built_in), "MB", IDLE_BAR, "no provider"),
        Figure("memory, 100 rooms in use", tuple(run[1] for run in separate), "MB", IN_USE_BAR, "most it ever had"),
        Figure(
            "memory, 100 rooms, simulator inside", tuple(run[1] for run in built_in), "MB", IN_USE_BAR, "most it had"
        ),
    ]


def _once(python: Path, *, separate: bool) -> tuple[float, float]:
    """Idle, and the most it had while 100 rooms were answered at once, asked on, and opened again."""
    progress(f"memory, simulator {'in a process of its own' if separate else 'inside'}")
    with scratch() as made:
        folder = Path(made)
        simulator = Simulator(python, folder) if separate else None
        try:
            with Server(python, folder, simulator) as server:
                time.sleep(SETTLING)
                idle, _ = memory_mb(server.pid)
                _use(server)
                _, most = memory_mb(server.pid)
                return idle, most
        finally:
            if simulator is not None:
                simulator.end()


def _use(server: Server) -> None:
    first = talk(server, [Question("long 2000", MODEL) for _ in range(ROOMS)], ROOMS)
    talk(server, [Question("표와 코드로 다시", room_id=answered.room_id) for answered in first], ROOMS)
    for answered in first:
        server.send("GET", f"/api/rooms/{answered.room_id}")
        server.send("POST", "/api/preview", {"room_id": answered.room_id, "text": "How much is this?"})
