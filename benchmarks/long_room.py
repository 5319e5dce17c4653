"""A room of 5,000 messages over HTTP: opening it, paging back, and pricing a draft over its whole branch."""

from pathlib import Path

import seeding
from figures import Figure, progress
from running import Server, scratch, timed

BAR = 150.0  # ms of server time
MESSAGES = 5_000
SIZE = 600  # bytes of each message
MODEL = "gpt-4o"


def measure(python: Path, runs: int) -> list[Figure]:
    progress(f"room of {MESSAGES} messages")
    with scratch() as made:
        folder = Path(made)
        rooms = seeding.rooms(folder / "data", runs + 1, MESSAGES, SIZE, MODEL)
        with Server(python, folder, simulator=None) as server:
            _preview(server, rooms[-1])  # loads the encoding
            whole = timed(server, runs, lambda run: _preview(server, rooms[run]))
            inside = tuple(server.logged("preview")[-runs:])
            _preview(server, rooms[0])
            again = timed(server, runs, lambda run: _preview(server, rooms[0], f"draft {run}"))
            opened = timed(server, runs, lambda run: server.send("GET", f"/api/rooms/{rooms[run]}"))
            opened_inside = tuple(server.logged("room")[-runs:])
            most = timed(server, runs, lambda run: server.send("GET", f"/api/rooms/{rooms[run]}?limit=500"))
    return [
        Figure("room of 5,000 opened: in the server", opened_inside, "ms", BAR, "as its own log says; newest 60"),
        Figure("room of 5,000 opened: round trip", opened.trips, "ms", note="HTTP and JSON included"),
        Figure("room of 5,000 opened: CPU", (opened.cpu,), "ms"),
        Figure("room of 5,000, newest 500: round trip", most.trips, "ms", BAR),
        Figure("room of 5,000, newest 500: CPU", (most.cpu,), "ms"),
        Figure("whole branch priced, first time: in the server", inside, "ms", note=f"{MESSAGES * SIZE / 1e6:.0f} MB"),
        Figure("whole branch priced, first time: CPU", (whole.cpu,), "ms"),
        Figure("whole branch priced, next key: round trip", again.trips, "ms"),
        Figure("whole branch priced, next key: CPU", (again.cpu,), "ms"),
    ]


def _preview(server: Server, room: str, draft: str = "How much?") -> None:
    server.send("POST", "/api/preview", {"room_id": room, "text": draft, "room": {"window": 0}})
