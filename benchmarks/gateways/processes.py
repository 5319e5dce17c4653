"""Processes pinned to a core, and what they and their children have used: CPU time, memory. Linux only."""

import contextlib
import http.client
import json
import os
import signal
import sys
import time
from pathlib import Path

from running import PATIENCE, Missed, Process, cpu_seconds, memory_mb

HERE = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")


class Pinned(Process):
    """A server on one core; ends with its children. It keeps bytecode, whatever the shell says."""

    def __init__(self, command: list[str], folder: Path, core: int, **environment: str) -> None:
        pinned = ["env", "-u", "PYTHONDONTWRITEBYTECODE", "taskset", "-c", str(core), *command]
        super().__init__(pinned, folder, **environment)

    def ended(self) -> bool:
        return self._process.poll() is not None

    def end(self) -> None:
        children = tree(self.pid)[1:]
        super().end()
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


class FakeUpstream(Pinned):
    def __init__(self, folder: Path, core: int) -> None:
        super().__init__([sys.executable, "-m", "gateways.upstream"], folder, core, PYTHONPATH=str(HERE))
        self.port = int(self.wait_for(r"port (\d+)"))

    def set(self, events: int, pace_ms: float) -> None:
        self._get(f"/_set?events={events}&pace_ms={pace_ms}")

    def bill(self) -> tuple[dict[tuple[int, int], int], int]:
        """What was charged since it was asked for last, by pairs of tokens; events that it sent late."""
        said = self._get("/_bill")
        return {(prompt, completion): times for prompt, completion, times in said["bill"]}, said["late"]

    def _get(self, path: str) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def tree(pid: int) -> list[int]:
    """The process and all below it."""
    found = [pid]
    for parent in found:
        for children in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, children.read_text(encoding="ascii").split())
    return found


def tree_cpu(pid: int) -> float:
    """Seconds that the tree has used; children that have ended count to a hundredth of a second."""
    total = 0.0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            after_name = Path(f"/proc/{each}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            total += cpu_seconds(each) + (int(after_name[13]) + int(after_name[14])) / TICK
    return total


def tree_peak_mb(pid: int) -> float:
    """The most that each process of the tree has had; shared pages count for each."""
    total = 0.0
    for each in tree(pid):
        with contextlib.suppress(OSError):
            total += memory_mb(each)[1]
    return total


def busy_seconds(cores: tuple[int, ...]) -> float:
    """What anybody has used of these cores since the machine started; also what its host kept from them."""
    total = 0.0
    for line in Path("/proc/stat").read_text(encoding="ascii").splitlines():
        name, *ticks = line.split()
        if name in {f"cpu{core}" for core in cores}:
            user, nice, system, _idle, _wait, hard, soft, stolen = map(int, ticks[:8])
            total += (user + nice + system + hard + soft + stolen) / TICK
    return total


def wait_for_quiet(cores: tuple[int, ...], seconds: float) -> None:
    """Until others use less than a tenth of the cores, but no longer than this."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before, begun = busy_seconds(cores), time.monotonic()
        time.sleep(0.25)
        if busy_seconds(cores) - before < 0.1 * len(cores) * (time.monotonic() - begun):
            return


def until_answered(process: Pinned, port: int, path: str, headers: dict[str, str], body: bytes) -> float:
    """Seconds from the start of the process to its first good answer. Raises Missed."""
    last = "no connection"
    while time.perf_counter() - process.started < 3 * PATIENCE:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            said = answer.read()
            if answer.status == 200 and b"total_tokens" in said:
                return time.perf_counter() - process.started
            last = f"status {answer.status}: {said[:300]!r}"
        except OSError:
            if process.ended():
                break
        finally:
            connection.close()
        time.sleep(0.005)
    raise Missed(f"no answer ({last}); {process.log.read_text(encoding='utf-8', errors='replace')[-500:]}")
