"""What a budget is for, as a person names it, and the id that calls are counted by.

A budget for what no call can ever name would be kept and would hold nothing, so none is made.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from msgspec import structs

from talkmeter.accounts.key_errors import key_name_not_unique
from talkmeter.accounts.keys import Keys
from talkmeter.accounts.principals import LOCAL
from talkmeter.accounts.tags import check_tag
from talkmeter.accounts.users import Users
from talkmeter.errors import Conflict, NotFound, TalkmeterError
from talkmeter.metering.budget_store import Budget, Scope


class RoomNames(Protocol):
    async def room_ids(self, name: str) -> Sequence[str]:
        """Of anybody's rooms with this id or conversation_id."""
        ...


class BudgetScopes:
    """providers: what those that there are are called, by id."""

    def __init__(self, users: Users, keys: Keys, store: RoomNames, providers: Callable[[], Mapping[str, str]]) -> None:
        self._users = users
        self._keys = keys
        self._store = store
        self._providers = providers

    async def meant(self, budget: Budget) -> Budget:
        """The budget with the id of what it names by name or id. Raises NotFound, BadInput, Conflict (several)."""
        if budget.scope_id is None:
            return budget
        try:
            return structs.replace(budget, scope_id=await self._id(budget.scope, budget.scope_id))
        except TalkmeterError as error:
            error.param = "scope_id"
            raise

    async def name_of(self, budget: Budget) -> str | None:
        """What a person calls what it is for; None if that is not there (any more)."""
        scope_id = budget.scope_id or ""
        names: Mapping[str, str] = {scope_id: scope_id}
        if budget.scope == "key":
            names = {key.id: key.name for key in self._keys.list() if key.id == self._keys.first_id(key)}
        elif budget.scope == "user":
            names = {LOCAL: LOCAL, **{user.id: user.name for user in self._users.list()}}
        elif budget.scope == "provider":
            names = self._providers()
        elif budget.scope == "room":
            names = {room_id: room_id for room_id in await self._store.room_ids(scope_id)}
        return names.get(scope_id)

    async def _id(self, scope: Scope, name: str) -> str:
        if scope == "key":
            return self._key(name)
        if scope == "user":
            return name if name == LOCAL else self._users.by_name(name).id
        if scope == "provider":
            return self._provider(name)
        if scope == "room":
            return await self._room(name)
        return check_tag(name)

    def _key(self, name: str) -> str:
        """A rotated key counts as the one that it was made from."""
        named = self._keys.named(name)
        first = {self._keys.first_id(key) for key in named}
        if len(first) > 1:
            raise key_name_not_unique(name, named)
        return first.pop()

    def _provider(self, name: str) -> str:
        known = self._providers()
        if name in known:
            return name
        for provider_id, called in known.items():
            if called.casefold() == name.casefold():
                return provider_id
        there = ", ".join(known.values()) or "–"
        raise NotFound(
            f"There is no provider “{name:.60}”.",
            f"“{name:.60}” 제공자가 없습니다.",
            hint=f"The providers: {there}.",
            hint_ko=f"제공자: {there}.",
            code="provider_not_found",
        )

    async def _room(self, name: str) -> str:
        found = await self._store.room_ids(name)
        if len(found) == 1:
            return found[0]
        if not found:
            raise NotFound(
                f"There is no room “{name:.60}”.",
                f"“{name:.60}” 대화방이 없습니다.",
                hint="Give its id (room_…), which stands at the end of its address, or its conversation_id.",
                hint_ko="주소 끝에 있는 ID(room_…)나 conversation_id를 지정하십시오.",
                code="room_not_found",
            )
        ids = ", ".join(found[:5])
        raise Conflict(
            f"{len(found)} rooms are called “{name:.60}”: {ids}.",
            f"“{name:.60}”(이)라는 대화방이 {len(found)}개 있습니다: {ids}.",
            hint="Give the id of the one that is meant.",
            hint_ko="그중 하나의 ID를 지정하십시오.",
            code="room_not_unique",
        )
