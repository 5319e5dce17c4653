"""Many clients at once that ask for anything, until the gateway is gone; some leave in the middle of an answer."""

import asyncio
import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field

from support.gateway_requests import QUESTION, REQUESTS, Request
from support.raw_http import RawConnection

SPEEDS = ("", "", "@20", "@60", "@200")  # tokens per second: some answers are long on their way
LONGER = (QUESTION, "long 200", "길게 400")
SLOWED = ("sim-fast", "sim-instruct")
# None that lies: what an upstream claims after the kill, against the text that was kept, nobody can know.
FAULTS = (
    "no-usage", "503", "429", "cut-200", "reset-200", "crlf", "one-byte", "split-utf8",
    "no-done", "malformed", "error-in-200", "refuse", "hang-headers", "hang-stream",
)  # fmt: skip
GONE = (OSError, asyncio.IncompleteReadError)


@dataclass
class Crowd:
    """tokens: of the keys that are used, beside none at all. told: the ids of calls that answers have named."""

    url: str
    tokens: dict[str, str]
    choose: random.Random
    sent: int = 0
    over: bool = False
    told: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    left: int = 0

    @property
    def answered(self) -> int:
        """How many answers have begun."""
        return self.statuses.total()

    def come(self, count: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self._client(random.Random(self.choose.random()))) for _ in range(count)]

    async def _client(self, choose: random.Random) -> None:
        """Comes again as long as it is not over: only one of several workers may be gone."""
        while not self.over:
            with suppress(*GONE):
                connection = await RawConnection.open(self.url)
                try:
                    while await self._ask(connection, choose) and not self.over:
                        pass
                finally:
                    connection.abort()
            await asyncio.sleep(0.005)

    async def _ask(self, connection: RawConnection, choose: random.Random) -> bool:
        """One request on a connection that is kept; whether it can be used again."""
        request = choose.choice(REQUESTS)
        leaves = choose.choice(("asked", "head", "middle")) if choose.random() < 0.12 else ""
        await connection.send("POST", f"/v1/{request.path}", _body(request, choose), self._headers(request, choose))
        self.sent += 1
        if leaves != "asked":
            answer = await connection.head()
            self.statuses[answer.status] += 1
            if (call_id := answer.headers.get("x-talkmeter-call-id")) is not None:
                self.told.add(call_id)
            if not leaves:
                await connection.rest()
                return answer.ended == "complete" and answer.headers.get("connection") != "close"
            if leaves == "middle" and answer.headers.get("transfer-encoding") == "chunked":
                await connection.chunk()
        self.left += 1
        return False

    def _headers(self, request: Request, choose: random.Random) -> dict[str, str]:
        headers = {"Content-Type": request.kind}
        name = choose.choice((*self.tokens, ""))
        if name:
            headers["Authorization"] = f"Bearer {self.tokens[name]}"
        if choose.random() < 0.15:
            headers["X-Simulate"] = f'{{"fault": "{choose.choice(FAULTS)}"}}'
        return headers


def _body(request: Request, choose: random.Random) -> bytes:
    body = request.body.replace(QUESTION.encode(), choose.choice(LONGER).encode())
    for model in SLOWED:
        body = body.replace(f'"{model}"'.encode(), f'"{model}{choose.choice(SPEEDS)}"'.encode())
    return body
