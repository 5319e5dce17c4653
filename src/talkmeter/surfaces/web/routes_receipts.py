"""The receipt of one call."""

from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.conversation.values import Receipt
from talkmeter.metering.pricebook import PriceBook
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.reading import json_answer
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.translate_receipt import receipt_json


class ReceiptRoutes:
    def __init__(self, services: Services) -> None:
        self._receipts = services.receipts
        self._prices = services.prices
        self._keys = services.keys
        self._users = services.users

    def routes(self) -> tuple[WebRoute, ...]:
        return (WebRoute("GET", "/api/entries/{id}/receipt", "receipt", Access.SIGNED_IN, self.receipt),)

    async def receipt(self, request: Request, principal: Principal) -> Response:
        """A member's own; for an owner the figures of everybody's, and the texts of their own."""
        receipt = await self._receipts.receipt(
            principal.user_id, request.path_params["id"], everybodys=principal.role == "owner"
        )
        opening = receipt.entry.opening
        key = next((one for one in self._keys.list() if one.id == opening.key_id), None)
        user = self._users.find(opening.principal)
        whose = {
            "user_name": None if user is None else user.name,
            "key_name": None if key is None else key.name,
            "key_hint": None if key is None else key.hint,
        }
        return json_answer(receipt_json(receipt, price_sources(receipt, self._prices)) | whose)


def price_sources(receipt: Receipt, prices: PriceBook) -> dict[str, str]:
    """price row id → source, for the rows that priced this call and are still there."""
    settled = receipt.entry.settlement
    wanted = {line.price_id for line in settled.cost.lines} if settled else set()
    sources = {row.id: row.source for row in prices.own_rows() if row.id in wanted}
    for provider in {price_id.partition("/")[0] for price_id in wanted - sources.keys()}:
        sources |= {row.id: row.source for row in prices.table.rows(provider) if row.id in wanted}
    return sources
