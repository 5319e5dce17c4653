"""The settings that the page may change: everybody's by an owner, some by each user for themselves."""

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.reading import json_answer, read_object
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.translate import settings_json

PREFERENCES_BYTES = 16_384


class SettingsRoutes:
    def __init__(self, services: Services) -> None:
        self._settings = services.settings
        self._preferences = services.preferences

    def routes(self) -> tuple[WebRoute, ...]:
        return (
            WebRoute("GET", "/api/settings", "settings", Access.OWNER, self.read),
            WebRoute("PATCH", "/api/settings", "change_settings", Access.OWNER, self.change),
            WebRoute("PATCH", "/api/preferences", "change_preferences", Access.SIGNED_IN, self.prefer),
        )

    async def read(self, _: Request, principal: Principal) -> Response:
        settings, values = self._settings, self._preferences.page_values(principal.user_id)
        return json_answer(settings_json(values, settings.locked(), settings.described()))

    async def change(self, request: Request, principal: Principal) -> Response:
        """For everybody; what the owner had chosen for themselves gives way, or they would not see the change."""
        values = await read_object(request, self._settings.get("body_bytes"))
        await self._settings.change(values)
        await self._preferences.forget(principal.user_id, values)
        return await self.read(request, principal)

    async def prefer(self, request: Request, principal: Principal) -> Response:
        await self._preferences.change(principal.user_id, await read_object(request, PREFERENCES_BYTES))
        return json_answer({"settings": self._preferences.page_values(principal.user_id)})
