"""A connection without a socket: a test says what arrives, in which pieces, and looks at what leaves."""

import asyncio
import socket
from contextlib import contextmanager
from typing import NamedTuple

from talkmeter.errors import TalkmeterError
from talkmeter.providers.http.connection import Connection
from talkmeter.providers.http.timeouts import Timeouts


class Wire(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.written = b""
        self.paused = False
        self.aborted = False

    def write(self, data):
        assert not self.aborted
        self.written += data

    def get_write_buffer_size(self):
        return 0

    def pause_reading(self):
        assert not self.paused
        self.paused = True

    def resume_reading(self):
        assert self.paused
        self.paused = False

    def is_closing(self):
        return self.aborted

    def abort(self):
        self.aborted = True


class Ended(NamedTuple):
    """What came of an answer. kind: "ended", "waits", or the error's phase; kept: whether the connection is free."""

    status: int
    headers: list
    body: bytes
    kind: str
    kept: bool


class Keeper:
    def __init__(self):
        self.free_ones = []
        self.gone_ones = []

    def free(self, connection):
        self.free_ones.append(connection)

    def gone(self, connection):
        self.gone_ones.append(connection)


@contextmanager
def near_and_far():
    """A socket whose other end is open, for a connection to ask whether anything has come."""
    near, far = socket.socketpair()
    with near, far:
        yield near


async def feed(pieces, *, end=True, method="POST"):
    """Sends a request and lets the pieces arrive; end: then the upstream closes the connection."""
    with near_and_far() as near:
        wire, keeper = Wire(), Keeper()
        connection = Connection(keeper, near.fileno())
        connection.connection_made(wire)
        answer = connection.send(method, b"head", b"", Timeouts())
        for piece in pieces:
            if wire.aborted:
                break
            connection.data_received(piece)
        kept = bool(keeper.free_ones)
        if end and not wire.aborted:
            connection.eof_received()
            connection.connection_lost(None)
        status = answer.status if answer.has_head else 0
        body, kind = b"", "waits"
        while kind == "waits" and (answer.waiting or answer.complete or answer.failure):
            try:
                piece = await answer.read()
            except TalkmeterError as error:
                kind = error.phase
            else:
                body += piece
                kind = kind if piece else "ended"
        answer.close()
        connection.abort()
        assert len(keeper.gone_ones) == 1
        assert len(keeper.free_ones) <= 1
        return Ended(status, list(answer.headers) if status else [], body, kind, kept)
