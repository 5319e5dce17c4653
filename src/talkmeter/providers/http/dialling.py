"""From a host's name to a connected socket: every address it has, the next one soon when one does not answer."""

import asyncio
import socket
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Any

NEXT_AFTER_SECONDS = 0.25  # Happy Eyeballs, RFC 8305
MOST_ADDRESSES = 16

Address = tuple[int, int, int, str, Any]


async def dial(host: str, port: int) -> socket.socket:
    """A connected socket, not blocking, without Nagle's delay. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = in_turn(found)[:MOST_ADDRESSES]
    if not addresses:
        raise socket.gaierror(socket.EAI_NONAME, "no address")
    if len(addresses) == 1:
        return await _connect(addresses[0])
    return await _race(addresses)


def in_turn(found: Sequence[Any]) -> list[Any]:
    """The addresses of one family and the others' by turns, beginning with the family that came first. Pure."""
    first = [one for one in found if one[0] == found[0][0]]
    others = [one for one in found if one[0] != found[0][0]]
    return [one for one in chain.from_iterable(zip_longest(first, others)) if one is not None]


async def _connect(address: Address) -> socket.socket:
    family, kind, protocol, _, where = address
    made = socket.socket(family, kind, protocol)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        await asyncio.get_running_loop().sock_connect(made, where)
    except BaseException:
        made.close()
        raise
    return made


async def _race(addresses: list[Address]) -> socket.socket:
    """The first to connect; the others are closed. Raises the error of the last that failed."""
    loop = asyncio.get_running_loop()
    waiting = list(reversed(addresses))
    running: set[asyncio.Task[socket.socket]] = set()
    error: OSError | None = None
    won: socket.socket | None = None
    try:
        while waiting or running:
            if waiting:
                running.add(loop.create_task(_connect(waiting.pop()), name="dial"))
            done, running = await asyncio.wait(
                running,
                timeout=NEXT_AFTER_SECONDS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                try:
                    made = task.result()
                except OSError as failed:
                    error = failed
                    continue
                if won is None:
                    won = made
                else:
                    made.close()
            if won is not None:
                return won
    finally:
        await _give_up(running)
    assert error is not None
    raise error


async def _give_up(running: set[asyncio.Task[socket.socket]]) -> None:
    for task in running:
        task.cancel()
    for late in await asyncio.gather(*running, return_exceptions=True):
        if isinstance(late, socket.socket):
            late.close()
