"""A client of each door, alike from outside: it asks, hears what it is told, is let go or leaves, and follows again."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, ClassVar

import grpc
from websockets.exceptions import ConnectionClosed

from support.asking import EVENTS, Asker, events_of
from support.browser import GONE, Browser
from support.every_door import MODEL, House
from support.grpc_house import Client as GrpcClient
from support.grpc_house import details_of
from support.raw_http import RawConnection
from support.sockets import Socket, open_responses, open_socket
from talkmeter.ids import new_id

ENDS = ("finished", "interrupted", "restarting")  # of what a client can be told here
STATUSES = {"complete": "finished", "interrupted": "interrupted"}  # of a kept message → how its answer ended


class DoorClient(ABC):
    """text: of the answer, as far as it was told. end: `finished`, `interrupted` or `restarting`; empty: it was told of
    none. conversation_id: where it asks.
    """

    surface: ClassVar[str]
    follows: ClassVar[bool] = True

    def __init__(self, house: House, prompt: str, conversation_id: str | None = None) -> None:
        self.house = house
        self.prompt = prompt
        self.conversation_id = conversation_id or new_id("c")
        self.text = ""
        self.end = ""
        self.seq = 0
        self._task: asyncio.Task[None] | None = None

    async def ask(self) -> None:
        """Returns once the server has the question."""
        await self._open()
        self._task = asyncio.create_task(self._read())

    async def heard(self) -> None:
        """Until the server lets go of it."""
        assert self._task is not None
        await self._task

    async def leave(self) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        await self.close()

    @abstractmethod
    async def _open(self) -> None: ...

    @abstractmethod
    async def _read(self) -> None: ...

    @abstractmethod
    async def close(self) -> None: ...

    async def again(self, house: House) -> None:
        """Follows on from the last piece that it was told, at the server as it is now; for those that `follows`."""
        raise NotImplementedError

    def _delta(self, seq: int, offset: int, text: str) -> None:
        assert offset <= len(self.text), "a piece is missing"
        self.text, self.seq = self.text[:offset] + text, seq


class Page(DoorClient):
    surface = "web"
    cookie = ""  # of the session that all pages share

    async def _open(self) -> None:
        self._browser = Browser(self.house.server.url, self.cookie)
        where: dict[str, Any] = {"room": {"model": MODEL}}
        if self.conversation_id.startswith("room"):
            where = {"room_id": self.conversation_id}
        asked = await self._browser.ask(self.prompt, **where)
        self.run_id, self.conversation_id = asked["run_id"], asked["room"]["id"]

    async def _read(self) -> None:
        with suppress(*GONE):
            await self._follow(self._browser)

    async def close(self) -> None:
        await self._browser.close()

    async def again(self, house: House) -> None:
        async with Browser(house.server.url, self.cookie) as browser:
            await self._follow(browser)

    async def _follow(self, browser: Browser) -> None:
        async with browser.following(self.run_id, self.seq) as following:
            async for event in following:
                assert event.id > self.seq or event.kind == "restarting"
                if event.kind == "delta":
                    self._delta(event.id, event.data["offset"], event.data["text"])
                if event.kind in ENDS:
                    self.end = event.kind


class Ask(DoorClient):
    surface = "ask"

    async def _open(self) -> None:
        self._connection = await Asker(self.house).open(self.prompt, self.conversation_id)
        await self._connection.head()
        await self._connection.chunk()
        self.run_id = events_of(self._connection.answer.body)[0].data["run_id"]

    async def _read(self) -> None:
        await self._follow(self._connection)

    async def close(self) -> None:
        await self._connection.close()

    async def again(self, house: House) -> None:
        connection = await RawConnection.open(house.root)
        headers = {"Accept": EVENTS, "Last-Event-ID": str(self.seq)}
        await connection.send("GET", f"/ask/{self.conversation_id}?run_id={self.run_id}", b"", headers)
        assert (await connection.head()).status == 200
        await self._follow(connection)
        await connection.close()

    async def _follow(self, connection: RawConnection) -> None:
        with suppress(*GONE, asyncio.IncompleteReadError):
            while connection.answer.ended == "open":
                self._take(connection.answer.body)
                await connection.chunk()
        self._take(connection.answer.body)

    def _take(self, body: bytes) -> None:
        for event in events_of(body[: body.rfind(b"\n\n") + 2]):
            if event.kind == "delta" and event.id is not None and event.id > self.seq:
                self._delta(event.id, event.data["offset"], event.data["text"])
            if event.kind in ENDS:
                self.end = event.kind


async def from_history(client: DoorClient, house: House) -> None:
    """For doors whose clients look into the conversation: the answer as it is kept, once it is decided."""
    async with asyncio.timeout(60):
        while True:
            messages = (await Asker(house).history(client.conversation_id))["messages"]
            (question,) = [one for one in messages if one["role"] == "user" and one["text"] == client.prompt]
            (answer,) = [one for one in messages if one["parent_id"] == question["id"]]
            if answer["status"] not in ("queued", "streaming"):
                break
            await asyncio.sleep(0.05)
    assert answer["text"].startswith(client.text)
    client.text, client.end = answer["text"], STATUSES.get(answer["status"], answer["status"])


async def frames_of(one: Socket) -> AsyncIterator[str]:
    """Until the server says that it restarts."""
    with suppress(ConnectionClosed):
        while True:
            yield str(await one.connection.recv())
    assert one.connection.close_code == 1012


class Dialect(DoorClient):
    surface = "websocket"

    async def _open(self) -> None:
        self._socket = await open_socket(self.house)
        await self._socket.send(f"<|ask|>${self.conversation_id}$new${self.prompt}")

    async def _read(self) -> None:
        async for frame in frames_of(self._socket):
            if frame.startswith("<|end|>"):
                self.end = "finished"
            elif frame.startswith("<|err|>"):
                self.end = "restarting" if "continues after restart" in frame else "interrupted"
                assert self.end in frame or "continues" in frame, frame
            else:
                self.text += frame

    async def close(self) -> None:
        await self._socket.close()

    async def again(self, house: House) -> None:
        await from_history(self, house)


class Chat(DoorClient):
    surface = "grpc"

    async def _open(self) -> None:
        self._channel, client = channel_to(self.house)
        self._call = client.ask(self.prompt, conversation_id=self.conversation_id)
        await self._call.initial_metadata()

    async def _read(self) -> None:
        async def read() -> None:
            async for piece in self._call:
                text, mark, _ = piece.response.partition("<|end|>")
                self.text += text
                self.end = "finished" if mark else ""

        await told_why(self, read())

    async def close(self) -> None:
        await self._channel.close()

    async def again(self, house: House) -> None:
        await from_history(self, house)


class Conversations(DoorClient):
    surface = "grpc"
    KINDS: ClassVar[dict[int, str]] = {1: "finished", 4: "interrupted"}

    async def _open(self) -> None:
        self._channel, client = channel_to(self.house)
        asking = client.call("talkmeter.v1.Conversations/Ask", prompt=self.prompt, conversation_id=self.conversation_id)
        self._call = asking
        self.run_id = (await asking.read()).event.begun.run_id

    async def _read(self) -> None:
        await told_why(self, self._take(self._call))

    async def close(self) -> None:
        await self._channel.close()

    async def again(self, house: House) -> None:
        channel, client = channel_to(house)
        async with channel:
            await self._take(client.call("talkmeter.v1.Conversations/Follow", run_id=self.run_id, after_seq=self.seq))

    async def _take(self, call: Any) -> None:
        while (reply := await call.read()) is not grpc.aio.EOF:
            event = reply.event
            if event.HasField("delta"):
                self._delta(event.seq, event.delta.offset, event.delta.text)
            if event.HasField("ended"):
                self.end = self.KINDS[event.ended.status]


def channel_to(house: House) -> tuple[grpc.aio.Channel, GrpcClient]:
    channel = grpc.aio.insecure_channel(house.grpc_target, options=[("grpc.use_local_subchannel_pool", 1)])
    return channel, GrpcClient(channel)


async def told_why(client: DoorClient, reading: Any) -> None:
    """To the end of a call; the error that ends it says which end it is."""
    try:
        await reading
    except grpc.aio.AioRpcError as error:
        reason = details_of(error)["ErrorInfo"].reason
        client.end = {"interrupted": "interrupted", "continues_after_restart": "restarting"}[reason]


class Responses(DoorClient):
    surface = "websocket"
    follows = False

    async def _open(self) -> None:
        self._socket: Socket = await open_responses(self.house)
        await self._socket.send({"type": "response.create", "model": MODEL, "input": self.prompt})

    async def _read(self) -> None:
        async for frame in frames_of(self._socket):
            event = json.loads(frame)
            if event["type"] == "response.output_text.delta":
                self.text += event["delta"]
            elif event["type"] in ("response.completed", "error"):
                self.end = "finished" if event["type"] == "response.completed" else "interrupted"

    async def close(self) -> None:
        await self._socket.close()


class Program(DoorClient):
    """Of `/v1/chat/completions`."""

    surface = "openai"
    follows = False

    async def _open(self) -> None:
        body = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": self.prompt}]}
        self._connection = await RawConnection.open(self.house.root)
        headers = {"Content-Type": "application/json"}
        await self._connection.send("POST", "/v1/chat/completions", json.dumps(body).encode(), headers)

    async def _read(self) -> None:
        answer = await self._connection.head()
        assert answer.status == 200
        with suppress(*GONE, asyncio.IncompleteReadError):
            while answer.ended == "open":
                await self._connection.chunk()
                self.text = answer.text
        self.end = "finished" if answer.body.endswith(b"data: [DONE]\n\n") else "interrupted"

    async def close(self) -> None:
        await self._connection.close()
