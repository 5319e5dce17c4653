"""The head of an answer that is written past an application: the server's headers as they are now, then those given."""

import pytest

from talkmeter.surfaces.web.client import Client, WholeRequest


class Transport:
    def __init__(self):
        self.written = b""

    def write(self, data):
        self.written += data


@pytest.fixture
def answer():
    async def answer(default_headers, status=200, lines=b"A: b\r\n", length=0):
        transport = Transport()
        client = Client(WholeRequest(transport, None, default_headers, lambda: None, set()))
        client.start(status, lines, length)
        await client.finish(b"ok" if length != 0 else b"")
        return transport.written

    return answer


async def test_the_server_s_headers_are_those_of_now(answer):
    first, second = [(b"date", b"one")], [(b"date", b"two"), (b"server", b"s")]
    for _ in range(2):
        assert await answer(first) == b"HTTP/1.1 200 OK\r\ndate: one\r\nA: b\r\n\r\n"
    assert await answer(first, 404) == b"HTTP/1.1 404 Not Found\r\ndate: one\r\nA: b\r\n\r\n"
    assert await answer(second) == b"HTTP/1.1 200 OK\r\ndate: two\r\nserver: s\r\nA: b\r\n\r\n"
    assert await answer(first) == b"HTTP/1.1 200 OK\r\ndate: one\r\nA: b\r\n\r\n"
    assert await answer([]) == b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"


async def test_a_header_of_the_server_s_that_could_be_taken_for_two(answer):
    with pytest.raises(ValueError, match="line break"):
        await answer([(b"server", b"a\r\nb: c")])


async def test_what_frames_the_body(answer):
    assert await answer([], length=2) == b"HTTP/1.1 200 OK\r\nA: b\r\n\r\nok"
    chunked = await answer([], length=None)
    assert chunked == b"HTTP/1.1 200 OK\r\nA: b\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
