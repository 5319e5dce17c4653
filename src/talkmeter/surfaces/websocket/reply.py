"""One response on a socket: asked for like `POST /v1/responses`, its events sent on as they come.

A client that leaves, or a socket that breaks, is the gateway's business as anywhere: the rest is read for the bill, or
the call is cut. `response.cancel` always cuts.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from talkmeter.clock import SECOND, now
from talkmeter.conversation.gateway.allowed import check_endpoint, check_model
from talkmeter.conversation.gateway.endpoints import find_endpoint
from talkmeter.conversation.gateway.fields import asked_of, read_json
from talkmeter.conversation.gateway.passage import Passage
from talkmeter.conversation.gateway.problems import error_object, server_stops
from talkmeter.conversation.gateway.values import PassAsk
from talkmeter.errors import TalkmeterError, UpstreamError
from talkmeter.metering.sse import EventTooLarge, SseReader
from talkmeter.surfaces.websocket.client_events import Create
from talkmeter.surfaces.websocket.continuing import Memory
from talkmeter.surfaces.websocket.protocol import SocketClosed
from talkmeter.surfaces.websocket.request_lines import RequestLine
from talkmeter.surfaces.websocket.server_events import Events, error_event, prepared
from talkmeter.surfaces.websocket.services import Services
from talkmeter.surfaces.websocket.visitor import DOOR, Visitor

log = logging.getLogger(__name__)

ENDPOINT = "responses"
WHOLE_BYTES = 8 << 20  # of an answer in one piece
EVENT_BYTES = 16 << 20


class Surroundings(Protocol):
    """What a reply needs of its socket's session."""

    visitor: Visitor
    services: Services
    memory: Memory
    headers: tuple[tuple[bytes, bytes], ...]

    async def say(self, text: str) -> None: ...


