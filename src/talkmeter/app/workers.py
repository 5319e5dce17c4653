"""The main process's view of its workers: starts them, writes for them, settles for those that die, ends them in order.

A worker's listening sockets are kept open here. While it is not there, the main process answers on them itself, so no
connection waits for a worker that has to be started again.
"""

import asyncio
import contextlib
import logging
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import msgspec

from talkmeter.app.answer_owners import WORKER_SECONDS, Asker, answered
from talkmeter.app.control import Control, Message
from talkmeter.app.http_server import LAST_ANSWERS_SECONDS, Listener, Server
from talkmeter.app.wiring import Application
from talkmeter.metering.ledger import LedgerEntry

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0  # seconds before a worker that has ended is started again
STEADY_SECONDS = 30.0  # who has lived as long starts again without a longer pause
AFTER_GRACE_SECONDS = LAST_ANSWERS_SECONDS + 7  # to settle and to end


class Workers:
    """shares: the listening sockets of each. lock_fd: inherited by all, see occupancy.WorkersLock."""

    def __init__(self, application: Application, shares: Sequence[Sequence[socket.socket]], lock_fd: int) -> None:
        self._answers = application.passing.answers
        self._answers.others = self._ask_others
        self._all = [
            _Worker(number, application, sockets, lock_fd, self._ask_others) for number, sockets in enumerate(shares, 1)
        ]
        self._tasks: list[asyncio.Task[None]] = []

    def answer(self) -> bool:
        """Whether any of them is there."""
        return any(worker.ready for worker in self._all)

    async def _ask_others(self, answer_id: str, asking: "_Worker | None" = None) -> LedgerEntry | None:
        """Whose answer this is, as far as it is known in this process or in a worker that is not the one that asks."""
        found = self._answers.here(answer_id)
        if found is None:
            others = [worker.asker.ask(answer_id) for worker in self._all if worker.ready and worker is not asking]
            found = next((told for told in await asyncio.gather(*others) if told is not None), None)
        return found

    async def start(self, server: Server) -> None:
        """Waits until each of them answers, or has failed to once. server: the main process's, which runs."""
        for worker in self._all:
            self._tasks.append(asyncio.create_task(worker.keep(server), name=f"worker {worker.number}"))
        await asyncio.gather(*(worker.started.wait() for worker in self._all))

    async def stop(self, grace: float) -> None:
        """Nothing new is accepted; what is under way gets `grace` seconds. Returns once everything is settled."""
        for worker in self._all:
            worker.stop(grace)
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=grace + AFTER_GRACE_SECONDS)
        for worker in self._all:
            worker.kill()
        if late:
            await asyncio.wait(late)


class _Worker:
    def __init__(
        self,
        number: int,
        application: Application,
        sockets: Sequence[socket.socket],
        lock_fd: int,
        ask_others: Callable[[str, "_Worker"], Awaitable[LedgerEntry | None]],
    ) -> None:
        self.number = number
        self.asker = Asker(self._say, WORKER_SECONDS)
        self._ask_others = ask_others
        self.ready = False
        self.started = asyncio.Event()
        self._application = application
        self._sockets = sockets
        self._lock_fd = lock_fd
        self._server: Server | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._control: Control | None = None
        self._stopping = asyncio.Event()
        self._standing: Sequence[Listener] = ()
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    async def keep(self, server: Server) -> None:
        """One life after the other, until it is told to stop."""
        self._server = server
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            await self._stand_in(wanted=True)
            status, left_open = await self._live()
            self.ready = False
            await self._stand_in(wanted=not self._stopping.is_set())
            settled = await self._application.settle_for(left_open) if left_open else 0
            if status != 0 or settled:
                log.error("worker_ended", extra={"worker": self.number, "status": status, "settled": settled})
            self.started.set()
            pause = FIRST_PAUSE if time.monotonic() - began > STEADY_SECONDS else min(pause * 2, LONGEST_PAUSE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
        await self._stand_in(wanted=False)

    def stop(self, grace: float) -> None:
        self._stopping.set()
        self.started.set()
        self._say(Message(kind="stop", seconds=grace))
        self._aside(self._stand_in(wanted=False))
        for one in self._sockets:
            one.close()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            log.error("worker_killed", extra={"worker": self.number})
            self._process.kill()

    async def _live(self) -> tuple[int | None, frozenset[str]]:
        """One process from its start to its end: its exit status, and the entries that it left open."""
        ours = socket.socketpair(), socket.socketpair()
        (ledger, their_ledger), (control, their_control) = ours
        fds = [one.fileno() for one in (their_ledger, their_control)] + [self._lock_fd]
        fds += [one.fileno() for one in self._sockets]
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "talkmeter", "worker", *map(str, fds)),
                pass_fds=fds,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=None if "stdout" in self._application.resolved.get("log_to") else asyncio.subprocess.DEVNULL,
            )
        except (OSError, ValueError) as error:  # ValueError: the sockets were closed by `stop` just now
            log.error("worker_not_started", extra={"worker": self.number, "reason": str(error)})
            ledger.close()
            control.close()
            return None, frozenset()
        finally:
            their_ledger.close()
            their_control.close()
        self._process = process
        try:
            submissions = await self._application.store.write_for(ledger)
        except OSError as error:
            log.error("worker_not_connected", extra={"worker": self.number, "reason": str(error)})
            ledger.close()
            control.close()
            return await process.wait(), frozenset()  # which it ends by, having nobody to write for it
        self._control = Control(control, self._heard)
        self._say(Message(kind="settings", data=msgspec.json.encode(self._application.resolved.plain())))
        if self._stopping.is_set():
            self._say(Message(kind="stop"))
        status = await process.wait()
        left_open = await submissions.gone
        self._control.close()
        return status, left_open

    def _heard(self, message: Message, connection: socket.socket | None) -> None:
        if message.kind == "connection":
            if connection is not None and self._server is not None:
                self._aside(self._server.adopt(connection, message.data, message.addresses))
        elif message.kind == "simulator":
            self._aside(self._start_simulator())
        elif message.kind == "whose":
            self._aside(self._tell_whose(message.data))
        elif message.kind == "answered":
            self.asker.heard(message)
        elif message.kind in ("ready", "leaving") and not self._stopping.is_set():
            self.ready = message.kind == "ready"
            self._aside(self._stand_in(wanted=not self.ready))
            if self.ready:
                pid = self._process.pid if self._process is not None else None
                log.info("worker_ready", extra={"worker": self.number, "pid": pid})
                self.started.set()

    def _say(self, message: Message) -> None:
        if self._control is not None:
            self._control.say(message)

    async def _tell_whose(self, answer_id: bytes) -> None:
        self._say(answered(answer_id, await self._ask_others(answer_id.decode(), self)))

    async def _start_simulator(self) -> None:
        url = await self._application.simulator.start()
        self._say(Message(kind="simulator", data=url.encode()))

    async def _stand_in(self, *, wanted: bool) -> None:
        async with self._changing:
            if wanted and not self._standing and not self._stopping.is_set() and self._server is not None:
                try:
                    self._standing = await self._server.stand_in(self._sockets)
                except OSError as error:  # too many open files, say; the worker's clients wait until it is back
                    log.error("not_standing_in", extra={"worker": self.number, "reason": str(error)})
            elif not wanted:
                for one in self._standing:
                    one.close()
                self._standing = ()

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
