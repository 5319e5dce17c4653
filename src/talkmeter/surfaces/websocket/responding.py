"""OpenAI's Responses WebSocket mode: `response.create` asks, the events of the answer come back.

Requests with the same `stream_id` form a lane and are answered in their order; lanes go on beside each other.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Any

from talkmeter.conversation.gateway.headers import upstream_headers
from talkmeter.conversation.gateway.problems import error_object
from talkmeter.errors import BadInput, NotFound, TalkmeterError
from talkmeter.surfaces.websocket.client_events import Cancel, Create, read_event
from talkmeter.surfaces.websocket.continuing import Memory
from talkmeter.surfaces.websocket.protocol import SocketClosed
from talkmeter.surfaces.websocket.reply import Reply
from talkmeter.surfaces.websocket.server_events import Events, error_event
from talkmeter.surfaces.websocket.session import GOING_AWAY, Session

MOST_LANES = 32  # that have a name, over a socket's life
MOST_AT_ONCE = 16
MOST_WAITING = 64  # under way ones included
_ADDED = ((b"content-type", b"application/json"), (b"accept", b"text/event-stream"))


class Responding(Session):
    """headers: of the handshake; what of them goes on to the provider does so with each request."""

    def __init__(self, *args: Any) -> None:
        *rest, headers = args
        super().__init__(*rest)
        self.memory = Memory(self.services.options.remembered_bytes)
        self.headers = _headers(headers)
        self._lanes: dict[str | None, deque[Reply]] = {}
        self._named: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._aged = False
        self._arm("age", self.services.options.session_seconds, self._age)

    @property
    def busy(self) -> bool:
        return bool(self._lanes)

    async def say(self, text: str) -> None:
        await self.socket.say(text)

    async def on_text(self, text: str) -> None:
        stream_id = None
        try:
            event = read_event(text)
            if isinstance(event, Create):
                stream_id = event.stream_id
                self._add(event)
            elif isinstance(event, Cancel):
                self._cancel(event)
            else:
                await self._try_to_say(Events().steering_failed(event))
        except TalkmeterError as error:
            status, told = error_object(error)
            await self._try_to_say(error_event(status, told, stream_id))

    async def on_left(self) -> None:
        for reply in self._replies():
            reply.leave()
        for lane in self._lanes.values():
            while len(lane) > 1:  # what has not been begun will not be
                lane.pop()
        if self._tasks:
            await asyncio.gather(*self._tasks)

    def cut_off(self) -> None:
        for task in self._tasks:
            task.cancel()

    def calm(self) -> None:
        super().calm()
        if self._aged and not self.busy:
            self.start(self._tell_age())

    def _add(self, create: Create) -> None:
        """Raises BadInput where a limit of the connection is reached."""
        lane_id = create.stream_id
        if self._aged:
            raise _aged()
        if lane_id is not None and lane_id not in self._named and len(self._named) >= MOST_LANES:
            raise _limit("websocket_stream_limit_reached", f"{MOST_LANES} lanes", f"레인 {MOST_LANES}개", "stream_id")
        if sum(map(len, self._lanes.values())) >= MOST_WAITING:
            raise _limit(
                "websocket_response_limit_reached", f"{MOST_WAITING} responses under way", f"응답 {MOST_WAITING}개"
            )
        if lane_id is not None:
            self._named.add(lane_id)
        lane = self._lanes.get(lane_id)
        reply = Reply(create, self)
        if lane is not None:
            lane.append(reply)
            return
        self._lanes[lane_id] = deque([reply])
        task = asyncio.get_running_loop().create_task(self._answer(lane_id), name="websocket-lane")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, lane_id: str | None) -> None:
        """A lane's requests in their order. The one in hand stays in front until it has ended."""
        lane = self._lanes[lane_id]
        try:
            while lane:
                async with self._at_once:
                    await lane[0].run()
                lane.popleft()
        finally:
            del self._lanes[lane_id]
        self.calm()

    def _cancel(self, event: Cancel) -> None:
        """Raises NotFound for a response that is not under way here."""
        found = [one for one in self._replies() if event.response_id in (None, one.events.response_id)]
        if not found:
            raise NotFound(
                "No such response is under way on this connection.",
                "이 연결에서 진행 중인 그런 응답이 없습니다.",
                code="response_not_found",
                param="response_id",
            )
        for reply in found:
            reply.cancel()

    def _replies(self) -> list[Reply]:
        return [reply for lane in self._lanes.values() for reply in lane]

    async def _try_to_say(self, text: str) -> None:
        try:
            await self.say(text)
        except SocketClosed:
            return  # the next message that comes says that the client is gone

    def _age(self) -> None:
        """The time limit: the socket ends as soon as what is under way has been answered."""
        self._aged = True
        self.calm()

    async def _tell_age(self) -> None:
        status, told = error_object(_aged())
        await self._try_to_say(error_event(status, told))
        self.socket.end(GOING_AWAY, "The connection has reached its time limit.")


def _headers(given: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    kept = [pair for pair in upstream_headers(given, plain=True) if pair[0] not in (b"content-type", b"accept")]
    return (*kept, *_ADDED)


def _aged() -> BadInput:
    return BadInput(
        "This connection has reached its time limit. Open a new one to go on.",
        "이 연결의 제한 시간이 지났습니다. 새로 연결해 계속하십시오.",
        code="websocket_connection_limit_reached",
    )


def _limit(code: str, what: str, what_ko: str, param: str | None = None) -> BadInput:
    return BadInput(
        f"This connection has {what} already; that is its limit.",
        f"이 연결에 이미 {what_ko}가 있어 한도에 이르렀습니다.",
        code=code,
        param=param,
    )
