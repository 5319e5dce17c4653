"""What the main process and a worker say to each other, besides the changes of the ledger: messages, some of them with
a client's connection. Both ends are made before the worker is, so nobody else can ever speak here.
"""

import array
import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

from talkmeter.store.wire import LENGTH, Frames

READ_BYTES = 256 << 10
MOST_FDS = 64  # in one read; each comes with bytes of its own

Address = tuple[str, int | None]
Addresses = tuple[Address | None, Address | None]  # the client's and the server's


class Message(Struct, frozen=True, kw_only=True):
    """kind: `settings`, `stop` and `simulator` to the worker; `ready`, `leaving`, `simulator` and `connection` from it;
    `whose` and `answered` both ways, see answer_owners.

    data: `settings` as JSON values, `simulator`'s base URL, what a client has sent already, or an answer's id.
    peers: of a connection. entry: whose answer it is, empty if that is not known there.
    addresses: of the TLS connection whose content comes through it.
    """

    kind: Literal["settings", "stop", "simulator", "ready", "leaving", "connection", "whose", "answered"]
    data: bytes = b""
    peers: str = ""
    addresses: Addresses | None = None
    entry: bytes = b""
    seconds: float = 0.0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode


class Control:
    """One end. on_message: told of each message, and of the connection that came with it. on_end: the other is gone."""

    def __init__(
        self,
        connected: socket.socket,
        on_message: Callable[[Message, socket.socket | None], object],
        on_end: Callable[[], object] | None = None,
    ) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._on_message = on_message
        self._on_end = on_end
        self._frames = Frames()
        self._fds: dict[str, int] = {}
        self._out: deque[tuple[memoryview, int | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._writing = self._closed = False
        self._loop.add_reader(connected.fileno(), self._readable)

    def say(self, message: Message, fd: int | None = None) -> None:
        """fd: of a connection that goes with it; it is closed once it has been sent."""
        if self._closed:
            if fd is not None:
                os.close(fd)
            return
        body = _encode(message)
        self._out.append((memoryview(LENGTH.pack(len(body)) + body), fd))
        if not self._writing:
            self._writable()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._socket.fileno())
        if self._writing:
            self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        for fd in [*self._fds.values(), *(fd for _, fd in self._out if fd is not None)]:
            os.close(fd)
        self._fds.clear()
        self._out.clear()

    def _writable(self) -> None:
        try:
            while self._out:
                data, fd = self._out[0]
                fds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd is not None else []
                sent = self._socket.sendmsg([data], fds)
                if fd is not None:
                    os.close(fd)
                self._out[0] = data[sent:], None
                if sent == len(data):
                    self._out.popleft()
        except (BlockingIOError, InterruptedError):
            self._write_later(wanted=True)
        except OSError:
            self._end()
        else:
            self._write_later(wanted=False)

    def _write_later(self, *, wanted: bool) -> None:
        if wanted and not self._writing:
            self._loop.add_writer(self._socket.fileno(), self._writable)
        elif self._writing and not wanted:
            self._loop.remove_writer(self._socket.fileno())
        self._writing = wanted

    def _readable(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._socket, READ_BYTES, MOST_FDS)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, fds = b"", []
        for fd in fds:
            self._keep(fd)
        if not data:
            self._end()
            return
        for frame in self._frames.feed(data):
            message = _decode(frame)
            self._on_message(message, self._taken(message))

    def _keep(self, fd: int) -> None:
        """A connection is known by its two ends: should one get lost on the way, none is taken for another."""
        os.set_inheritable(fd, False)
        try:
            peers = peers_of(fd)
        except OSError:  # its client has left already
            os.close(fd)
            return
        if peers in self._fds:
            os.close(self._fds[peers])
        self._fds[peers] = fd

    def _taken(self, message: Message) -> socket.socket | None:
        fd = self._fds.pop(message.peers, None) if message.kind == "connection" else None
        return socket.socket(fileno=fd) if fd is not None else None

    def _end(self) -> None:
        if not self._closed:
            self.close()
            if self._on_end is not None:
                self._on_end()


def peers_of(fd: int) -> str:
    """What no other connection of this machine has at the same time: both ends of TCP, or a number of the system's."""
    looked_at = socket.socket(fileno=fd)
    try:
        if looked_at.family not in (socket.AF_INET, socket.AF_INET6):
            return f"inode {os.fstat(fd).st_ino}"
        return f"{looked_at.getsockname()} {looked_at.getpeername()}"
    finally:
        looked_at.detach()
