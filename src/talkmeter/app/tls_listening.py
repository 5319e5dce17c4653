"""Listens where TLS is spoken: looks at a connection's first byte, then does the handshake with the certificate of now.

Whoever speaks plain HTTP here is told so (`plain_http`), instead of a connection that breaks off without a word.
"""

import asyncio
import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct

from talkmeter.app.plain_http import PlainHttp
from talkmeter.app.tls import Tls

log = logging.getLogger(__name__)

HANDSHAKE = 0x16  # the first byte of every TLS connection
CLOSE_SECONDS = 5.0  # for the client's own goodbye
PAUSE_SECONDS = 0.5  # when there are too many open files
TOO_MANY = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class HandshakeLimits(Struct, frozen=True):
    """seconds: for the first byte, and again for the handshake. per_address: at a time, before they are through."""

    seconds: float = 10.0
    per_address: int = 512  # 0: no limit


class TlsListener:
    """Accepts until it is closed. The sockets that it was given stay open."""

    def __init__(
        self,
        tls: Tls,
        make_protocol: Callable[[], asyncio.Protocol],
        sockets: Sequence[socket.socket],
        limits: HandshakeLimits,
    ) -> None:
        self._tls = tls
        self._make_protocol = make_protocol
        self._limits = limits
        self._sockets = [one.dup() for one in sockets]
        self._loop = asyncio.get_running_loop()
        self._addresses: Counter[str] = Counter()
        self._greeting: set[asyncio.Task[None]] = set()
        self._accepting = [self._loop.create_task(self._accept(one)) for one in self._sockets]

    def close(self) -> None:
        """At once; connections whose handshake is not done are dropped, all others are not ours any more."""
        for task in (*self._accepting, *self._greeting):
            task.cancel()
        for one in self._sockets:
            self._loop.call_soon(one.close)  # once the tasks that wait for them have let go

    async def wait_closed(self) -> None:
        """As of a server of asyncio."""
        await asyncio.gather(*self._accepting, *self._greeting, return_exceptions=True)

    async def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connected, address = await self._loop.sock_accept(listening)
            except OSError as error:
                if error.errno in TOO_MANY:
                    log.error("not_accepting", extra={"reason": error.strerror})
                    await asyncio.sleep(PAUSE_SECONDS)
                continue  # else a client that has left again
            host = str(address[0])
            if self._limits.per_address and self._addresses[host] >= self._limits.per_address:
                connected.close()
                continue
            self._addresses[host] += 1
            task = self._loop.create_task(self._greet(connected, host))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _greet(self, connected: socket.socket, host: str) -> None:
        try:
            connected.setblocking(False)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = await asyncio.wait_for(first_byte(connected), self._limits.seconds)
            if first == HANDSHAKE:
                await self._shake(connected)
            elif first is None:
                connected.close()
            else:
                await self._loop.connect_accepted_socket(PlainHttp, connected)
        except OSError as error:  # TimeoutError and ssl.SSLError among them
            log.info("tls_handshake_failed", extra={"client": host, "reason": str(error) or type(error).__name__})
            connected.close()
        except asyncio.CancelledError:
            connected.close()
            raise
        finally:
            self._addresses[host] -= 1
            if not self._addresses[host]:
                del self._addresses[host]

    async def _shake(self, connected: socket.socket) -> None:
        await self._loop.connect_accepted_socket(
            self._make_protocol,
            connected,
            ssl=self._tls.context(),
            ssl_handshake_timeout=self._limits.seconds,
            ssl_shutdown_timeout=CLOSE_SECONDS,
        )


async def first_byte(connected: socket.socket) -> int | None:
    """Waits for it and leaves it where it is. None: the client has left. Raises OSError."""
    loop = asyncio.get_running_loop()
    there = asyncio.Event()
    try:
        loop.add_reader(connected.fileno(), there.set)
    except NotImplementedError:  # Windows: who speaks plain HTTP is not told there
        return HANDSHAKE
    try:
        while True:
            await there.wait()
            try:
                data = connected.recv(1, socket.MSG_PEEK)
            except (BlockingIOError, InterruptedError):
                there.clear()
                continue
            return data[0] if data else None
    finally:
        loop.remove_reader(connected.fileno())
