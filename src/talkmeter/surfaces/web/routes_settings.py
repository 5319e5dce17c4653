"""The settings that the page may change."""

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.reading import json_answer, read_object
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.translate import settings_json


class SettingsRoutes:
    def __init__(self, services: Services) -> None:
        self._settings = services.settings

    def routes(self) -> tuple[WebRoute, ...]:
        return (
            WebRoute("GET", "/api/settings", "settings", Access.OWNER, self.read),
            WebRoute("PATCH", "/api/settings", "change_settings", Access.OWNER, self.change),
        )

    async def read(self, _: Request, __: Principal) -> Response:
        settings = self._settings
        return json_answer(settings_json(settings.page_values(), settings.locked(), settings.described()))

    async def change(self, request: Request, principal: Principal) -> Response:
        await self._settings.change(await read_object(request, self._settings.get("body_bytes")))
        return await self.read(request, principal)
