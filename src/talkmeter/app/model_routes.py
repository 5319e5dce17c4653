"""What `talkmeter routes` does to the database; a running server hears of it at once."""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, UnsetType

from talkmeter.accounts.routes import ModelRoute, Routes, RouteTarget
from talkmeter.app.administration import opened_accounts, provider_names, tell_server
from talkmeter.config import Resolved
from talkmeter.errors import BadInput, NotFound


async def all_routes(resolved: Resolved) -> list[tuple[ModelRoute, str]]:
    """Each route, and its targets as one writes them."""
    async with opened_accounts(resolved) as accounts:
        names = provider_names(resolved, accounts.providers)
        return [
            (route, ", ".join(_written(target, names) for target in route.targets)) for route in accounts.routes.all()
        ]


async def add_route(resolved: Resolved, pattern: str, targets: Sequence[str], retries: int) -> ModelRoute:
    """targets: `PROVIDER/MODEL`, `PROVIDER/` or a model. Raises BadInput, Conflict."""
    async with opened_accounts(resolved, begins=True) as accounts:
        names = provider_names(resolved, accounts.providers)
        made = await accounts.routes.add(pattern, [_target(text, names) for text in targets], retries)
    tell_server(resolved)
    return made


async def change_route(
    resolved: Resolved, which: str, targets: Sequence[str], retries: int | None, enabled: bool | None
) -> ModelRoute:
    """Nothing given: as it was. Raises NotFound, BadInput."""
    async with opened_accounts(resolved) as accounts:
        names = provider_names(resolved, accounts.providers)
        meant: Sequence[RouteTarget] | UnsetType = [_target(text, names) for text in targets] or UNSET
        changed = await accounts.routes.change(
            _find(accounts.routes, which).id,
            targets=meant,
            retries=UNSET if retries is None else retries,
            enabled=UNSET if enabled is None else enabled,
        )
    tell_server(resolved)
    return changed


async def delete_route(resolved: Resolved, which: str) -> ModelRoute:
    async with opened_accounts(resolved) as accounts:
        found = _find(accounts.routes, which)
        await accounts.routes.delete(found.id)
    tell_server(resolved)
    return found


def _find(routes: Routes, which: str) -> ModelRoute:
    for route in routes.all():
        if which in (route.id, route.pattern):
            return route
    raise NotFound(
        f"There is no route “{which:.60}”.",
        f"“{which:.60}” 경로가 없습니다.",
        code="route_not_found",
        hint="`talkmeter routes list` shows them.",
        hint_ko="`talkmeter routes list`로 확인하십시오.",
    )


def _target(text: str, providers: Mapping[str, str]) -> RouteTarget:
    """What stands before the first slash is a provider's name where there is one of that name; else all is a model."""
    name, slash, model = text.partition("/")
    found = next((one for one, called in providers.items() if called.casefold() == name.casefold()), None)
    if found is not None and slash:
        return RouteTarget(found, model or None)
    if slash and not model:
        raise BadInput(
            f"There is no provider “{name:.60}”.",
            f"“{name:.60}” 제공자가 없습니다.",
            param="targets",
            hint="The providers are on the page, in Settings.",
            hint_ko="제공자는 페이지의 설정에서 볼 수 있습니다.",
        )
    return RouteTarget(None, text)


def models_with_slashes(route: ModelRoute) -> list[str]:
    """The targets that were taken for models, though a provider may have been meant by what stands before the slash."""
    return [one.model for one in route.targets if one.provider_id is None and one.model and "/" in one.model]


def _written(target: RouteTarget, providers: Mapping[str, str]) -> str:
    if target.provider_id is None:
        return target.model or "*"
    return f"{providers.get(target.provider_id, target.provider_id)}/{target.model or ''}"
