"""A client of the ask door."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from support.gate import Gate
from support.raw_http import Answer, RawConnection, exchange

EVENTS = "text/event-stream"


@dataclass
class Event:
    """id: None where the server gives none."""

    id: int | None
    kind: str
    data: dict[str, Any]


def events_of(body: bytes) -> list[Event]:
    """As the standard says, for what our server writes."""
    found = []
    for block in body.decode().split("\n\n"):
        lines = [line.split(": ", 1) for line in block.split("\n") if line and not line.startswith(":")]
        if fields := dict(lines):
            number = fields.get("id")
            found.append(Event(None if number is None else int(number), fields["event"], json.loads(fields["data"])))
    return found


def told(events: list[Event], text: str = "") -> str:
    """What the deltas come to, by their offsets."""
    for event in events:
        if event.kind == "delta":
            text = text[: event.data["offset"]] + event.data["text"]
    return text


class Asker:
    """root: of the server. key: None on this machine."""

    def __init__(self, gate: Gate, key: str | None = None) -> None:
        self.root = gate.root
        self.key = key

    async def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        if self.key is not None:
            named = {"Authorization": f"Bearer {self.key}", **named}
        return await exchange(f"{self.root}{path}", body, method=method, headers=named)

    async def ask(self, prompt: str, conversation_id: str = "new", *, headers: Any = None, **body: Any) -> Answer:
        return await self.call("POST", path_of(conversation_id), {"prompt": prompt, **body}, **(headers or {}))

    async def reply(self, prompt: str, conversation_id: str = "new", **more: Any) -> dict[str, Any]:
        answer = await self.ask(prompt, conversation_id, **more)
        assert answer.status == 200, answer.body
        return answer.json()

    async def history(self, conversation_id: str, query: str = "") -> dict[str, Any]:
        answer = await self.call("GET", path_of(conversation_id) + query)
        assert answer.status == 200, answer.body
        return answer.json()

    async def open(
        self, prompt: str, conversation_id: str = "new", *, headers: Any = None, **body: Any
    ) -> RawConnection:
        """A question whose answer has not been read yet."""
        connection = await RawConnection.open(self.root)
        named = {"Content-Type": "application/json", "Accept": EVENTS, **(headers or {})}
        if self.key is not None:
            named["Authorization"] = f"Bearer {self.key}"
        raw = json.dumps({"prompt": prompt, **body}).encode()
        await connection.send("POST", path_of(conversation_id), raw, named)
        return connection


def path_of(conversation_id: str) -> str:
    return f"/ask/{quote(conversation_id, safe='')}"


def problem_of(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The error, which is there in every generation's words."""
    body = answer.json()
    assert (answer.status, body["error"]["code"]) == (status, code), answer.body
    assert body["response"]
    assert body["detail"]
    assert body["error"]["message"]
    assert body["error"]["message_ko"]
    assert answer.headers["x-request-id"] == body["error"]["request_id"]
    return body
