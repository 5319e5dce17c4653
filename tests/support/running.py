"""Talkmeter and its simulator as processes of their own, as people run them."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from talkmeter.simulator.pieces import split

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
RESULTS = ROOT / "test-results/browser"  # pictures, not committed
_LINK = re.compile(r"(http://\S+?)/sign-in\?token=\S+")
_SIMULATE = (
    "import sys; from pathlib import Path; from talkmeter.simulator.command import simulate; "
    "simulate('127.0.0.1', int(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), 0)"
)


def said(answer: str, events: int) -> str:
    """What a gated answer has said after so many events; the first only says who speaks."""
    return "".join(split(answer)[: max(0, events - 1)])


class Running:
    """A process that says on standard output when it is ready."""

    def __init__(self, command: list[str], environment: Mapping[str, str], ready: re.Pattern[str]) -> None:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPENAI_", "TALKMETER_"))}
        clean |= {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1", "TALKMETER_GRPC_PORT": "0"} | environment
        self.process = subprocess.Popen(
            [sys.executable, *command], env=clean, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.log: list[str] = []
        self.lines: list[str] = []
        self._found: re.Match[str] | None = None
        self._ready = threading.Event()
        self._readers = [
            threading.Thread(target=self._read_output, args=(ready,), daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self._ready.wait(START_SECONDS)
        if self._found is None:
            self.kill()
            raise RuntimeError(f"{command} did not start:\n" + "".join(self.lines + self.log))
        self.said = self._found

    def _read_output(self, ready: re.Pattern[str]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if self._found is None and (match := ready.search(line)):
                self._found = match
                self._ready.set()
        self._ready.set()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self.log.extend(self.process.stderr)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Without a chance to tidy up."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for reader in self._readers:
            reader.join(5)
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class Server(Running):
    """`talkmeter serve`. origin: where it is; link: signs one browser in, once."""

    def __init__(
        self, data_dir: Path, *options: str, port: int = 0, environment: Mapping[str, str] | None = None
    ) -> None:
        command = ["-m", "talkmeter", "serve", "--no-open", "--host", "127.0.0.1", "--shutdown-seconds", "1"]
        command += ["--port", str(port), "--data-dir", str(data_dir), *options]
        super().__init__(command, environment or {}, _LINK)
        self.data_dir = data_dir
        self.origin = self.said[1]
        self.link = self.said[0]
        self.port = int(self.origin.rpartition(":")[2])

    def new_link(self) -> str:
        """Another one-time link, from the command that gives one."""
        command = [sys.executable, "-m", "talkmeter", "link", "--data-dir", str(self.data_dir)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        match = _LINK.search(done.stdout)
        assert match is not None, done.stdout
        return self.origin + match[0].removeprefix(match[1])


class SimulatorProcess(Running):
    """A simulator apart from the server, with short ways to script it and to read its bill."""

    def __init__(self, bill: Path, *, port: int = 0, tokens_per_second: float = 0) -> None:
        super().__init__(["-c", _SIMULATE, str(port), str(bill), str(tokens_per_second)], {}, re.compile(r"http://\S+"))
        self.base_url = self.said[0]

    def script(self, *faults: dict[str, Any]) -> None:
        self._send("POST", "/_script", list(faults))

    def let_go(self) -> None:
        """Forgets the script and lets everything out that a gate still holds."""
        self._send("DELETE", "/_script")
        if any(row["outcome"] == "running" for row in self.bill(settled=False)):
            self.step(1_000_000)

    def step(self, events: int) -> list[dict[str, Any]]:
        """Lets so many more events of a gated request out; they are on the wire when this returns."""
        return self._send("POST", "/_step", {"events": events})["released"]

    def bill(self, *, settled: bool = True) -> list[dict[str, Any]]:
        """All rows; settled: once no request runs."""
        return self._send("GET", "/_bill?wait=30" if settled else "/_bill")["requests"]

    def row(self, entry_id: str, *, settled: bool = True) -> dict[str, Any]:
        """The one row of the request that this ledger entry stands for."""
        (row,) = [row for row in self.bill(settled=settled) if row["client_request_id"] == entry_id]
        return row

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.base_url.removesuffix("/v1") + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None
