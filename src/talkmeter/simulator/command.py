"""`talkmeter simulate`: the simulator by itself, until it is told to end."""

import asyncio
import signal
from pathlib import Path

from talkmeter.simulator.server import Simulator


def simulate(
    host: str, port: int, bill_path: Path | None, tokens_per_second: float, seed: int, *, any_model: bool = False
) -> None:
    """Serve until SIGTERM or SIGINT, then write the bill and return.

    Prints the base URL on a line of its own once the simulator can be asked. Raises OSError if it cannot
    listen there or cannot write the bill.
    """
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(Simulator(bill_path, tokens_per_second, seed, any_model=any_model), host, port))


async def _serve(simulator: Simulator, host: str, port: int) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        try:
            loop.add_signal_handler(number, ended.set)
        except NotImplementedError:  # Windows: KeyboardInterrupt ends the runner instead
            signal.signal(number, signal.default_int_handler)
    try:
        print(await simulator.start(host, port), flush=True)
        await ended.wait()
    finally:
        await simulator.stop()


def _loop_factory() -> "type[asyncio.AbstractEventLoop] | None":
    try:
        import uvloop
    except ImportError:  # Windows
        return None
    return uvloop.Loop
