"""Addresses, sockets of the wrong kind, and bytes that mean nothing."""

import random

import pytest
from starlette.requests import Request

from support.web_client import Serve
from support.web_house import House
from talkmeter.surfaces.web.access import is_loopback
from talkmeter.surfaces.web.limits import Gate, GateLimits
from talkmeter.surfaces.web.tries import source_of


def request_from(host: str | None, headers: tuple[tuple[bytes, bytes], ...] = ()) -> Request:
    return Request({"type": "http", "client": None if host is None else (host, 1), "headers": list(headers)})


@pytest.mark.parametrize(
    ("host", "source", "local"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.9.9.9", "127.9.9.9", True),
        ("203.0.113.7", "203.0.113.7", False),
        ("::1", "::/64", True),
        ("::ffff:127.0.0.1", "127.0.0.1", True),
        ("::ffff:203.0.113.7", "203.0.113.7", False),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", False),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64", False),
        ("not an address", "not an address", False),
        (None, "", False),
    ],
)
def test_who_a_client_is(host: str | None, source: str, local: bool):
    assert source_of(request_from(host)) == source
    assert is_loopback(request_from(host)) is local
    assert is_loopback(request_from(host, ((b"x-forwarded-for", b"127.0.0.1"),))) is False


async def test_a_websocket_is_turned_away_before_any_route():
    sent = []

    async def app(scope, receive, send) -> None:
        raise AssertionError("the gate let it through")

    async def send(message) -> None:
        sent.append(message)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    await Gate(app, GateLimits())({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


async def test_an_error_that_no_route_catches_is_answered_by_the_gate(serve: Serve):
    async def app(scope, receive, send) -> None:
        raise RuntimeError("secret inside")

    answer = await (await serve(Gate(app, GateLimits()))).raw(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer is not None
    assert (answer.status, answer.code) == (500, "internal_error")
    assert b"secret" not in answer.body


async def test_the_cursor_of_older_messages_is_needed(house: House):
    answer = await house.send("GET", "/api/rooms/any/messages")
    assert (answer.status, answer.json()["error"]["param"]) == (400, "before")


@pytest.mark.parametrize("seed", range(4))
async def test_mangled_requests_never_hurt_the_server(open_house, seed: int):
    """Real requests with bytes changed, dropped, doubled: an answer below 500 or a closed connection, and life goes on."""
    house: House = await open_house()
    chance = random.Random(seed)
    body = b'{"client_id":"c","text":"a","room_id":"none"}'
    good = (
        b"POST /api/ask HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nContent-Type: application/json\r\n"
        b"Cookie: " + house.cookie.encode() + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
    )
    for _ in range(150):
        data = bytearray(good)
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(data))
            how = chance.randrange(4)
            if how == 0:
                data[at] = chance.randrange(256)
            elif how == 1:
                del data[at : at + chance.randint(1, 30)]
            elif how == 2:
                data[at:at] = data[at : at + chance.randint(1, 60)]
            else:
                data[at:at] = chance.choice(
                    (b"\r\n", b"\0", b"\r\n\r\n", b"\xff", b":", b" ", b"Transfer-Encoding: chunked\r\n")
                )
        reader, writer = await house.served.open()
        writer.write(bytes(data))
        writer.write_eof()
        first = await reader.read(12)
        writer.close()
        assert first == b"" or int(first.split()[1]) < 500, bytes(data)
    assert (await house.send("GET", "/healthz")).body == b"ok"
    assert (await house.get("/api/rooms"))["total"] == 0
