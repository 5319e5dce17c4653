"""The last words of an answer that breaks off: for a client that reads. One that does not is not waited for."""

import asyncio
import socket
from contextlib import asynccontextmanager

from uvicorn.protocols.http.flow_control import FlowControl

from talkmeter.surfaces.web.client import Client, WholeRequest

PIECE = b"x" * 65_536


class Connection(asyncio.Protocol):
    """As the server's own hands on what its transport says about room."""

    def connection_made(self, transport):
        self.transport = transport
        self.flow = FlowControl(transport)
        self.lost = asyncio.Event()

    def pause_writing(self):
        self.flow.pause_writing()

    def resume_writing(self):
        self.flow.resume_writing()

    def connection_lost(self, exc):
        self.lost.set()


@asynccontextmanager
async def answering(length=None):
    """An answer that has begun, of a length that was promised or not, its connection, and the client's end."""
    near, far = socket.socketpair()
    far.setblocking(False)
    with far:
        _, connection = await asyncio.get_running_loop().create_connection(Connection, sock=near)
        client = Client(WholeRequest(connection.transport, connection.flow, [], lambda: None, set()))
        client.start(200, b"", length)
        yield client, connection, far
        connection.transport.abort()
        await connection.lost.wait()


async def read_all(far):
    """What comes until the connection ends, however it does."""
    came = b""
    async with asyncio.timeout(60):
        try:
            while data := await asyncio.get_running_loop().sock_recv(far, 1 << 20):
                came += data
        except ConnectionError:
            pass
    return came


async def test_who_reads_hears_why_but_no_end():
    async with answering() as (client, _, far):
        assert client.take(b"one")
        await client.break_off(b"error")
        _, body = (await read_all(far)).split(b"\r\n\r\n", 1)
        assert body == b"3\r\none\r\n5\r\nerror\r\n"


async def test_who_does_not_read_is_cut_off_at_once():
    async with answering() as (client, connection, far):
        while client.take(PIECE):
            pass
        assert connection.flow.write_paused
        await client.break_off(b"error")
        async with asyncio.timeout(60):
            await connection.lost.wait()  # though nobody has read what is on the way
        assert b"error" not in await read_all(far)


async def test_a_body_of_a_promised_length_has_no_room_for_last_words():
    async with answering(length=100) as (client, connection, far):
        assert client.take(b"one")
        await client.break_off(b"error")
        await connection.lost.wait()
        assert (await read_all(far)).endswith(b"\r\n\r\none")
