"""Asking, asking again, and what it would cost."""

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.values import Asked
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.reading import json_answer, read_json
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.shapes import AnswerBody, AskBody, PreviewBody
from talkmeter.surfaces.web.translate import SURFACE, ask_of, asked_json, preview_ask_of, preview_json


class AskingRoutes:
    def __init__(self, services: Services) -> None:
        self._conversation = services.conversation
        self._rooms = services.rooms
        self._settings = services.settings

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.SIGNED_IN
        return (
            WebRoute("POST", "/api/ask", "ask", who, self.ask),
            WebRoute("POST", "/api/messages/{id}/answer", "answer_again", who, self.answer_again),
            WebRoute("POST", "/api/preview", "preview", who, self.preview),
        )

    async def ask(self, request: Request, principal: Principal) -> Response:
        body = await read_json(request, AskBody, self._settings.get("body_bytes"))
        return self._accepted(await self._conversation.ask(ask_of(body, principal.user_id)))

    async def answer_again(self, request: Request, principal: Principal) -> Response:
        body = await read_json(request, AnswerBody, self._settings.get("body_bytes"))
        asked = await self._conversation.answer_again(
            principal=principal.user_id,
            question_id=request.path_params["id"],
            client_id=body.client_id,
            surface=SURFACE,
            model=body.model,
            provider_id=body.provider_id,
        )
        return self._accepted(asked)

    async def preview(self, request: Request, principal: Principal) -> Response:
        body = await read_json(request, PreviewBody, self._settings.get("body_bytes"))
        return json_answer(preview_json(await self._conversation.preview(preview_ask_of(body, principal.user_id))))

    def _accepted(self, asked: Asked) -> Response:
        return json_answer(asked_json(asked, running=self._rooms.is_running(asked.room.id)), 202)
