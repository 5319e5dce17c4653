"""Following an answer in the making, and stopping it."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.errors import NotFound
from talkmeter.messages import RunEvent
from talkmeter.event_stream import END_KINDS, EventStream, encode_event
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.events import resume_after
from talkmeter.surfaces.web.reading import json_answer, read_json
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.shapes import StopBody
from talkmeter.surfaces.web.translate import message_json, totals_json

BODY_BYTES = 4096


class RunRoutes:
    def __init__(self, services: Services) -> None:
        self._runs = services.runs
        self._rooms = services.rooms
        self._users = services.users

    def routes(self) -> tuple[WebRoute, ...]:
        return (
            WebRoute("GET", "/api/runs/{id}/events", "run_events", Access.SIGNED_IN, self.follow),
            WebRoute("POST", "/api/runs/{id}/stop", "stop_run", Access.SIGNED_IN, self.stop),
        )

    async def follow(self, request: Request, principal: Principal) -> EventStream:
        pieces = self._pieces(principal.user_id, request.path_params["id"], resume_after(request))
        return EventStream(pieces, until=self._users.end_of(principal.user_id))

    async def stop(self, request: Request, principal: Principal) -> Response:
        body = await read_json(request, StopBody, BODY_BYTES)
        await self._runs.stop(principal.user_id, request.path_params["id"], body.mode)
        return json_answer({}, 202)

    async def _pieces(self, principal: str, run_id: str, after: int) -> AsyncIterator[bytes]:
        async with aclosing(_closable(self._runs.follow(principal, run_id, after))) as events:
            async for event in events:
                if event.kind not in END_KINDS:
                    yield encode_event(event.seq, event.kind, event.data)
                    continue
                end = await self._end(principal, event)
                if end is not None:
                    yield encode_event(event.seq, event.kind, end)

    async def _end(self, principal: str, event: RunEvent) -> dict[str, Any] | None:
        """What the page shows now; None if the room was deleted meanwhile."""
        ids = event.data["answer_id"], event.data["question_id"]
        try:
            answer, question = await self._rooms.message_views(principal, *ids)
        except NotFound:
            return None
        totals = await self._rooms.totals(event.data["room_id"])
        return {"answer": message_json(answer), "question": message_json(question), "totals": totals_json(totals)}


def _closable(events: AsyncIterator[RunEvent]) -> Any:
    return events
