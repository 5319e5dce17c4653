"""Who may stand at a TLS port without a handshake: not for long, and not many from one address."""

import asyncio
import ssl

import pytest

from support.certificates import Authority, Files
from talkmeter.app.listening import bind
from talkmeter.app.plain_http import LONGEST_HEAD, answer_to
from talkmeter.app.tls import Tls, TlsFiles
from talkmeter.app.tls_listening import HandshakeLimits, TlsListener


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


class House:
    """A listener that echoes; `port` is where."""

    def __init__(self, folder, limits):
        self.authority = Authority()
        files = Files(folder, self.authority)
        self.sockets = bind("127.0.0.1", 0)
        self.port = self.sockets[0].getsockname()[1]
        self.listener = TlsListener(Tls(TlsFiles(files.cert, files.key)), Echo, self.sockets, limits)

    async def connect(self, **more):
        return await asyncio.open_connection("127.0.0.1", self.port, **more)

    async def echo(self):
        reader, writer = await self.connect(ssl=self.authority.trusting())
        writer.write(b"hello")
        answer = await reader.readexactly(5)
        writer.close()
        return answer

    async def close(self):
        self.listener.close()
        await self.listener.wait_closed()
        for one in self.sockets:
            one.close()


@pytest.fixture
async def house_of(tmp_path):
    made = []

    def make(**limits):
        made.append(House(tmp_path, HandshakeLimits(**limits)))
        return made[-1]

    yield make
    for house in made:
        await house.close()


async def read_all(reader):
    async with asyncio.timeout(30):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def test_who_says_nothing_is_let_go_and_others_are_served_meanwhile(house_of):
    house = house_of(seconds=0.3)
    reader, writer = await house.connect()
    assert await house.echo() == b"hello"
    assert await read_all(reader) == b""
    writer.close()


async def test_who_begins_a_handshake_and_stops_is_let_go(house_of):
    house = house_of(seconds=0.3)
    reader, writer = await house.connect()
    writer.write(b"\x16\x03\x01")
    assert await read_all(reader) == b""
    writer.close()
    assert await house.echo() == b"hello"


@pytest.mark.parametrize("sent", [b"\x00\x01\x02", b"SSH-2.0-x\r\n", b"GET /" + b"x" * (LONGEST_HEAD + 1)])
async def test_what_is_no_http_gets_no_answer(house_of, sent):
    house = house_of()
    reader, writer = await house.connect()
    writer.write(sent)
    assert await read_all(reader) == b""
    writer.close()


async def test_who_waits_for_a_handshake_is_counted_by_address(house_of):
    house = house_of(per_address=2)
    silent = [await house.connect() for _ in range(2)]
    refused, writer = await house.connect()
    assert await read_all(refused) == b""
    writer.close()
    for _, one in silent:
        one.close()
    async with asyncio.timeout(30):
        while True:
            try:
                assert await house.echo() == b"hello"
                break
            except (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.01)  # the two have not been missed yet


async def test_closing_drops_who_is_not_through_and_keeps_who_is(house_of):
    house = house_of()
    through, writer = await house.connect(ssl=house.authority.trusting())
    writer.write(b"one")
    assert await through.readexactly(3) == b"one"
    silent, other = await house.connect()
    await house.echo()  # so that the silent one has been accepted
    await house.close()
    assert await read_all(silent) == b""
    writer.write(b"two")
    assert await through.readexactly(3) == b"two"
    writer.close()
    other.close()


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nAuthorization: Bearer x\r\nHost: a",
        b"GET / HTTP/1.1\r\nCookie: a=b\r\nHost: a",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b",
        b"GET / HTTP/1.1\r\nHost: a/b",
        b"GET / HTTP/1.1\r\nHost: a@b",
        b"GET / HTTP/1.1",
        b"GET //evil.example HTTP/2\r\nHost: a",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: a",
        b"DELETE / HTTP/1.1\r\nHost: a",
    ],
)
def test_only_a_page_that_is_looked_at_is_sent_on(head):
    assert answer_to(head).startswith(b"HTTP/1.1 400 ")


def test_it_is_sent_on_to_the_same_host():
    answer = answer_to(b"HEAD //x HTTP/1.0\r\nAccept: */*\r\nHOST:  [::1]:8640 \r\nX: y")
    assert b"location: https://[::1]:8640//x\r\n" in answer
