"""A browser as far as the page's API can tell: a cookie jar, its own origin, and event streams that it may leave."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

from support.web_house import END_KINDS, Event
from talkmeter.ids import new_id

COOKIE = "talkmeter_session"
# What a server that dies, or was never there, looks like from outside.
GONE = (aiohttp.ClientError, ConnectionError, TimeoutError)


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.json()["error"]["code"]


class Browser:
    """`async with Browser(url) as browser`. cookie: of a session that there is already. Every reply is kept in `seen`
    if `remember` is set.
    """

    def __init__(self, url: str, cookie: str | None = None, *, remember: bool = False) -> None:
        self.url = url
        self._jar = aiohttp.CookieJar()
        if cookie is not None:
            self._jar.update_cookies({COOKIE: cookie}, _as_url(url))
        self._session = aiohttp.ClientSession(
            cookie_jar=self._jar, read_bufsize=1 << 20, timeout=aiohttp.ClientTimeout(total=60)
        )
        self._remember = remember
        self.seen: list[tuple[str, Reply]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._session.close()

    @property
    def cookie(self) -> str:
        """The session of this browser, for the next one."""
        return next(one.value for one in self._jar if one.key == COOKIE)

    async def sign_in(self, link: str) -> str:
        """Opens a one-time link; the session's cookie."""
        async with self._session.get(link, allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (303, "/")
        return self.cookie

    async def send(self, method: str, path: str, body: Any = None, **options: Any) -> Reply:
        """One request as the page would send it."""
        headers = {"Origin": self.url} | options.pop("headers", {}) if method != "GET" else options.pop("headers", {})
        if method != "GET" and "data" not in options:
            options["json"] = {} if body is None else body
        async with self._session.request(
            method, self.url + path, headers=headers, allow_redirects=False, **options
        ) as answer:
            reply = Reply(
                answer.status, {name.lower(): text for name, text in answer.headers.items()}, await answer.read()
            )
        if self._remember:
            self.seen.append((f"{method} {path}", reply))
        return reply

    async def get(self, path: str) -> Any:
        reply = await self.send("GET", path)
        assert reply.status == 200, reply.body
        return reply.json()

    async def ask(self, text: str, room_id: str | None = None, **more: Any) -> dict[str, Any]:
        """Asks; returns once it has been acknowledged."""
        body = {"room_id": room_id, "client_id": new_id("c"), "text": text, **more}
        reply = await self.send("POST", "/api/ask", body)
        assert reply.status == 202, reply.body
        return reply.json()

    async def again(self, question_id: str) -> dict[str, Any]:
        reply = await self.send("POST", f"/api/messages/{question_id}/answer", {"client_id": new_id("c")})
        assert reply.status == 202, reply.body
        return reply.json()

    async def stop(self, run_id: str, mode: str) -> None:
        reply = await self.send("POST", f"/api/runs/{run_id}/stop", {"mode": mode})
        assert reply.status == 202, reply.body

    @asynccontextmanager
    async def following(self, run_id: str, after: int = 0) -> AsyncIterator["Following"]:
        """The run's events as they come; leaving the context closes the connection whatever is still to come."""
        async with self._session.get(f"{self.url}/api/runs/{run_id}/events?after={after}") as answer:
            assert answer.status == 200, await answer.text()
            try:
                yield Following(answer)
            finally:
                answer.close()

    async def events(self, run_id: str, after: int = 0) -> list[Event]:
        """All events up to the end of the run."""
        async with self.following(run_id, after) as following:
            return [event async for event in following]

    async def finish(self, run_id: str) -> Event:
        """Waits for the end of a run; its last event."""
        last = (await self.events(run_id))[-1]
        assert last.kind in END_KINDS, last
        return last


class Following:
    """A reader of an event stream. text: the answer so far, as the page would show it; seq: of the last event."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.text = ""
        self.seq = 0
        self.kinds: list[str] = []

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        fields: dict[str, str] = {}
        async for line in self._answer.content:
            name, colon, value = line.decode().rstrip("\n").partition(": ")
            if colon:
                fields[name] = value
            elif fields:
                return self._take(Event(int(fields["id"]), fields["event"], json.loads(fields["data"])))
        raise StopAsyncIteration

    async def until(self, length: int) -> None:
        """Reads on until the answer has this many code points."""
        while len(self.text) < length:
            await anext(self)

    def _take(self, event: Event) -> Event:
        self.seq = event.id
        self.kinds.append(event.kind)
        if event.kind == "delta":
            self.text = self.text[: event.data["offset"]] + event.data["text"]
        return event


def text_of(events: list[Event]) -> str:
    """The answer's text as a page puts it together from events."""
    text = ""
    for event in events:
        if event.kind == "delta":
            text = text[: event.data["offset"]] + event.data["text"]
    return text


def _as_url(url: str) -> Any:
    from yarl import URL

    return URL(url)
