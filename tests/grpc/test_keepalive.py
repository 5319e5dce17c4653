"""Pings, frame by frame: who pings too often is cut off with a reason, who is patient stays, and who is dead is gone."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from support.grpc_house import grpc_house
from talkmeter.surfaces.grpc import server

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, GOAWAY = 4, 6, 7
ACK = 1
ENHANCE_YOUR_CALM = 0xB
SECONDS = 60  # only a hang is ever that long


class Wire:
    """An HTTP/2 connection without any call on it."""

    def __init__(self, reader, writer):
        self._reader = reader
        self._writer = writer

    async def send(self, kind, payload=b"", flags=0):
        self._writer.write(len(payload).to_bytes(3) + bytes([kind, flags]) + bytes(4) + payload)
        await self._writer.drain()

    async def frame(self):
        """Kind, flags and payload of the next one. Raises IncompleteReadError at the end."""
        async with asyncio.timeout(SECONDS):
            head = await self._reader.readexactly(9)
            return head[3], head[4], await self._reader.readexactly(int.from_bytes(head[:3]))

    async def pinged(self, number):
        """Whether a ping was answered: its GOAWAY's error and words if the server lets go instead."""
        await self.send(PING, number.to_bytes(8))
        while True:
            kind, flags, payload = await self.frame()
            if kind == GOAWAY:
                return int.from_bytes(payload[4:8]), payload[8:].decode()
            if kind == PING and flags & ACK and int.from_bytes(payload) == number:
                return None


@asynccontextmanager
async def connected(house):
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    wire = Wire(reader, writer)
    try:
        writer.write(PREFACE)
        await wire.send(SETTINGS)
        yield wire
    finally:
        writer.close()


async def test_who_goes_on_pinging_too_often_is_told_to_calm_down(house):
    async with connected(house) as wire:
        answers = [await wire.pinged(0)]
        while answers[-1] is None:
            answers.append(await wire.pinged(len(answers)))
        assert answers[-1] == (ENHANCE_YOUR_CALM, "too_many_pings")
        assert 1 <= len(answers) - 1 <= 4, "the first counts for nothing, and two that come too early are forgiven"
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            while True:
                await wire.frame()


async def test_who_pings_as_often_as_is_allowed_stays(tmp_path, monkeypatch):
    """Also without a call: what holds a connection open through a firewall is not abuse."""
    monkeypatch.setattr(server, "CLIENTS_PING_SECONDS", 0.2)
    async with grpc_house(tmp_path) as house, connected(house) as wire:
        for number in range(8):
            assert await wire.pinged(number) is None, number
            await asyncio.sleep(0.3)  # at least: the next one comes so long after the answer to this


async def test_a_silent_connection_is_asked_whether_it_still_lives(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "KEEPALIVE_SECONDS", 1)
    monkeypatch.setattr(server, "KEEPALIVE_ANSWER_SECONDS", 1)
    async with grpc_house(tmp_path) as house, connected(house) as wire:
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            kinds = []
            while True:  # nothing is answered, as by a machine that has gone
                kind, flags, _ = await wire.frame()
                kinds += [kind] if not flags & ACK else []
        assert PING in kinds
