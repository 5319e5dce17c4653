"""The simulator inside this process: started when it is first needed, over real HTTP on a loopback port."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from talkmeter.errors import SettingError

if TYPE_CHECKING:
    from talkmeter.simulator import server

BILL_FILE = "simulator-bill.jsonl"


def simulate_alone(
    host: str, port: int, bill: Path | None, tokens_per_second: float, seed: int, *, any_model: bool
) -> None:
    """`talkmeter simulate`: until SIGINT or SIGTERM. Raises SettingError if it cannot listen there."""
    from talkmeter.simulator.command import simulate

    try:
        simulate(host, port, bill, tokens_per_second, seed, any_model=any_model)
    except OSError as error:
        raise SettingError(
            f"The simulator cannot start on {host}, port {port}: {error.strerror or error}.",
            f"시뮬레이터를 {host}의 {port}번 포트에서 시작할 수 없습니다: {error.strerror or error}.",
            hint="Give another --port (0 takes any free one), or another --bill file.",
            hint_ko="다른 --port(0: 빈 포트)나 다른 --bill 파일을 지정하십시오.",
            code="simulator_failed",
        ) from None


class Simulator(Protocol):
    """The simulator of this server, wherever it runs."""

    async def start(self) -> str:
        """Its base URL; starting twice is harmless."""
        ...

    async def stop(self) -> None: ...


class InProcessSimulator:
    """started: told the base URL once it runs."""

    def __init__(self, data_dir: Path, tokens_per_second: float, started: Callable[[str], None]) -> None:
        self._bill = data_dir / BILL_FILE
        self._tokens_per_second = tokens_per_second
        self._started = started
        self._lock = asyncio.Lock()
        self._simulator: server.Simulator | None = None
        self._base_url = ""

    async def start(self) -> str:
        """Its base URL; starting twice is harmless."""
        async with self._lock:
            if self._simulator is None:
                # In a thread: its HTTP server is a large import, and the first page is being answered just then.
                make = await asyncio.to_thread(_simulator)
                simulator = make(self._bill, self._tokens_per_second)
                self._base_url = await simulator.start()
                self._simulator = simulator
                self._started(self._base_url)
            return self._base_url

    async def stop(self) -> None:
        async with self._lock:
            simulator, self._simulator = self._simulator, None
            if simulator is not None:
                await simulator.stop()


def _simulator() -> "type[server.Simulator]":
    from talkmeter.simulator.server import Simulator

    return Simulator
