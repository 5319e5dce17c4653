"""Rooms: the list, a room opened, changed, deleted."""

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.values import RoomChange
from talkmeter.errors import BadInput
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.reading import json_answer, no_content, read_json, text_parameter, whole_number
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.shapes import RoomChangeBody
from talkmeter.surfaces.web.translate import message_page_json, room_json, room_view_json

MOST = 500  # rows in one answer


class RoomRoutes:
    def __init__(self, services: Services) -> None:
        self._rooms = services.rooms
        self._settings = services.settings

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.SIGNED_IN
        return (
            WebRoute("GET", "/api/rooms", "rooms", who, self.page),
            WebRoute("GET", "/api/rooms/{id}", "room", who, self.open),
            WebRoute("GET", "/api/rooms/{id}/messages", "older_messages", who, self.older),
            WebRoute("PATCH", "/api/rooms/{id}", "change_room", who, self.change),
            WebRoute("DELETE", "/api/rooms/{id}", "delete_room", who, self.delete),
        )

    async def page(self, request: Request, principal: Principal) -> Response:
        limit = whole_number(request, "limit", 200, 1, MOST)
        page = await self._rooms.page(principal.user_id, text_parameter(request, "cursor"), limit)
        rooms = [room_json(room, running=self._rooms.is_running(room.id)) for room in page.rooms]
        return json_answer({"rooms": rooms, "next": page.next, "total": page.total})

    async def open(self, request: Request, principal: Principal) -> Response:
        limit = whole_number(request, "limit", 60, 1, MOST)
        return json_answer(room_view_json(await self._rooms.view(principal.user_id, request.path_params["id"], limit)))

    async def older(self, request: Request, principal: Principal) -> Response:
        limit = whole_number(request, "limit", 60, 1, MOST)
        before = text_parameter(request, "before")
        if before is None:
            raise BadInput(
                "before is missing: give the `older` of the last page.",
                "before 값이 없습니다. 앞 페이지의 `older` 값을 보내십시오.",
                param="before",
            )
        page = await self._rooms.older(principal.user_id, request.path_params["id"], before, limit)
        return json_answer(message_page_json(page))

    async def change(self, request: Request, principal: Principal) -> Response:
        wanted: RoomChange = await read_json(request, RoomChangeBody, self._settings.get("body_bytes"))
        room = await self._rooms.change(principal.user_id, request.path_params["id"], wanted)
        return json_answer(room_json(room, running=self._rooms.is_running(room.id)))

    async def delete(self, request: Request, principal: Principal) -> Response:
        await self._rooms.delete(principal.user_id, request.path_params["id"])
        return no_content()
