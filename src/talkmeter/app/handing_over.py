"""A worker answers /v1 only, and no WebSocket. A connection on which something else is asked goes to the main process
as it is, with the bytes that have been read: it is the client's own connection there, with its address, its streams and
its limits. A TLS connection cannot change its process: there the worker goes on with the encryption alone and passes on
what is said, see `relaying`.
"""

import os
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talkmeter.app.control import Addresses, peers_of
from talkmeter.app.relaying import Relayed, relaying

PREFIX = b"/v1/"
SOCKETS = b"/v1/responses"  # a GET on this very path is for a WebSocket, and those are the main process's
LONGEST_METHOD = 32  # bytes that are waited for; whatever is longer the main process refuses

# A descriptor of its own, its peers, what has been read, and the addresses of a TLS connection behind it.
HandOver = Callable[[int, str, bytes, Addresses | None], object]


def is_for_programs(data: bytes) -> bool | None:
    """Whether a request that begins like this is one of /v1 for a worker; None: it cannot be told yet."""
    method, space, rest = data.lstrip(b"\r\n").partition(b" ")
    if not space:
        return None if len(method) <= LONGEST_METHOD else False
    if len(rest) < len(PREFIX) and PREFIX.startswith(rest):
        return None
    if method == b"GET":
        if SOCKETS.startswith(rest):
            return None
        if rest.startswith((SOCKETS + b" ", SOCKETS + b"?")):
            return False
    return rest.startswith(PREFIX)


def handing_over(protocol: type[HttpToolsProtocol], hand_over: HandOver) -> type[HttpToolsProtocol]:
    """`protocol`, for a worker."""

    class Worker(relaying(protocol)):  # type: ignore[misc]
        _first = b""

        def data_received(self, data: bytes) -> None:
            if self.relay is not None or not self._between_requests():
                super().data_received(data)
                return
            data = self._first + data
            ours = is_for_programs(data)
            self._first = data if ours is None else b""
            if ours is False:
                self._give(data)
            elif ours:
                super().data_received(data)

        def _between_requests(self) -> bool:
            """Nothing of a request has been read, and nothing is left to be answered or sent."""
            cycle = self.cycle
            return (
                self._reading == "nothing"
                and self._section_bytes == 0
                and not self._refused
                and (cycle is None or cycle.response_complete)
                and not self.pipeline
                and not self.transport.is_closing()
                and (self.scheme == "https" or self.transport.get_write_buffer_size() == 0)  # a relay keeps the order
            )

        def _give(self, data: bytes) -> None:
            self.transport.pause_reading()
            tls = self.scheme == "https"
            try:
                fd = self.begin_relay() if tls else os.dup(self.transport.get_extra_info("socket").fileno())
                try:
                    peers = peers_of(fd)
                except OSError:
                    os.close(fd)
                    raise
            except OSError:  # the client has left, or there are too many open files
                self.transport.close()
                return
            hand_over(fd, peers, data, (self.client, self.server) if tls else None)
            if not tls:
                self.transport.close()

    return Worker


def taking_over(protocol: type[HttpToolsProtocol], workers_answer: Callable[[], bool]) -> type[HttpToolsProtocol]:
    """`protocol`, for the main process beside workers. Its `first` is what has been read of a connection elsewhere.

    Where it answers /v1 it closes the connection after that, so that the next request finds a worker.
    """

    class Main(protocol):  # type: ignore[misc, valid-type]
        first = b""
        relayed: Addresses | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport if self.relayed is None else Relayed(transport, self.relayed))
            if self.first:
                self.data_received(self.first)

        def on_headers_complete(self) -> None:
            super().on_headers_complete()
            if not self._upgraded and self.scope["path"].startswith("/v1/") and workers_answer():
                self.cycle.keep_alive = False

    return Main


def only_programs(programs: ASGIApp) -> ASGIApp:
    """What a worker answers. Anything else can only come behind a request that was not answered yet."""

    async def choose(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            await programs(scope, receive, send)
            return
        body = b"Send this request on a connection of its own.\n"
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 421, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return choose
