"""What a key costs the server: the price of a draft over a history of 50 messages, 20 kB."""

import random
import time
from pathlib import Path

import seeding
from figures import Figure, progress
from running import Server, Simulator, scratch, timed

from talkmeter.conversation.counting import count_message
from talkmeter.messages import Message

BAR = 3.0  # ms of server CPU
MESSAGES, SIZE = 50, 400
ROOMS = 60
KEYS = 300
MODEL = "gpt-4o"


def measure(python: Path, runs: int) -> list[Figure]:
    progress("live count")
    with scratch() as made:
        folder = Path(made)
        rooms = seeding.rooms(folder / "data", ROOMS * runs + 1, MESSAGES, SIZE, MODEL)
        first, keys, idle = [], [], []
        with Simulator(python, folder) as simulator, Server(python, folder, simulator) as server:
            _preview(server, rooms[-1], "")  # loads the encoding
            for run in range(runs):
                some = rooms[run * ROOMS : (run + 1) * ROOMS]
                first.append(timed(server, ROOMS, lambda at, some=some: _preview(server, some[at], "How")).cpu)
                keys.append(
                    timed(server, KEYS, lambda at: _preview(server, rooms[0], "How much is this? " * (at % 9))).cpu
                )
                idle.append(timed(server, KEYS, lambda _: server.send("GET", "/api/session")).cpu)
    counts = tuple(_count_alone() for _ in range(runs))
    return [
        Figure("live count, 20 kB: counting alone", counts, "ms", BAR, "CPU, nothing remembered"),
        Figure("live count, 20 kB: first request of a room", tuple(first), "ms", BAR, "CPU of the whole request"),
        Figure("live count, 20 kB: each further key", tuple(keys), "ms", BAR, "CPU of the whole request"),
        Figure("for comparison: the smallest JSON request", tuple(idle), "ms", note="CPU; GET /api/session"),
    ]


def _preview(server: Server, room: str, draft: str) -> None:
    server.send("POST", "/api/preview", {"room_id": room, "text": draft, "room": {"window": 0}})


def _count_alone() -> float:
    """Milliseconds of this process's CPU for one history, the best of several."""
    chance = random.Random(1)
    history = [_message(number, seeding.text(SIZE, chance)) for number in range(MESSAGES)]
    count_message(history[0], MODEL)
    best = float("inf")
    for _ in range(5):
        before = time.thread_time()
        for message in history:
            count_message(message, MODEL)
        best = min(best, time.thread_time() - before)
    return best * 1e3


def _message(number: int, content: str) -> Message:
    role = "assistant" if number % 2 else "user"
    return Message(id=str(number), room_id="", parent_id=None, role=role, text=content, status="complete", created_at=0)