class Reply:
    """One `response.create`. It is the gateway's client (`waiting.Leaver`)."""

    def __init__(self, create: Create, session: Surroundings) -> None:
        self.create = create
        self.events = Events(create.stream_id)
        self.gone = False
        self.on_gone: Callable[..., object] | None = None
        self._session = session
        self._cancelled = False
        self._line = RequestLine(session.visitor.path)
        self._passed = False

    def leave(self) -> None:
        """The socket is lost."""
        self.gone = True
        if self.on_gone is not None:
            self.on_gone()

    def cancel(self) -> None:
        """The client wants no more of it."""
        self._cancelled = True
        if self.on_gone is not None:
            self.on_gone(cut=True)

    @property
    def _wanted(self) -> bool:
        return not self._cancelled and not self.gone

    async def run(self) -> None:
        """To its end, which its events or an error have said."""
        try:
            if self._wanted:
                await self._answer()
        except TalkmeterError as error:
            if not self._cancelled:
                await self._fail(error)
        except Exception:
            log.exception("websocket_failed")
            await self._fail(_internal())
        if self._cancelled and not self.events.ended:
            await self._say(self.events.cancelled())

    async def _answer(self) -> None:
        session, create = self._session, self.create
        principal = await session.visitor.principal()
        self._line.by(principal)
        sent = session.memory.expand(create)
        if sent.previous_response_id is not None:
            await session.services.gateway.until_ended(sent.previous_response_id)
        body = sent.body
        fields = read_json(body)
        requests = session.services.requests
        endpoint = check_endpoint(find_endpoint("POST", ENDPOINT), requests.options, ENDPOINT)
        asked = asked_of(endpoint, fields, body, len(body))
        check_model(principal, asked.model, body)
        provider_id = await requests.continued(fields, principal)
        if not create.generate:
            await self._prepare(sent)
            return
        if not self._wanted:
            return
        ask = requests.ask(
            surface=DOOR,
            principal=principal,
            asked=asked,
            fields=fields,
            tags=session.visitor.tags(),
            method="POST",
            path=ENDPOINT,
            headers=session.headers,
            body=body,
            provider_id=provider_id,
        )
        await self._pass_on(ask, sent)

    async def _prepare(self, sent: Create) -> None:
        """`generate: false`: nothing is asked of anybody; the id stands for what the next request goes on from."""
        response, frames = prepared(self.create, now() // SECOND)
        self._session.memory.remember(response["id"], sent, msgspec.Raw(b"[]"))
        self._line.status = 200
        self._line.write()
        for frame in frames:
            await self._say(frame)

    async def _pass_on(self, ask: PassAsk, sent: Create) -> None:
        passage = await self._session.services.gateway.pass_on(ask, self)
        self._passed = True
        if not self._wanted:
            passage.client_left(cut=self._cancelled)
        self.on_gone = passage.client_left
        try:
            if passage.status < 300 and passage.is_plain_stream:
                await self._forward(passage)
            else:
                await self._tell_whole(passage)
        except asyncio.CancelledError:
            passage.call.cut_at_shutdown()
            raise
        except UpstreamError:
            if passage.call.at_shutdown:
                raise server_stops() from None  # it is not the provider that has broken off
            raise
        finally:
            self.on_gone = None
            if not passage.ended:
                passage.cut()
        memory = self._session.memory
        if not self.events.completed:
            memory.forget(self.create.previous_response_id)
        elif not self.create.store and self.events.response_id is not None:
            memory.remember(self.events.response_id, sent, self.events.output)

    async def _forward(self, passage: Passage) -> None:
        reader = SseReader(EVENT_BYTES)
        ended = passage.ended
        while not ended:
            data = await passage.read()
            ended = passage.ended
            try:
                found = reader.feed(data) + (reader.finish() if ended else [])
            except EventTooLarge:
                raise _unreadable() from None
            for event in found:
                frame = self.events.forward(event)
                if frame is not None and not self._cancelled:
                    await self._say(frame)
        if not self.events.ended and not passage.left:
            raise _ended_early()

    async def _tell_whole(self, passage: Passage) -> None:
        """A refusal, or an answer of a provider that does not stream."""
        pieces, size = [], 0
        while not passage.ended and size <= WHOLE_BYTES:
            pieces.append(await passage.read())
            size += len(pieces[-1])
        if passage.left:
            return
        body = b"".join(pieces)
        try:
            found: Any = msgspec.json.decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            found = None
        if not isinstance(found, dict):
            raise _unreadable()
        if passage.status >= 300:
            error = found.get("error")
            told = error if isinstance(error, dict) else {"message": str(error or found), "type": "server_error"}
            self.events.ended = True
            await self._say(error_event(passage.status, told, self.create.stream_id))
            return
        self.events.forward(b'{"type":"response.created","response":' + body + b"}")
        kind = {"failed": "response.failed", "incomplete": "response.incomplete"}.get(found.get("status", ""))
        frame = self.events.forward(msgspec.json.encode({"type": kind or "response.completed", "response": found}))
        if frame is not None:
            await self._say(frame)

    async def _fail(self, error: TalkmeterError) -> None:
        """Our own error, where nothing has said yet how it ended."""
        if self.events.ended:
            return
        status, told = error_object(error)
        if not self._passed:  # a call has its line when it is settled
            self._line.status = status
            self._line.about(error=error.code)
            self._line.write()
        if error.code == "previous_response_not_found":
            status = 400
        self.events.ended = True
        number = self.events.next_number if self.events.response_id is not None else None
        await self._say(error_event(status, told, self.create.stream_id, number))

    async def _say(self, text: str) -> None:
        if self.gone:
            return
        try:
            await self._session.say(text)
        except SocketClosed:
            self.leave()


def _unreadable() -> UpstreamError:
    return UpstreamError(
        "The provider's answer cannot be read.",
        "제공자의 답변을 읽을 수 없습니다.",
        code="upstream_unreadable",
    )


def _ended_early() -> UpstreamError:
    return UpstreamError(
        "The provider's stream ended before the response was finished.",
        "응답이 끝나기 전에 제공자의 스트림이 끝났습니다.",
        code="ended_early",
    )


def _internal() -> TalkmeterError:
    return TalkmeterError(
        "Something went wrong inside Talkmeter.",
        "Talkmeter 내부에서 문제가 생겼습니다.",
        hint="The log has the details.",
        hint_ko="자세한 내용은 로그에 있습니다.",
    )
