"""Applies the changes of model routes."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import delete, insert, update

from talkmeter.accounts.routes import DeleteRoute, SaveRoute
from talkmeter.store import rows
from talkmeter.store.parameters import THIS
from talkmeter.store.revising import revise
from talkmeter.store.schema import model_routes
from talkmeter.store.transaction import Refusal, Statement, Transaction

_REPLACE = Statement(
    update(model_routes).where(model_routes.c.id == THIS),
    columns=[name for name in model_routes.c.keys() if name not in ("position", "id")],  # noqa: SIM118
)
_ADD = Statement(insert(model_routes))
_DELETE = Statement(delete(model_routes).where(model_routes.c.id == THIS))


def save_route(at: Transaction, change: SaveRoute) -> None:
    revise(at)
    values = rows.route_values(change.route)
    taken = Refusal(
        "pattern_taken",
        f"There is already a route for “{change.route.pattern}”.",
        f"“{change.route.pattern}” 경로가 이미 있습니다.",
    )
    at.replace_or_add(_REPLACE, _ADD, values, taken)


def delete_route(at: Transaction, change: DeleteRoute) -> None:
    revise(at)
    at.run(_DELETE, {"this": change.id})


APPLY: Mapping[type, Callable[[Transaction, Any], None]] = {SaveRoute: save_route, DeleteRoute: delete_route}
