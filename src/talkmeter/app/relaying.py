"""What is said on a TLS connection of a worker, passed on to the main process and back. The encryption stays here."""

import asyncio
import socket
from collections import deque
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from talkmeter.app.control import Addresses


class Relay(asyncio.Protocol):
    """One end of a socket pair, beside the client's connection. Each side reads no faster than the other writes."""

    def __init__(self, client: asyncio.Transport, ours: socket.socket) -> None:
        self._client = client
        self._main: asyncio.Transport | None = None
        self._waiting: deque[bytes] = deque()
        self._closed = False
        loop = asyncio.get_running_loop()
        ours.setblocking(False)
        self._connecting = loop.create_task(self._connect(ours))

    def send(self, data: bytes) -> None:
        """From the client to the main process."""
        if self._main is None:
            self._waiting.append(data)
        elif not self._main.is_closing():
            self._main.write(data)

    def pause(self) -> None:
        """The client does not read."""
        if self._main is not None and not self._main.is_closing():
            self._main.pause_reading()

    def resume(self) -> None:
        if self._main is not None and not self._main.is_closing():
            self._main.resume_reading()

    def close(self) -> None:
        """The client has left."""
        self._closed = True
        if self._main is not None:
            self._main.close()

    async def _connect(self, ours: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: self, ours)
        except OSError:
            ours.close()
            self._client.close()

    # --- the connection to the main process

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._main = cast("asyncio.Transport", transport)
        if self._closed:
            self._main.close()
            return
        while self._waiting:
            self._main.write(self._waiting.popleft())
        self._client.resume_reading()

    def data_received(self, data: bytes) -> None:
        if not self._client.is_closing():
            self._client.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._client.close()

    def pause_writing(self) -> None:
        """The main process does not read."""
        if not self._client.is_closing():
            self._client.pause_reading()

    def resume_writing(self) -> None:
        if not self._client.is_closing():
            self._client.resume_reading()


def relaying(protocol: type[HttpToolsProtocol]) -> type[HttpToolsProtocol]:
    """`protocol`, on whose connection everything goes elsewhere from `begin_relay` on."""

    class Relaying(protocol):  # type: ignore[misc, valid-type]
        relay: Relay | None = None

        def begin_relay(self) -> int:
            """A descriptor of the other end: what it gives is sent to the client, and what the client sends it gets."""
            ours, theirs = socket.socketpair()
            self._disarm()
            self._unset_keepalive_if_required()
            self.relay = Relay(self.transport, ours)
            return theirs.detach()

        def data_received(self, data: bytes) -> None:
            if self.relay is None:
                super().data_received(data)
            else:
                self.relay.send(data)

        def pause_writing(self) -> None:
            super().pause_writing()
            if self.relay is not None:
                self.relay.pause()

        def resume_writing(self) -> None:
            super().resume_writing()
            if self.relay is not None:
                self.relay.resume()

        def connection_lost(self, exc: Exception | None) -> None:
            if self.relay is not None:
                self.relay.close()
            super().connection_lost(exc)

        def shutdown(self) -> None:
            if self.relay is None:  # else the other end decides when it is over
                super().shutdown()

    return Relaying


class Relayed:
    """In the main process: the transport of such a connection, which says where its client is and that it is TLS."""

    def __init__(self, transport: asyncio.Transport, addresses: Addresses) -> None:
        self._transport = transport
        client, server = addresses
        self._facts: dict[str, Any] = {"peername": client, "sockname": server, "socket": None, "sslcontext": True}

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if name in self._facts:
            return self._facts[name]
        return self._transport.get_extra_info(name, default)

    def can_write_eof(self) -> bool:
        """As of TLS."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
