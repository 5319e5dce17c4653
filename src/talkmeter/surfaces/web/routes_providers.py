"""Providers, their test, and the models they offer. A key goes in and never comes out."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.clock import now
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.models import models_json
from talkmeter.surfaces.web.reading import json_answer, no_content, read_json
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.shapes import AddProviderBody, ChangeProviderBody, Nothing, TestAddressBody
from talkmeter.surfaces.web.translate import provider_json, tested_json, timeouts_given

BODY_BYTES = 65_536


class ProviderRoutes:
    def __init__(self, services: Services) -> None:
        self._providers = services.providers
        self._upstreams = services.upstreams
        self._prices = services.prices

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.OWNER
        return (
            WebRoute("GET", "/api/providers", "providers", who, self.all),
            WebRoute("POST", "/api/providers", "add_provider", who, self.add),
            WebRoute("POST", "/api/providers/test", "test_address", who, self.try_address),
            WebRoute("PATCH", "/api/providers/{id}", "change_provider", who, self.change),
            WebRoute("DELETE", "/api/providers/{id}", "delete_provider", who, self.delete),
            WebRoute("POST", "/api/providers/{id}/test", "test_provider", who, self.test),
            WebRoute("GET", "/api/models", "models", Access.SIGNED_IN, self.models),
        )

    async def all(self, _: Request, __: Principal) -> Response:
        return json_answer({"providers": [provider_json(account) for account in self._providers.all()]})

    async def add(self, request: Request, _: Principal) -> Response:
        body = await read_json(request, AddProviderBody, BODY_BYTES)
        account = await self._providers.add(
            body.name, body.base_url, body.key, body.admin_key, timeouts_given(body.timeouts)
        )
        return json_answer(provider_json(account), 201)

    async def change(self, request: Request, _: Principal) -> Response:
        body = await read_json(request, ChangeProviderBody, BODY_BYTES)
        account = await self._providers.change(
            request.path_params["id"],
            name=body.name,
            base_url=body.base_url,
            key=body.key,
            enabled=body.enabled,
            admin_key=body.admin_key,
            timeouts=timeouts_given(body.timeouts),
        )
        return json_answer(provider_json(account))

    async def delete(self, request: Request, _: Principal) -> Response:
        await self._providers.delete(request.path_params["id"])
        return no_content()

    async def test(self, request: Request, _: Principal) -> Response:
        await read_json(request, Nothing, BODY_BYTES)
        return json_answer(tested_json(await self._upstreams.test_stored(request.path_params["id"])))

    async def try_address(self, request: Request, _: Principal) -> Response:
        body = await read_json(request, TestAddressBody, BODY_BYTES)
        return json_answer(tested_json(await self._upstreams.test(body.base_url, body.key)))

    async def models(self, request: Request, _: Principal) -> Response:
        offers = await self._upstreams.offers(refresh=request.query_params.get("refresh") == "1")
        # Thousands of models are looked up in the price lists: too long to hold up everybody else.
        found = await asyncio.to_thread(models_json, offers, self._prices, now())
        return json_answer({"models": found})
