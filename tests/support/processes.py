"""Talkmeter and the simulator as processes of their own: started, asked, killed as an operator or a power cut would."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

import talkmeter

SOURCE = Path(talkmeter.__file__).resolve().parents[1]
START_SECONDS = 60  # far beyond any start; only keeps a hanging one from hanging the tests


class NotStarted(Exception):
    """The process ended before it was ready. status: its exit status; text: what it printed to standard error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"exit status {status}: {text}")
        self.status = status
        self.text = text


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anybody's settings, in English. No gRPC: its usual port is one for all."""
    unwanted = ("TALKMETER_", "OPENAI_", "LC_", "LANG")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    ours = {"PYTHONPATH": str(SOURCE), "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8", "TALKMETER_GRPC_PORT": "0"}
    return kept | ours | more


@dataclass
class Running:
    """A process that is up. log: the file with its standard error."""

    process: subprocess.Popen[str]
    log: Path

    def kill(self) -> None:
        """SIGKILL, and nothing of it is left."""
        self.process.kill()
        self._reap()

    def terminate(self, seconds: float = 60) -> int:
        """SIGTERM; its exit status. Killed (and an error) if it takes far too long."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds: float = 60) -> int:
        try:
            return self.process.wait(seconds)
        finally:
            self.process.kill()
            self._reap()

    def stop(self) -> None:
        """For the end of a test: whatever state it is in, it is gone then."""
        if self.process.poll() is None:
            self.kill()

    def _reap(self) -> None:
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@dataclass
class Server(Running):
    """`talkmeter serve`. url: without a slash at the end; link: signs one browser in."""

    data_dir: Path
    url: str
    link: str
    printed: list[str] = field(default_factory=list)

    @property
    def token(self) -> str:
        return self.link.partition("token=")[2]

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port


def spawn_server(
    data_dir: Path, upstream: str | None = None, *, flags: tuple[str, ...] = (), key: str = "sk-test", **environ: str
) -> Running:
    """Begins to start a server; see start_server. Its standard error is added to `data_dir.log`."""
    if upstream is not None:
        environ = {"OPENAI_BASE_URL": upstream, "OPENAI_API_KEY": key, **environ}
    arguments = ["serve", "--port", "0", "--no-open", "--data-dir", str(data_dir), *flags]
    return _spawn(["-m", "talkmeter", *arguments], data_dir.with_name(f"{data_dir.name}.log"), environ)


def start_server(data_dir: Path, upstream: str | None = None, **options: Any) -> Server:
    """`talkmeter serve` on a free port, ready to answer. Blocks until then.

    upstream: the base URL of its provider from the environment; None: it runs on the simulator of its own.
    Raises NotStarted.
    """
    running = spawn_server(data_dir, upstream, **options)
    printed = _read_until(running, "  sign in ")
    said = {line[2:12].strip(): line[12:].strip().split("  (")[0] for line in printed if line.startswith("  ")}
    return Server(running.process, running.log, data_dir, said["address"], said["sign in"], printed)


@dataclass
class SimulatorProcess(Running):
    """`talkmeter simulate`. url: the base URL of its API."""

    url: str

    async def bill(self, wait: float = 30) -> dict[str, Any]:
        """The bill, once no request runs any more (at most `wait` seconds; 0: as it is now)."""
        return await self._control("GET", f"/_bill?wait={wait}" if wait else "/_bill")

    async def rows(self, wait: float = 30) -> dict[str, dict[str, Any]]:
        """The bill's rows by our id of the call. Two rows for one call would be one too many."""
        rows = (await self.bill(wait))["requests"]
        found = {row["client_request_id"]: row for row in rows}
        assert len(found) == len(rows), "a call went upstream twice"
        return found

    async def script(self, *faults: dict[str, Any]) -> None:
        await self._control("POST", "/_script", list(faults))

    async def step(self, events: int, wait: float = 30, request: str | None = None) -> list[dict[str, Any]]:
        """request: the id of a row of the bill; None: of all that are held back."""
        body = {"events": events, "wait": wait, "request": request}
        return (await self._control("POST", "/_step", body))["released"]

    async def clear(self) -> None:
        """A clean slate: neither bill nor script."""
        await self._control("DELETE", "/_bill")
        await self._control("DELETE", "/_script")

    async def _control(self, method: str, path: str, body: Any = None) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url.removesuffix("/v1") + path, json=body) as answer,
        ):
            assert answer.status < 300, await answer.text()
            return await answer.json() if answer.status != 204 else None


def start_simulator(bill: Path, tokens_per_second: float = 0) -> SimulatorProcess:
    """The simulator with its bill in a file, by default as fast as it can. Blocks until it can be asked."""
    arguments = ["simulate", "--port", "0", "--bill", str(bill), "--tokens-per-second", str(tokens_per_second)]
    running = _spawn(["-m", "talkmeter", *arguments], bill.with_suffix(".log"), {})
    url = _read_until(running, "http")[-1]
    return SimulatorProcess(running.process, running.log, url)


def command(*arguments: str, typed: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs another command of `talkmeter` to its end. typed: its standard input."""
    return subprocess.run(
        [sys.executable, "-m", "talkmeter", *arguments],
        input=typed,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        env=environment(**environ),
        check=False,
    )


def _spawn(arguments: list[str], log: Path, environ: dict[str, str]) -> Running:
    with log.open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=errors, text=True, env=environment(**environ)
        )
    return Running(process, log)


def _read_until(running: Running, beginning: str) -> list[str]:
    """The lines printed so far, up to and with the one that begins like this. Raises NotStarted."""
    process = running.process
    assert process.stdout is not None
    printed: list[str] = []
    begins_at = running.log.stat().st_size if running.log.exists() else 0
    watchdog = threading.Timer(START_SECONDS, process.kill)
    watchdog.start()
    try:
        for line in process.stdout:
            printed.append(line.rstrip("\n"))
            if line.startswith(beginning):
                return printed
    finally:
        watchdog.cancel()
    status = process.wait()
    process.stdout.close()
    raise NotStarted(status, running.log.read_bytes()[begins_at:].decode())
