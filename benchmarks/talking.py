"""Many people at once at the web door: ask, follow the answer to its end, count what came."""

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
from running import Missed, Server

ENDS = frozenset({"finished", "stopped", "failed", "interrupted"})


@dataclass(frozen=True)
class Answered:
    """One question and its answer, as the reader saw it. deltas: events with text that reached the reader."""

    room_id: str
    end: str
    characters: int
    deltas: int


@dataclass(frozen=True)
class Question:
    """room_id None: a new room, for this model."""

    text: str
    model: str | None = None
    room_id: str | None = None


def talk(server: Server, questions: Sequence[Question], at_once: int) -> list[Answered]:
    """Asks all of them, `at_once` at a time; each is followed to its end. Raises Missed if one does not finish."""
    return asyncio.run(_talk(server, questions, at_once))


async def _talk(server: Server, questions: Sequence[Question], at_once: int) -> list[Answered]:
    turns = asyncio.Semaphore(at_once)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(server.base_url, connector=connector, headers=server.headers) as session:

        async def one(question: Question) -> Answered:
            async with turns:
                return await _converse(session, question)

        return await asyncio.gather(*(one(question) for question in questions))


async def _converse(session: aiohttp.ClientSession, question: Question) -> Answered:
    asked = await _ask(session, question)
    characters = deltas = 0
    async with session.get(f"/api/runs/{asked['run_id']}/events") as events:
        kind = ""
        async for line in events.content:
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: ") and kind == "delta":
                delta = json.loads(line[6:])
                characters = delta["offset"] + len(delta["text"])
                deltas += 1
    if kind != "finished":
        raise Missed(f"An answer ended as {kind!r} after {characters} characters.")
    return Answered(asked["room"]["id"], kind, characters, deltas)


async def _ask(session: aiohttp.ClientSession, question: Question) -> Any:
    body: dict[str, Any] = {"text": question.text, "client_id": os.urandom(12).hex(), "room_id": question.room_id}
    if question.room_id is None:
        body["room"] = {"model": question.model}
    async with session.post("/api/ask", json=body) as answer:
        if answer.status != 202:
            raise Missed(f"A question was answered with {answer.status}: {await answer.text()}")
        return await answer.json()
