"""Talkmeter behind its door, as the page meets it."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from support.raw_http import exchange
from support.web_client import Answer, Served, close
from talkmeter.app.wiring import Application
from talkmeter.ids import new_id

END_KINDS = ("finished", "stopped", "failed", "interrupted")


@dataclass
class Event:
    id: int
    kind: str
    data: dict[str, Any]


@dataclass
class House:
    """cookie: the owner's session; stranger: a member's."""

    served: Served
    application: Application
    cookie: str
    stranger: str
    stranger_id: str

    async def send(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """As the owner, with `{}` where the page would send it."""
        options.setdefault("cookie", self.cookie)
        if body is None and method != "GET" and "content" not in options:
            body = {}
        return await self.served.send(method, path, body, **options)

    async def get(self, path: str) -> Any:
        answer = await self.send("GET", path)
        assert answer.status == 200, answer.body
        return answer.json()

    async def ask(self, text: str, room_id: str | None = None, **more: Any) -> dict[str, Any]:
        body = {"room_id": room_id, "client_id": new_id("c"), "text": text, **more}
        answer = await self.send("POST", "/api/ask", body)
        assert answer.status == 202, answer.body
        return answer.json()

    async def events(self, run_id: str, after: int = 0, headers: dict[str, str] | None = None) -> list[Event]:
        answer = await self.send("GET", f"/api/runs/{run_id}/events?after={after}", headers=headers)
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        return parse_events(answer.body)

    async def finish(self, run_id: str) -> dict[str, Any]:
        """Waits for the end of a run; what the page is told then."""
        last = (await self.events(run_id))[-1]
        assert last.kind in END_KINDS
        return last.data

    async def upload(self, data: bytes, name: str = "a.png") -> Answer:
        headers = {"Content-Type": "image/png", "X-File-Name": name}
        return await self.served.send("POST", "/api/attachments", content=data, headers=headers, cookie=self.cookie)

    async def gate(self) -> Callable[[int], Awaitable[None]]:
        """The next answer of the built-in simulator comes event by event: `await step(3)` lets three out."""
        root = (await self.application.simulator.start()).removesuffix("/v1")
        await exchange(f"{root}/_script", [{"gate": True}])

        async def step(events: int) -> None:
            told = await exchange(f"{root}/_step", {"events": events})
            assert told.json()["released"]

        return step

    async def follow_until(self, run_id: str, word: bytes) -> None:
        """Reads a run's events until a word has come, then leaves without a word."""
        reader, writer = await self.served.open()
        head = f"GET /api/runs/{run_id}/events HTTP/1.1\r\nHost: {self.served.host}\r\nCookie: {self.cookie}\r\n\r\n"
        writer.write(head.encode())
        async with asyncio.timeout(60):
            await reader.readuntil(word)
        await close(writer)


def parse_events(body: bytes) -> list[Event]:
    """As the standard says, for what our server writes: one id, event and data line each."""
    events = []
    for block in body.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":") and line)
        if fields:
            events.append(Event(int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return events
