"""Talkmeter and its simulator as processes of their own: start, sign in, ask over HTTP, read CPU time and memory.

CPU time of another process comes from the kernel's clock for it, exact to the nanosecond and deaf to whatever else
the machine does. Linux only.
"""

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 60.0  # seconds for a start or an end


class Missed(Exception):
    """A measurement could not be taken; says why."""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def clean_environment(**more: str) -> dict[str, str]:
    """Ours, without what would configure Talkmeter."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TALKMETER_", "OPENAI_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", **more}


def cpu_seconds(pid: int) -> float:
    """CPU time that all threads of the process have used, also those that have ended."""
    return time.clock_gettime((~pid << 3) | 2)


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident memory now and at its most, in MB (10⁶ bytes)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    now, most = (int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) for name in ("VmRSS", "VmHWM"))
    return now * 1024 / 1e6, most * 1024 / 1e6


class Process:
    """A server of ours; its output goes to files in `folder`. Ends with SIGTERM."""

    def __init__(self, command: list[str], folder: Path, **environment: str) -> None:
        self.started = time.perf_counter()
        name = f"{type(self).__name__.lower()}-{os.urandom(4).hex()}"
        self._out = (folder / f"{name}.out").open("w+b")
        self.log = folder / f"{name}.err"
        with self.log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, cwd=folder, env=clean_environment(**environment), stdout=self._out, stderr=errors
            )
        self.pid = self._process.pid

    def said(self) -> str:
        return Path(self._out.name).read_text(encoding="utf-8")

    def wait_for(self, pattern: str) -> str:
        """The first group of the pattern once it has been printed. Raises Missed."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            if found := re.search(pattern, self.said()):
                return found.group(1)
            time.sleep(0.01)
        raise Missed(f"It did not start.\n{self.said()}\n{self.log.read_text(encoding='utf-8')[-3000:]}")

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._out.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        self.end()


class Simulator(Process):
    """`talkmeter simulate` as fast as it can; the model's name sets another speed (`sim-fast@50`)."""

    def __init__(self, python: Path, folder: Path) -> None:
        super().__init__(_simulator_command(python, folder / "bill.jsonl"), folder)
        self.base_url = self.wait_for(r"(http://\S+/v1)")

    def bill(self) -> dict[str, Any]:
        with urlopen(f"{self.base_url.removesuffix('/v1')}/_bill?wait=10") as answer:
            found: dict[str, Any] = json.load(answer)
            return found


class Server(Process):
    """`talkmeter serve` on a data directory, signed in. simulator: its only provider; None: the built-in one."""

    def __init__(self, python: Path, folder: Path, simulator: Simulator | None = None, port: int = 0) -> None:
        self.data_dir = folder / "data"
        more = {} if simulator is None else {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_API_KEY": "sk-benchmark"}
        super().__init__(serve_command(python, self.data_dir, port), folder, **more)
        self.link = self.wait_for(r"sign in\s+(http://\S+)")
        self.port = int(re.findall(r":(\d+)/", self.link)[0])
        self.base_url = f"http://localhost:{self.port}"
        self._connection = http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE)
        self._connection.request("GET", self.link.removeprefix(self.base_url))
        answer = self._connection.getresponse()
        answer.read()
        self.cookie = (answer.headers["Set-Cookie"] or "").partition(";")[0]

    @property
    def headers(self) -> dict[str, str]:
        return {"Cookie": self.cookie, "Origin": self.base_url}

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON answer. Raises Missed unless it is a success."""
        raw = None if body is None else json.dumps(body).encode()
        self._connection.request(method, path, raw, {**self.headers, "Content-Type": "application/json"})
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise Missed(f"{method} {path} was answered with {answer.status}: {content[:500]!r}")
        return json.loads(content) if content else None

    def logged(self, route: str) -> list[float]:
        """Milliseconds inside the server of each request to a route so far, as its own log says."""
        lines = (json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line[:1] == "{")
        return [line["milliseconds"] for line in lines if line.get("route") == route]


@dataclass(frozen=True)
class Times:
    """Milliseconds of each request: round trip; and of one, by the server's CPU clock."""

    trips: tuple[float, ...]
    cpu: float


def timed(server: Server, runs: int, request: Callable[[int], object]) -> Times:
    """Repeats a request one at a time."""
    trips = []
    before = cpu_seconds(server.pid)
    for run in range(runs):
        begun = time.perf_counter()
        request(run)
        trips.append((time.perf_counter() - begun) * 1e3)
    return Times(tuple(trips), (cpu_seconds(server.pid) - before) * 1e3 / runs)


def serve_command(python: Path, data_dir: Path, port: int) -> list[str]:
    """The installed command where there is one, else the checkout's module."""
    script = python.with_name("talkmeter")
    start = [str(script)] if script.exists() else [str(python), "-m", "talkmeter"]
    return [*start, "serve", "--no-open", "--port", str(port), "--data-dir", str(data_dir)]


def _simulator_command(python: Path, bill: Path) -> list[str]:
    run = "from pathlib import Path; from talkmeter.simulator.command import simulate; "
    return [str(python), "-c", f"{run}simulate('127.0.0.1', 0, Path({str(bill)!r}), 0.0, 0)"]


def scratch() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="talkmeter-bench-")


def this_python() -> Path:
    """The checkout's own interpreter; not resolved, or it would leave its virtual environment."""
    return Path(sys.executable)
