"""The life of a worker: a process that answers /v1, and for all else leaves the main process to do it.

It reads the database itself, and submits its changes to the main process. Without that process nothing could be
accounted for, so a worker ends at once with it.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable

import msgspec

from talkmeter import logs
from talkmeter.app import tls
from talkmeter.app.answer_owners import MAIN_SECONDS, Asker, answered
from talkmeter.app.control import Addresses, Control, Message
from talkmeter.app.handing_over import handing_over, only_programs
from talkmeter.app.http_server import Server, calm_collector, handshake_limits, loop_factory, server_config
from talkmeter.app.simulating import Simulator
from talkmeter.app.surfaces import programs, protocol
from talkmeter.app.wiring import Application, open_worker
from talkmeter.config import Resolved
from talkmeter.metering.ledger import LedgerEntry

log = logging.getLogger(__name__)

WITHOUT_SERVER = 70  # the exit status, EX_SOFTWARE


def run_worker(ledger: int, control: int, lock: int, *listening: int) -> int:
    """Serves until the main process or SIGTERM says stop. All are numbers of open files. lock: only to be kept open."""
    os.set_inheritable(lock, False)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        return runner.run(_work(*(socket.socket(fileno=fd) for fd in (ledger, control, *listening))))


async def _work(ledger: socket.socket, control: socket.socket, *listening: socket.socket) -> int:
    for one in (ledger, control, *listening):
        one.set_inheritable(False)
        one.setblocking(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the main process says what it means
    main = _MainProcess(control)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, main.stop)
    resolved = Resolved.of_plain(msgspec.json.decode(await main.settings))
    logs.set_up(resolved)
    application = await open_worker(resolved, ledger, _without_server, main.simulator)
    application.own_address.listens(listening)
    main.serves(application)
    try:
        await application.load_prices()
        await _answer(application, main, list(listening))
    finally:
        await application.close()
    return 0


async def _answer(application: Application, main: "_MainProcess", listening: list[socket.socket]) -> None:
    door = programs(application)
    kind = handing_over(protocol(application, door), main.hand_over)
    config = server_config(application, only_programs(door), kind)
    server = Server(config, application.tls, handshake_limits(application.accounts.settings))
    calm_collector()
    serving = asyncio.create_task(server.serve(listening), name="server")
    aside: list[asyncio.Task[None]] = []
    try:
        while not server.started and not serving.done():  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.002)
        main.control.say(Message(kind="ready"))
        aside = [asyncio.create_task(application.begin()), asyncio.create_task(application.watch())]
        if application.tls is not None:
            aside.append(asyncio.create_task(tls.watch(application.tls)))
        await asyncio.wait([serving, asyncio.ensure_future(main.stopped.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        main.control.say(Message(kind="leaving"))
        seconds = application.accounts.settings.get("shutdown_seconds")
        await application.end_runs(seconds if main.grace is None else main.grace)
        for task in aside:
            task.cancel()
        await asyncio.wait([serving])
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*aside)
    serving.result()


class _MainProcess:
    """What the main process is asked and says."""

    def __init__(self, connected: socket.socket) -> None:
        self.settings: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.stopped = asyncio.Event()
        self.grace: float | None = None
        self.simulator_url: asyncio.Future[str] | None = None
        self.control = Control(connected, self._heard, _without_server)
        self._asker = Asker(self.control.say, MAIN_SECONDS)
        self._here: Callable[[str], LedgerEntry | None] | None = None

    def serves(self, application: Application) -> None:
        """From now on both know whose answers the other's clients ask for."""
        answers = application.passing.answers
        answers.others, self._here = self._asker.ask, answers.here

    def stop(self) -> None:
        self.stopped.set()

    def simulator(self, started: Callable[[str], None]) -> Simulator:
        return _MainSimulator(self, started)

    def hand_over(self, fd: int, peers: str, data: bytes, addresses: Addresses | None) -> None:
        self.control.say(Message(kind="connection", peers=peers, data=data, addresses=addresses), fd)

    def _heard(self, message: Message, _connection: socket.socket | None) -> None:
        if message.kind == "settings":
            self.settings.set_result(message.data)
        elif message.kind == "stop":
            self.grace = message.seconds
            self.stopped.set()
        elif message.kind == "whose":
            self.control.say(answered(message.data, self._here(message.data.decode()) if self._here else None))
        elif message.kind == "answered":
            self._asker.heard(message)
        elif message.kind == "simulator" and self.simulator_url is not None and not self.simulator_url.done():
            self.simulator_url.set_result(message.data.decode())


class _MainSimulator:
    """The simulator that runs in the main process."""

    def __init__(self, main: _MainProcess, started: Callable[[str], None]) -> None:
        self._main = main
        self._started = started

    async def start(self) -> str:
        if self._main.simulator_url is None:
            self._main.simulator_url = asyncio.get_running_loop().create_future()
            self._main.control.say(Message(kind="simulator"))
        url = await asyncio.shield(self._main.simulator_url)
        self._started(url)
        return url

    async def stop(self) -> None:
        """The main process ends it."""


def _without_server() -> None:
    """Nothing may be sent now: nobody would keep its entry. What is under way the next start settles."""
    log.error("server_gone")
    os._exit(WITHOUT_SERVER)
