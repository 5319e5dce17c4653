"""The workers of a running server, as the operating system knows them; and clients that know which one serves them."""

import asyncio
import json
import socket
from pathlib import Path
from typing import Any, Self

import aiohttp

from support.processes import Server


def children(server: Server) -> list[int]:
    """The process ids of the workers that live now."""
    pid = server.process.pid
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for one in found if b"worker" in Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")]


def holds(pid: int, port: int) -> bool:
    """Whether a process has the server's end of the connection whose client has this port."""
    inodes = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if int(fields[2].rpartition(":")[2], 16) == port:
                inodes.add(f"socket:[{fields[9]}]")
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if str(fd.readlink()) in inodes:
                return True
        except OSError:
            continue
    return False


class Client:
    """One connection to /v1 that stays open. pid: of the process that serves it."""

    def __init__(self, server: Server, key: str | None = None) -> None:
        self._server = server
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, socket_factory=self._socket),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=60),
        )
        self._last: socket.socket | None = None
        self.pid = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def get(self, path: str) -> int:
        async with self._session.get(self._server.url + path) as answer:
            await asyncio.to_thread(self._find)
            await answer.read()
            return answer.status

    async def begin(self, body: dict[str, Any], path: str = "chat/completions") -> aiohttp.ClientResponse:
        """An answer whose body has not been read yet."""
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        answer = await self._session.post(f"{self._server.url}/v1/{path}", data=data, headers=headers)
        await asyncio.to_thread(self._find)
        return answer

    async def call(self, body: dict[str, Any], path: str = "chat/completions") -> tuple[int, bytes]:
        answer = await self.begin(body, path)
        return answer.status, await answer.read()

    def _socket(self, address: Any) -> socket.socket:
        self._last = socket.socket(*address[:3])
        self._last.setblocking(False)
        return self._last

    def _find(self) -> None:
        """In a thread: for a hundred clients it takes seconds, and a connection that waits for its request is closed."""
        if self._last is None or self._last.fileno() < 0:
            return  # it has been closed since
        port = self._last.getsockname()[1]
        self.pid = next((pid for pid in (*children(self._server), self._server.process.pid) if holds(pid, port)), 0)


async def gone(pid: int) -> None:
    """Once a process has ended, whether or not its parent has noticed."""
    async with asyncio.timeout(30):
        while _lives(pid):
            await asyncio.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
