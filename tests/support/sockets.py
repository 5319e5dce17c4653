"""A client of the WebSocket door, by a library that is not the server's own."""

import asyncio
import json
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.gate import Gate

SECONDS = 60  # far beyond what anything here takes; only a hang is ever that long


class Socket:
    """One connection. Every wait fails after a while, with what has come so far."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[str] = []

    async def send(self, message: str | bytes | dict[str, Any]) -> None:
        await self.connection.send(json.dumps(message) if isinstance(message, dict) else message)

    async def frame(self) -> str:
        """The next one. Raises ConnectionClosed."""
        try:
            async with asyncio.timeout(SECONDS):
                found = await self.connection.recv()
        except TimeoutError:
            raise AssertionError(f"nothing came after {self.frames}") from None
        assert isinstance(found, str)
        self.frames.append(found)
        return found

    async def until(self, mark: str) -> list[str]:
        """Frames up to and with the first that begins so."""
        found = [await self.frame()]
        while not found[-1].startswith(mark):
            found.append(await self.frame())
        return found

    async def answer(self) -> tuple[str, str]:
        """The text of one answer, and the frame that ended it."""
        *pieces, last = [await self.frame()]
        while not last.startswith(("<|end|>", "<|err|>")):
            pieces.append(last)
            last = await self.frame()
        return "".join(pieces), last

    async def event(self) -> dict[str, Any]:
        return json.loads(await self.frame())

    async def events(self, *ends: str) -> list[dict[str, Any]]:
        """Up to and with the one that ends a response."""
        wanted = ends or ("response.completed", "response.failed", "response.incomplete", "error")
        found = [await self.event()]
        while found[-1]["type"] not in wanted:
            found.append(await self.event())
        return found

    async def closed(self) -> tuple[int, str]:
        """Code and reason, once the server has closed; what comes before is read."""
        async with asyncio.timeout(SECONDS):
            try:
                while True:
                    self.frames.append(str(await self.connection.recv()))
            except ConnectionClosed as end:
                return (end.rcvd.code, end.rcvd.reason) if end.rcvd is not None else (1006, "")

    async def close(self) -> None:
        await self.connection.close()

    async def drop(self) -> None:
        """Without a word."""
        self.connection.transport.abort()
        async with asyncio.timeout(SECONDS):
            await self.connection.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def open_socket(
    gate: Gate, path: str = "/", *, beside: bool = True, key: str | None = None, **headers: str
) -> Socket:
    """beside: on the port that is for sockets alone. Raises InvalidStatus if it is refused."""
    port = gate.sockets_port if beside else int(gate.root.rpartition(":")[2])
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    if key is not None:
        named["Authorization"] = f"Bearer {key}"
    options: dict[str, Any] = {"origin": named.pop("Origin")} if "Origin" in named else {}
    connection = await connect(
        f"ws://127.0.0.1:{port}{path}",
        additional_headers=named,
        compression=None,
        ping_interval=None,
        open_timeout=SECONDS,
        close_timeout=2,
        max_size=None,
        **options,
    )
    return Socket(connection)


async def open_responses(gate: Gate, **options: Any) -> Socket:
    return await open_socket(gate, "/v1/responses", **{"beside": False, **options})
