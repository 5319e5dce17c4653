"""The HTTP server of a process, and how it is asked to end."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from typing import Any, Protocol, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talkmeter.accounts.settings import Settings
from talkmeter.app.control import Addresses
from talkmeter.app.tls import Tls
from talkmeter.app.tls_listening import HandshakeLimits, TlsListener
from talkmeter.app.wiring import Application

KEEP_ALIVE_SECONDS = 75
LAST_ANSWERS_SECONDS = 3  # for requests that are being answered once all runs have ended
SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Listener(Protocol):
    """What `asyncio.Server` and TlsListener have in common."""

    def close(self) -> None: ...

    async def wait_closed(self) -> None: ...


class Server(uvicorn.Server):
    """Signals are ours: the order of the end matters. tls: what is spoken to clients; None: plain HTTP."""

    def __init__(self, config: uvicorn.Config, tls: Tls | None = None, limits: HandshakeLimits | None = None) -> None:
        super().__init__(config)
        self._tls = tls
        self._limits = limits or HandshakeLimits()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self._tls is None:
            await super().startup(sockets)
            return
        await super().startup([])
        if sockets:
            self.servers.append(cast("asyncio.Server", self._listen_tls(self._tls, sockets)))

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield

    async def adopt(self, connected: socket.socket, first: bytes, addresses: Addresses | None = None) -> None:
        """Goes on with a client's connection. first: what it has sent already. For protocols of `taking_over`.

        addresses: of the TLS connection that a worker has, whose content comes through this one.
        """
        if self.should_exit:
            connected.close()
            return
        connected.setblocking(False)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._protocol(first, addresses), connected
            )
        except OSError:  # the client has left
            connected.close()

    async def stand_in(self, sockets: Sequence[socket.socket]) -> Sequence[Listener]:
        """Answers on these sockets, too, until what it gives is closed. The sockets stay open."""
        if self._tls is not None:
            return [self._listen_tls(self._tls, sockets)]
        loop = asyncio.get_running_loop()
        return [await loop.create_server(self._protocol, sock=one.dup()) for one in sockets]

    def _listen_tls(self, tls: Tls, sockets: Sequence[socket.socket]) -> TlsListener:
        return TlsListener(tls, self._protocol, sockets, self._limits)

    def _protocol(self, first: bytes = b"", addresses: Addresses | None = None) -> asyncio.Protocol:
        kind = cast("type[HttpToolsProtocol]", self.config.http_protocol_class)
        made: Any = kind(self.config, self.server_state, self.lifespan.state)
        if first:
            made.first = first
            made.relayed = addresses
        return cast("asyncio.Protocol", made)


class StopSignal:
    """The first SIGINT or SIGTERM asks to stop, the second ends the process; the next start settles the rest."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, Any] = {}
        for one in SIGNALS:
            self._before[one] = signal.signal(one, self._on_signal)

    async def wait(self) -> None:
        await self._asked.wait()

    def ask(self) -> None:
        """As the first signal does."""
        self._asked.set()

    def restore(self) -> None:
        for one, before in self._before.items():
            signal.signal(one, before)

    def _on_signal(self, number: int, _frame: object) -> None:
        if self._asked.is_set():
            os._exit(128 + number)
        self._loop.call_soon_threadsafe(self._asked.set)


def handshake_limits(settings: Settings) -> HandshakeLimits:
    return HandshakeLimits(settings.get("header_seconds"), settings.get("connections_per_address"))


def server_config(
    application: Application, app: ASGIApp, protocol: type[HttpToolsProtocol], sockets: Any = "none"
) -> uvicorn.Config:
    """sockets: makes the protocol of a WebSocket's connection; a worker has none."""
    seconds = application.accounts.settings.get("shutdown_seconds") + LAST_ANSWERS_SECONDS
    return uvicorn.Config(
        app,
        http=protocol,
        ws=sockets,
        ws_per_message_deflate=False,  # a window of memory for each socket, for a few bytes of text
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # see app.surfaces
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(seconds) + 1,
    )


def calm_collector() -> None:
    """What was made at the start stays: it need not be looked through again and again while a gateway is busy."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
