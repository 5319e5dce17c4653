"""Bytes that are no WebSocket, or more of one than anybody may send: each ends that connection and nothing else."""

import asyncio
import struct

import pytest

from support.sockets import SECONDS, open_socket

MASK = b"\1\2\3\4"
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def frame(opcode, payload=b"", *, fin=True, masked=True, reserved=0, length=None):
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    body = bytes(byte ^ MASK[at % 4] for at, byte in enumerate(payload)) if masked else payload
    return head + (MASK if masked else b"") + body


async def opened(gate):
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.sockets_port)
    writer.write(HANDSHAKE)
    async with asyncio.timeout(SECONDS):
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def close_code(reader):
    """Of the close frame with which the server ends; what comes before is passed over."""
    async with asyncio.timeout(SECONDS):
        while True:
            first, second = await reader.readexactly(2)
            size = second
            if second == 126:
                (size,) = struct.unpack("!H", await reader.readexactly(2))
            payload = await reader.readexactly(size)
            if first & 15 == 8:
                return struct.unpack("!H", payload[:2])[0]


BAD = {
    "not masked": (frame(1, b"Hello", masked=False), 1002),
    "a reserved bit": (frame(1, b"Hello", reserved=4), 1002),
    "an unknown opcode": (frame(3, b"Hello"), 1002),
    "an unknown control frame": (frame(11), 1002),
    "a long control frame": (frame(9, b"x" * 126), 1002),
    "a control frame in pieces": (frame(9, b"x", fin=False), 1002),
    "a continuation of nothing": (frame(0, b"Hello"), 1002),
    "a message inside another": (frame(1, b"He", fin=False) + frame(1, b"llo"), 1002),
    "half a close code": (frame(8, b"\3"), 1002),
    "a close code that nobody may send": (frame(8, struct.pack("!H", 1006)), 1002),
    "no UTF-8": (frame(1, b"\xff\xfe"), 1007),
    "half a character": (frame(1, "가".encode()[:2]), 1007),
    "a surrogate": (frame(1, b"\xed\xa0\x80"), 1007),
    "larger than allowed": (frame(1, b"", length=(1 << 20) + 1), 1009),
    "much larger than there is": (frame(1, b"", length=1 << 62), 1009),
    "too large in pieces": (frame(1, b"x" * (1 << 19), fin=False) + frame(0, b"x" * ((1 << 19) + 1)), 1009),
    "too many pieces": (frame(1, b"x", fin=False) + frame(0, b"", fin=False) * 1100, 1009),
    "bytes": (frame(2, b"Hello"), 1003),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_frames(gate, name):
    data, code = BAD[name]
    reader, writer = await opened(gate)
    writer.write(data)
    assert await close_code(reader) == code
    writer.close()
    async with await open_socket(gate) as socket:
        await socket.send("Hello")
        assert (await socket.answer())[1] == "<|end|>"
    assert len(await gate.check_books()) == 1


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT"])
async def test_an_upgrade_is_a_plain_get(gate, method):
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.sockets_port)
    writer.write(HANDSHAKE.replace(b"GET", method.encode()))
    async with asyncio.timeout(SECONDS):
        assert (await reader.readline()).split()[1] == b"426"
    writer.close()


@pytest.mark.parametrize(
    "change",
    [
        (b"sec-websocket-version: 13", b"sec-websocket-version: 12"),
        (b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==", b"sec-websocket-key: short"),
        (b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""),
        (b"upgrade: websocket", b"upgrade: websocket\r\ncookie: " + b"x" * 10_000),
        (b"host: 127.0.0.1", b"host: 127.0.0.1\r\ncontent-length: 3"),
        (b"host: 127.0.0.1", b"host: 127.0.0.1\r\ntransfer-encoding: chunked"),
    ],
    ids=["version", "key", "no key", "headers", "length", "chunked"],
)
async def test_a_handshake_that_is_none_is_refused(gate, change):
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.sockets_port)
    writer.write(HANDSHAKE.replace(*change))
    async with asyncio.timeout(SECONDS):
        status = (await reader.readline()).split()[1]
    assert status in (b"400", b"426"), status
    writer.close()


async def test_an_upgrade_behind_a_request_that_is_still_answered_is_refused(gate):
    gate.simulator.script({"gate": True})
    port = int(gate.root.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"model":"sim-fast","messages":[{"role":"user","content":"x"}],"stream":true}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    writer.write(head + b"content-length: %d\r\n\r\n" % len(body) + body + HANDSHAKE.replace(b"GET /", b"GET /ws"))
    async with asyncio.timeout(SECONDS):
        everything = await reader.read()
    assert b"101" not in everything.partition(b"\r\n")[0]
    assert b"Switching" not in everything
    writer.close()
    await gate.simulator.step(1000, wait=1)


async def test_an_upgrade_behind_a_request_that_was_answered_is_fine(gate):
    port = int(gate.root.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    async with asyncio.timeout(SECONDS):
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        writer.write(HANDSHAKE.replace(b"GET /", b"GET /ws"))
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
        writer.write(frame(9, b"ping"))
        assert await reader.readexactly(6) == b"\x8a\x04ping"
    writer.close()


async def test_a_flood_of_messages_ends_the_socket(gate):
    reader, writer = await opened(gate)
    writer.write(frame(1, b"") * 20_000)
    assert await close_code(reader) == 1008
    writer.close()


async def test_pings_of_who_does_not_read_are_not_answered(gate):
    """Else they would pile up in our memory."""
    _, writer = await opened(gate)
    (one,) = [each for each in gate.server.server_state.connections if hasattr(each, "close_sent")]
    writer.transport.pause_reading()
    ping = frame(9, b"x" * 125)
    most = 0
    for _ in range(200):
        writer.write(ping * 1000)
        await asyncio.sleep(0.005)
        most = max(most, one.transport.get_write_buffer_size())
    assert most < 2 << 20
    writer.transport.abort()
