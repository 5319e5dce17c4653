"""Which providers answer to a model's name: exact names, prefixes and aliases with ordered targets.

The most telling rule that fits decides: an exact name, then the longest prefix (`gpt-*`), then `PROVIDER/MODEL`, where
PROVIDER is the name of a provider. What no rule fits goes to the provider that lists the model, else to the first.
"""

from collections.abc import Sequence
from typing import Protocol

from msgspec import UNSET, Struct, UnsetType, structs

from talkmeter.accounts.store import ProviderAccount
from talkmeter.clock import now
from talkmeter.errors import BadInput, NotFound
from talkmeter.ids import new_id

LONGEST_NAME = 200
MOST_TARGETS = 8
MOST_RETRIES = 5


class RouteTarget(Struct, frozen=True):
    """One way out. provider_id None: whichever offers the model. model None: the name as it was asked for."""

    provider_id: str | None = None
    model: str | None = None


class ModelRoute(Struct, frozen=True, kw_only=True):
    """pattern: a name, or a prefix that ends in `*`. targets: tried in order, before the first byte of an answer.

    retries: how often all targets together are tried again.
    """

    id: str
    pattern: str
    targets: tuple[RouteTarget, ...]
    retries: int = 0
    enabled: bool = True
    created_at: int = 0


class SaveRoute(Struct, frozen=True):
    """A change: insert or replace by id. Raises Conflict if another route has the pattern."""

    route: ModelRoute


class DeleteRoute(Struct, frozen=True):
    id: str


class Way(Struct, frozen=True):
    """How a model's name is answered: where to, and how often again."""

    targets: tuple[RouteTarget, ...]
    retries: int = 0


class RouteStore(Protocol):
    async def commit(self, *changes: Struct) -> object: ...

    async def model_routes(self) -> Sequence[ModelRoute]:
        """In order of creation."""
        ...


class ProviderNames(Protocol):
    """What routes need to know of providers."""

    def enabled(self) -> tuple[ProviderAccount, ...]: ...


class Routes:
    """Reading is from memory, after `load`; every change is committed first."""

    def __init__(self, store: RouteStore, providers: ProviderNames) -> None:
        self._store = store
        self._providers = providers
        self._routes: tuple[ModelRoute, ...] = ()
        self._exact: dict[str, ModelRoute] = {}
        self._prefixes: tuple[ModelRoute, ...] = ()

    async def load(self) -> None:
        self._set(tuple(await self._store.model_routes()))

    def all(self) -> tuple[ModelRoute, ...]:
        return self._routes

    def aliases(self) -> tuple[str, ...]:
        """Names that only exist here, for the list of models."""
        return tuple(self._exact)

    def way(self, model: str) -> Way:
        """Where calls for this name go. Pure, and quick: it is asked for every call."""
        route = self._exact.get(model)
        if route is None and self._prefixes:
            route = next((one for one in self._prefixes if model.startswith(one.pattern[:-1])), None)
        if route is not None:
            return Way(route.targets, route.retries)
        if "/" in model:
            name, _, rest = model.partition("/")
            for account in self._providers.enabled():
                if rest and account.name.casefold() == name.casefold():
                    return Way((RouteTarget(account.id, rest),))
        return _DIRECT

    async def add(self, pattern: str, targets: Sequence[RouteTarget], retries: int = 0) -> ModelRoute:
        """Raises BadInput, Conflict."""
        route = ModelRoute(
            id=new_id("route"), pattern=pattern, targets=tuple(targets), retries=retries, created_at=now()
        )
        await self._save(route)
        return route

    async def change(
        self,
        route_id: str,
        *,
        pattern: str | UnsetType = UNSET,
        targets: Sequence[RouteTarget] | UnsetType = UNSET,
        retries: int | UnsetType = UNSET,
        enabled: bool | UnsetType = UNSET,
    ) -> ModelRoute:
        """UNSET stays. Raises NotFound, BadInput, Conflict."""
        route = self._get(route_id)
        if pattern is not UNSET:
            route = structs.replace(route, pattern=pattern)
        if targets is not UNSET:
            route = structs.replace(route, targets=tuple(targets))
        if retries is not UNSET:
            route = structs.replace(route, retries=retries)
        if enabled is not UNSET:
            route = structs.replace(route, enabled=enabled)
        await self._save(route)
        return route

    async def delete(self, route_id: str) -> None:
        """Raises NotFound."""
        self._get(route_id)
        await self._store.commit(DeleteRoute(route_id))
        self._set(tuple(route for route in self._routes if route.id != route_id))

    async def _save(self, route: ModelRoute) -> None:
        check_route(route)
        await self._store.commit(SaveRoute(route))
        known = any(old.id == route.id for old in self._routes)
        self._set(
            tuple(route if old.id == route.id else old for old in self._routes) if known else (*self._routes, route)
        )

    def _get(self, route_id: str) -> ModelRoute:
        for route in self._routes:
            if route.id == route_id:
                return route
        raise NotFound(f"There is no route {route_id:.60}.", f"{route_id:.60} 경로가 없습니다.", code="route_not_found")

    def _set(self, routes: tuple[ModelRoute, ...]) -> None:
        self._routes = routes
        on = [route for route in routes if route.enabled]
        self._exact = {route.pattern: route for route in on if not route.pattern.endswith("*")}
        prefixes = [route for route in on if route.pattern.endswith("*")]
        self._prefixes = tuple(sorted(prefixes, key=lambda route: -len(route.pattern)))


_DIRECT = Way((RouteTarget(),))


def check_route(route: ModelRoute) -> None:
    """Raises BadInput with the field at fault in `param`."""
    if not _is_name(route.pattern) or "*" in route.pattern[:-1]:
        raise BadInput(
            "A route's pattern is a model's name, or the beginning of names followed by one *.",
            "경로의 패턴은 모델 이름이거나, 이름의 앞부분 뒤에 * 하나를 붙인 것입니다.",
            param="pattern",
            hint="Such as gpt-4o, gpt-* or fast.",
            hint_ko="예: gpt-4o, gpt-*, fast",
        )
    named = [target.model for target in route.targets if target.model is not None]
    if not 1 <= len(route.targets) <= MOST_TARGETS or not all(_is_name(name) for name in named):
        raise BadInput(
            f"A route has 1 to {MOST_TARGETS} targets, each a provider, a model, or both.",
            f"경로에는 제공자나 모델을 가리키는 대상이 1개에서 {MOST_TARGETS}개까지 있어야 합니다.",
            param="targets",
        )
    if any("*" in name for name in named):
        raise BadInput(
            "A target names one model, without a *.",
            "대상에는 * 없이 모델 하나를 적어야 합니다.",
            param="targets",
            hint="A provider without a model (PROVIDER/) is asked for each name as it came.",
            hint_ko="모델 없이 제공자만(제공자/) 적으면 요청된 이름 그대로 보냅니다.",
        )
    if not 0 <= route.retries <= MOST_RETRIES:
        raise BadInput(
            f"retries is 0 to {MOST_RETRIES}.", f"retries 값은 0에서 {MOST_RETRIES}까지입니다.", param="retries"
        )


def _is_name(text: str) -> bool:
    return 0 < len(text) <= LONGEST_NAME and text == text.strip() and text.isprintable()
