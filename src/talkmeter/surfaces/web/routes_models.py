"""Routes of models: which providers answer to a name, in which order."""

from collections.abc import Sequence
from typing import Any

from msgspec import UNSET, structs
from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.accounts.routes import ModelRoute, RouteTarget
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.reading import json_answer, no_content, read_json
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.shapes import AddRouteBody, ChangeRouteBody

BODY_BYTES = 16_384


class ModelRouteRoutes:
    def __init__(self, services: Services) -> None:
        self._routes = services.routes
        self._providers = services.providers

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.OWNER
        return (
            WebRoute("GET", "/api/routes", "model_routes", who, self.all),
            WebRoute("POST", "/api/routes", "add_model_route", who, self.add),
            WebRoute("PATCH", "/api/routes/{id}", "change_model_route", who, self.change),
            WebRoute("DELETE", "/api/routes/{id}", "delete_model_route", who, self.delete),
        )

    async def all(self, _: Request, __: Principal) -> Response:
        return json_answer({"routes": [route_json(route) for route in self._routes.all()]})

    async def add(self, request: Request, _: Principal) -> Response:
        body = await read_json(request, AddRouteBody, BODY_BYTES)
        self._check(body.targets)
        return json_answer(route_json(await self._routes.add(body.pattern, body.targets, body.retries)), 201)

    async def change(self, request: Request, _: Principal) -> Response:
        body = await read_json(request, ChangeRouteBody, BODY_BYTES)
        if body.targets is not UNSET:
            self._check(body.targets)
        changed = await self._routes.change(
            request.path_params["id"],
            pattern=body.pattern,
            targets=body.targets,
            retries=body.retries,
            enabled=body.enabled,
        )
        return json_answer(route_json(changed))

    async def delete(self, request: Request, _: Principal) -> Response:
        await self._routes.delete(request.path_params["id"])
        return no_content()

    def _check(self, targets: Sequence[RouteTarget]) -> None:
        """Raises NotFound for a provider that is not there."""
        for target in targets:
            if target.provider_id is not None:
                self._providers.get(target.provider_id)


def route_json(route: ModelRoute) -> dict[str, Any]:
    return {**structs.asdict(route), "targets": [structs.asdict(target) for target in route.targets]}
