"""From the start of `talkmeter serve` to the first answers with 200 of `/` and `/healthz`: wall and CPU seconds."""

import http.client
import time
from pathlib import Path

from figures import Figure, progress
from running import PATIENCE, Missed, Process, cpu_seconds, free_port, scratch, serve_command

BAR = 1.0  # seconds; the aim is 0.5


def measure(python: Path, runs: int) -> list[Figure]:
    """Starts on a new data directory, then again on it; the first start of all only warms the disk's cache."""
    new: list[tuple[float, float]] = []
    again: list[tuple[float, float]] = []
    with scratch() as made:
        for run in range(runs + 1):
            progress(f"start {run}/{runs}")
            folder = Path(made) / str(run)
            folder.mkdir()
            first, second = _start(python, folder), _start(python, folder)
            if run:
                new.append(first)
                again.append(second)
    return [
        Figure("start, data directory there", _column(again, 0), "s", BAR, "to 200 of / and /healthz"),
        Figure("start, CPU", _column(again, 1), "s"),
        Figure("start, new data directory", _column(new, 0), "s", BAR, "the database is made"),
        Figure("start, new data directory, CPU", _column(new, 1), "s"),
    ]


def _column(runs: list[tuple[float, float]], column: int) -> tuple[float, ...]:
    return tuple(run[column] for run in runs)


def _start(python: Path, folder: Path) -> tuple[float, float]:
    port = free_port()
    with Process(serve_command(python, folder / "data", port), folder) as server:
        for path in ("/", "/healthz"):
            _until_answered(port, path)
        wall = time.perf_counter() - server.started
        return wall, cpu_seconds(server.pid)


def _until_answered(port: int, path: str) -> None:
    """The port is bound before the server is ready: a connection then waits in the queue, as a browser's would."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            status = connection.getresponse().status
        except ConnectionError:
            time.sleep(0.002)
            continue
        finally:
            connection.close()
        if status != 200:
            raise Missed(f"{path} was answered with {status}; is the page built? (python3 dev build)")
        return
    raise Missed(f"{path} was not answered within {PATIENCE:.0f} s")
