"""What a worker keeps and what it hands over, and the connection that goes from process to process."""

import asyncio
import os
import socket

import pytest

from talkmeter.app.control import Control, Message, peers_of
from talkmeter.app.handing_over import is_for_programs


@pytest.mark.parametrize(
    ("data", "ours"),
    [
        (b"POST /v1/chat/completions HTTP/1.1\r\n", True),
        (b"\r\nGET /v1/models", True),
        (b"GET /v1/", None),
        (b"POST /v1/", True),
        (b"GET /v1/m", True),
        (b"GET /v1/responses", None),
        (b"GET /v1/responses ", False),
        (b"GET /v1/responses?model=m HTTP/1.1", False),
        (b"GET /v1/responses/resp_1 HTTP/1.1", True),
        (b"GET /v1/responses_more", True),
        (b"POST /v1/responses HTTP/1.1", True),
        (b"GET /v1", None),
        (b"GET /", None),
        (b"GET ", None),
        (b"GE", None),
        (b"", None),
        (b"GET /v2/", False),
        (b"GET /v10", False),
        (b"GET / HTTP/1.1", False),
        (b"GET //v1/models HTTP/1.1", False),
        (b"GET http://localhost/v1/models HTTP/1.1", False),
        (b"\x16\x03\x01" + b"\0" * 40, False),
    ],
)
def test_a_request_is_told_by_its_beginning(data, ours):
    assert is_for_programs(data) is ours


class Ends:
    """Two ends of a control channel, and what each has heard."""

    def __init__(self):
        one, two = socket.socketpair()
        self.heard, self.ended = [], asyncio.Event()
        self.worker = Control(one, lambda *_: None)
        self.main = Control(two, lambda *heard: self.heard.append(heard), self.ended.set)

    async def until(self, count):
        async with asyncio.timeout(60):
            while len(self.heard) < count:
                await asyncio.sleep(0)
        return self.heard


@pytest.fixture
async def ends():
    made = Ends()
    yield made
    made.worker.close()
    made.main.close()


@pytest.fixture
def connections():
    listening = socket.create_server(("127.0.0.1", 0))
    made = [socket.create_connection(listening.getsockname()) for _ in range(3)]
    accepted = [listening.accept()[0] for _ in made]
    yield list(zip(made, accepted, strict=True))
    for one in (listening, *made, *accepted):
        one.close()


def give(ends, accepted, data):
    ends.worker.say(Message(kind="connection", peers=peers_of(accepted.fileno()), data=data), os.dup(accepted.fileno()))


async def test_connections_come_with_what_was_read_of_them(ends, connections):
    sizes = (0, 3, 2_000_000)  # the last does not fit into the socket at once
    for (_, accepted), size in zip(connections, sizes, strict=True):
        give(ends, accepted, b"x" * size)
    heard = await ends.until(3)
    for (client, _), (message, connection), size in zip(connections, heard, sizes, strict=True):
        assert message.data == b"x" * size
        with connection:
            assert connection.getpeername() == client.getsockname()
            assert not connection.get_inheritable()


async def test_a_connection_that_got_lost_is_not_replaced_by_another(ends, connections):
    (_, first), (_, second), _ = connections
    ends.worker.say(Message(kind="connection", peers=peers_of(first.fileno()), data=b"first"))
    give(ends, second, b"second")
    (lost, nothing), (found, connection) = await ends.until(2)
    assert (lost.data, nothing) == (b"first", None)
    with connection:
        assert (found.data, connection.getsockname()) == (b"second", second.getsockname())


async def test_the_end_of_the_other_process_is_noticed(ends, connections):
    ends.worker.close()
    await asyncio.wait_for(ends.ended.wait(), 60)
    ends.main.say(Message(kind="stop"))  # to nobody
    give(ends, connections[0][1], b"")
