"""The life of one socket, whatever is spoken on it: messages come in, and it ends when its time, its key, its client or
the server does.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from talkmeter.accounts.principals import Principal
from talkmeter.errors import TalkmeterError
from talkmeter.surfaces.websocket.protocol import POLICY, RESTARTING, Socket
from talkmeter.surfaces.websocket.services import Services
from talkmeter.surfaces.websocket.visitor import Visitor, seconds_left

log = logging.getLogger(__name__)

GOING_AWAY, NOT_TEXT = 1001, 1003
LONGEST_TIMER = 24 * 3600.0

Receive = Callable[[], Awaitable[Any]]


class Session(ABC):
    """What is spoken is a subclass's. Made after the handshake, for `run` once."""

    def __init__(self, socket: Socket, visitor: Visitor, services: Services) -> None:
        self.socket = socket
        self.visitor = visitor
        self.services = services
        self.restarting = False
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._end: asyncio.Future[None] | None = None
        self._aside: asyncio.Task[None] | None = None

    @property
    @abstractmethod
    def busy(self) -> bool:
        """Whether something is being answered."""

    @abstractmethod
    async def on_text(self, text: str) -> None:
        """A message of the client. Must not wait for an answer."""

    @abstractmethod
    async def on_left(self) -> None:
        """Nothing can be said any more; returns once nothing is done for this socket any more."""

    @abstractmethod
    def cut_off(self) -> None:
        """The server ends now: what is under way is not waited for."""

    async def run(self, receive: Receive, principal: Principal) -> None:
        """To the end of the socket."""
        self._end = self.visitor.end_of(principal)
        if self._end is not None:
            self._end.add_done_callback(self._no_longer)
        self.socket.on_restart = self._restart
        self._arm("idle", self.services.options.idle_seconds, self._idle)
        self._watch_expiry(principal)
        try:
            while (message := await receive())["type"] == "websocket.receive":
                text = message.get("text")
                if text is None:
                    self.socket.end(NOT_TEXT, "Text messages only.")
                    continue
                self._last = self._loop.time()
                await self.on_text(text)
        except asyncio.CancelledError:
            self.cut_off()
            raise
        finally:
            self.socket.on_restart = None
            for timer in self._timers.values():
                timer.cancel()
            if self._end is not None:
                self._end.remove_done_callback(self._no_longer)
            await self.on_left()

    def calm(self) -> None:
        """Told by a subclass when it has become idle: an end that waited for this comes now."""
        self._last = self._loop.time()
        if self.restarting and not self.busy:
            self.socket.end(RESTARTING, "The server restarts.")

    def _restart(self) -> None:
        self.restarting = True
        self.calm()

    def _no_longer(self, _: object) -> None:
        self.socket.end(POLICY, "This key or user may not connect any more.")

    def _idle(self) -> None:
        limit = self.services.options.idle_seconds
        silent = self._loop.time() - self._last
        if self.busy or silent < limit:
            self._arm("idle", limit if self.busy else limit - silent, self._idle)
        else:
            self.socket.end(GOING_AWAY, "Idle for too long.")

    def _watch_expiry(self, principal: Principal) -> None:
        left = seconds_left(principal)
        if left is not None:
            self._arm("expiry", min(left, LONGEST_TIMER), lambda: self.start(self._expired()))

    async def _expired(self) -> None:
        """The key's time is over, unless it has been given more."""
        try:
            self._watch_expiry(await self.visitor.principal())
        except TalkmeterError:
            self._no_longer(None)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that a timer has begun."""
        self._aside = self._loop.create_task(work)  # the loop itself keeps no task alive

    def _arm(self, name: str, seconds: float, action: Callable[[], object]) -> None:
        self._timers[name] = self._loop.call_later(seconds, action)
