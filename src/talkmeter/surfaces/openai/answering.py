"""One answer on its way to the client: the head with what is ours to say, the bytes as they come, or our own error."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

from talkmeter.completions import header_lines
from talkmeter.conversation.gateway.headers import client_lines
from talkmeter.conversation.gateway.passage import Passage
from talkmeter.conversation.gateway.problems import CALL_HEADER, problem, server_stops, stream_problem
from talkmeter.errors import TalkmeterError, UpstreamError
from talkmeter.ids import new_id
from talkmeter.surfaces.openai.heads import COST_HEADER
from talkmeter.surfaces.openai.services import Client

log = logging.getLogger(__name__)

WHOLE_BYTES = 1 << 20  # answers in one piece up to this are read to their end, so that their head can say the cost
WARNING_HEADER = b"x-talkmeter-budget-warning"


class Answering:
    """Writes one answer; remembers whether it has begun. method, path: for the log. also: headers of ours to add."""

    def __init__(self, client: Client, method: str, path: str, also: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.client = client
        self._method, self._path = method, path
        self._also = also
        self._begun = False

    async def passes(self, passage: Passage, price_of: Any, *, trailer: bool) -> None:
        """Forwards the answer. The client's leaving is the passage's business: reading goes on or is cut there."""
        client = self.client
        if client.gone:
            passage.client_left()
        client.on_gone = passage.client_left
        try:
            body, cost = b"", None
            if passage.is_json:
                body = await passage.read()
                if not passage.ended:
                    body = await _beginning(passage, body)
                cost = _cost(passage, price_of)
            answer = passage.answer
            resized = trailer or passage.withholds
            length = None if resized else answer.header(b"content-length")
            lines = _lines(passage, cost, self._also, resized=resized)
            self._begun = True
            client.start(answer.status, lines, None if length is None else int(length))
            if not passage.ended:
                streamed = await self._streams(passage, body)
                if streamed is None:
                    return
                body = streamed
            if trailer:
                body += _trailer(passage, price_of)
            await client.finish(body)
        except asyncio.CancelledError:
            passage.call.cut_at_shutdown()
            raise
        finally:
            client.on_gone = None
            if not passage.ended:
                passage.cut()

    async def _streams(self, passage: Passage, body: bytes) -> bytes | None:
        """Gives the client all but the last bytes, which are returned; None: it has broken off. body: what was read."""
        client = self.client
        if not body:
            await client.flush()  # so that the client sees that there is an answer, before its first byte
        elif not client.take(body):
            await client.room()
        try:
            return await passage.stream_to(client)
        except UpstreamError as error:
            await self._break_off(passage, error)
            return None

    async def _break_off(self, passage: Passage, error: UpstreamError) -> None:
        """The end of an answer that has no end. A stream says why, where that can be said."""
        log.info("answer_broke_off", extra={"entry_id": passage.entry_id, "code": error.code})
        endpoint = passage.call.opening.endpoint
        told = server_stops() if passage.call.at_shutdown else error
        why = stream_problem(told, endpoint, passage.given_last) if passage.broke_silently else b""
        if why:
            await self.client.break_off(why)
        else:
            self.client.abort()

    async def says(self, status: int, body: bytes) -> None:
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-content-type-options", b"nosniff"),
        ]
        await self._say(status, headers, body)

    async def nothing(self) -> None:
        """No body: what there is to say is in the headers."""
        self._begun = True
        self.client.start(204, header_lines(self._also), None)
        await self.client.finish()

    async def refuse(self, error: TalkmeterError) -> None:
        """Our own error; an answer that has begun cannot be changed any more and is broken off."""
        if self._begun:
            self.client.abort()
            return
        status, headers, body = problem(error)
        await self._say(status, headers, body, code=error.code)

    async def _say(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes, **about: str) -> None:
        """An answer of our own, with a line in the log; a call that is passed on has its line when it is settled."""
        self._begun = True
        id_ = new_id("req")
        headers += [(b"x-request-id", id_.encode()), *self._also]
        log.log(
            logging.INFO if status < 500 else logging.ERROR,
            "request",
            extra={
                "request_id": id_,
                "surface": "openai",
                "method": self._method[:16],
                "path": self._path[:200],
                "status": status,
                **about,
            },
        )
        self.client.start(status, header_lines(headers), len(body))
        await self.client.finish(body)


def _printable(text: str) -> bytes:
    """In UTF-8, as clients read it; what would end a header is left out."""
    return "".join([character if character.isprintable() else "?" for character in text]).encode("utf-8", "replace")


async def _beginning(passage: Passage, piece: bytes) -> bytes:
    """All of an answer in one piece, or as much as is kept back for the sake of its cost. piece: its first bytes."""
    pieces, size = [piece], len(piece)
    while not passage.ended and size < WHOLE_BYTES:
        pieces.append(await passage.read())
        size += len(pieces[-1])
    return b"".join(pieces)


def _lines(passage: Passage, cost: bytes | None, also: Sequence[tuple[bytes, bytes]], *, resized: bool) -> bytes:
    """Of the head: the provider's headers and ours."""
    call_id = passage.call.opening.id.encode()
    extra = [(CALL_HEADER, call_id), *also]
    admitted = passage.admitted
    if admitted is not None:
        extra += admitted.headers
        if admitted.warnings:
            extra += [(WARNING_HEADER, _printable(warning)) for warning in admitted.warnings]
    if cost is not None:
        extra.append((COST_HEADER, cost))
    return client_lines(passage.answer, extra, call_id, resized=resized)


def _cost(passage: Passage, price_of: Any) -> bytes | None:
    """US dollars, exactly; None while it is being counted, or if it has no price."""
    settled = passage.call.settlement
    if settled is None or settled.cost.picodollars is None:
        return None
    text: str = price_of(settled.cost.picodollars)
    return text.encode()


def _trailer(passage: Passage, price_of: Any) -> bytes:
    """A comment, which every reader of events passes over."""
    cost = _cost(passage, price_of)
    return b": talkmeter call=%b cost=%b\n\n" % (passage.entry_id.encode(), cost or b"unknown")
