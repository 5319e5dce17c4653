"""Budgets: the list with how each stands, adding, changing, deleting."""

from msgspec import structs
from starlette.requests import Request
from starlette.responses import Response

from talkmeter.accounts.principals import Principal
from talkmeter.metering.budget_making import changes_of, new_budget
from talkmeter.surfaces.web.access import Access, WebRoute
from talkmeter.surfaces.web.reading import json_answer, no_content, read_json
from talkmeter.surfaces.web.services import Services
from talkmeter.surfaces.web.shapes import AddBudgetBody, ChangeBudgetBody
from talkmeter.surfaces.web.translate import budget_json

BODY_BYTES = 16_384


class BudgetRoutes:
    def __init__(self, services: Services) -> None:
        self._budgets = services.budgets
        self._scopes = services.budget_scopes
        self._settings = services.settings

    def routes(self) -> tuple[WebRoute, ...]:
        who = Access.OWNER
        return (
            WebRoute("GET", "/api/budgets", "budgets", who, self.all),
            WebRoute("POST", "/api/budgets", "add_budget", who, self.add),
            WebRoute("PATCH", "/api/budgets/{id}", "change_budget", who, self.change),
            WebRoute("DELETE", "/api/budgets/{id}", "delete_budget", who, self.delete),
        )

    async def all(self, _: Request, __: Principal) -> Response:
        standings = await self._budgets.standing()
        return json_answer(
            {
                "budgets": [budget_json(each) for each in standings.values()],
                "time_zone": self._settings.get("time_zone"),
            }
        )

    async def add(self, request: Request, _: Principal) -> Response:
        body = await read_json(request, AddBudgetBody, BODY_BYTES)
        budget = await self._scopes.meant(new_budget(**structs.asdict(body)))
        await self._budgets.add(budget)
        return await self._answer(budget.id, 201)

    async def change(self, request: Request, _: Principal) -> Response:
        body = await read_json(request, ChangeBudgetBody, BODY_BYTES)
        budget = self._budgets.get(request.path_params["id"])
        await self._budgets.change(budget.id, **changes_of(budget, structs.asdict(body)))
        return await self._answer(budget.id, 200)

    async def delete(self, request: Request, _: Principal) -> Response:
        await self._budgets.delete(request.path_params["id"])
        return no_content()

    async def _answer(self, budget_id: str, status: int) -> Response:
        return json_answer(budget_json((await self._budgets.standing([budget_id]))[budget_id]), status)
