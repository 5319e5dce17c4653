"""Price rows: the list, a person's own."""

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.errors import BadInput, NotFound
from talkmeter.metering.prices import PriceRow, own_row
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.reading import json_answer, no_content, read_json, text_parameter
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.shapes import PriceBody
from talkmeter.surfaces.web.translate import price_json

BODY_BYTES = 16_384


class PriceRoutes:
    def __init__(self, services: Services) -> None:
        self._prices = services.prices

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.OWNER
        return (
            WebRoute("GET", "/api/prices", "prices", Access.SIGNED_IN, self.rows),
            WebRoute("POST", "/api/prices", "add_price", who, self.add),
            # The id of a price row has slashes in it.
            WebRoute("DELETE", "/api/prices/{id:path}", "delete_price", who, self.delete),
        )

    async def rows(self, request: Request, _: Principal) -> Response:
        model = text_parameter(request, "model")
        if model is not None:
            return json_answer({"rows": [price_json(row) for row in self._prices.rows(model)]})
        rows = [price_json(row) for row in self._prices.own_rows()]
        return json_answer({"rows": rows, "models": self._prices.table.models("openai")})

    async def add(self, request: Request, _: Principal) -> Response:
        row = _row_of(await read_json(request, PriceBody, BODY_BYTES))
        return json_answer(price_json(await self._prices.add(row)), 201)

    async def delete(self, request: Request, _: Principal) -> Response:
        price_id = request.path_params["id"]
        if all(row.id != price_id for row in self._prices.own_rows()):
            raise NotFound(
                "There is no price of yours with this id.",
                "이 번호의 직접 추가한 가격이 없습니다.",
                code="price_not_found",
                hint="Built-in prices cannot be deleted; add a row of your own, which comes first.",
                hint_ko="내장 가격은 지울 수 없습니다. 직접 추가한 가격이 먼저 적용됩니다.",
            )
        await self._prices.delete(price_id)
        return no_content()


def _row_of(body: PriceBody) -> PriceRow:
    try:
        return own_row(
            model=body.model,
            unit=body.unit,
            usd=body.usd_per_million,
            provider=body.provider,
            tier=body.tier,
            effective_from=body.effective_from,
        )
    except BadInput as error:
        if error.param == "usd":
            error.param = "usd_per_million"
        raise
