"""Users: owners, who may do everything, and members, who may talk and have keys of their own."""

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import UNSET, UnsetType

from talkmeter.accounts.key_fields import limit
from talkmeter.accounts.names import clean_name, name_key
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.store import AccountStore, AddUser, ChangeUser, Role, User
from talkmeter.clock import now
from talkmeter.errors import BadInput, Conflict, NotFound
from talkmeter.ids import new_id

__all__ = ["Role", "User", "Users"]


class Users:
    """Reading is from memory, after `load`; every change is committed first. Nobody is ever deleted.

    clock: µs since 1970.
    """

    def __init__(self, store: AccountStore, passwords: Passwords, clock: Callable[[], int] = now) -> None:
        self._store = store
        self._passwords = passwords
        self._clock = clock
        self._by_id: dict[str, User] = {}
        self._loading = asyncio.Lock()
        self._ends: dict[str, asyncio.Future[None]] = {}
        self.enabled: frozenset[str] = frozenset()  # ids

    async def load(self) -> None:
        """Reads all users. One at a time: what a change has committed before is always in it."""
        async with self._loading:
            users = await self._store.users()
            self._by_id = {user.id: user for user in users}
            self.enabled = frozenset(user.id for user in users if user.disabled_at is None)
            for user_id in [each for each in self._ends if each not in self.enabled]:
                end(self._ends.pop(user_id))

    def list(self) -> tuple[User, ...]:
        """In order of creation; the disabled ones too."""
        return tuple(self._by_id.values())

    def end_of(self, user_id: str) -> asyncio.Future[None]:
        """Done once the user is disabled, wherever that is said: what is open for them must close then."""
        future = self._ends.get(user_id)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            user = self._by_id.get(user_id)
            if user is not None and user.disabled_at is not None:
                end(future)
            else:
                self._ends[user_id] = future
        return future

    def find(self, user_id: str) -> User | None:
        return self._by_id.get(user_id)

    def get(self, user_id: str) -> User:
        """Raises NotFound."""
        user = self._by_id.get(user_id)
        if user is None:
            raise _not_found()
        return user

    async def fetch(self, user_id: str) -> User:
        """As `get`, but looks again for somebody whom another process has just added."""
        if user_id not in self._by_id:
            await self.load()
        return self.get(user_id)

    def get_enabled(self, user_id: str) -> User:
        """Raises NotFound, Conflict."""
        user = self.get(user_id)
        if user.disabled_at is not None:
            raise Conflict(
                f"{user.name} has been disabled.",
                f"{user.name} 사용자는 사용 중지되었습니다.",
                hint="Enable the user first.",
                hint_ko="먼저 다시 사용하게 하십시오.",
                code="user_disabled",
            )
        return user

    def by_name(self, name: str) -> User:
        """By name or id, as a person types it. Raises NotFound."""
        if name in self._by_id:
            return self._by_id[name]
        wanted = name_key(name)
        for user in self._by_id.values():
            if name_key(user.name) == wanted:
                return user
        raise _not_found()

    async def add(
        self, name: str, role: Role = "member", *, rpm: int | None = None, tpm: int | None = None
    ) -> User:  # fmt: skip
        """Without a password: an invitation or `set_password` lets them in. Raises BadInput, Conflict."""
        user = User(
            id=new_id("user"),
            name=clean_name(name),
            role=_role(role),
            created_at=self._clock(),
            rpm=limit("rpm", rpm),
            tpm=limit("tpm", tpm),
        )
        await self._store.commit(AddUser(user))
        await self.load()
        return self.get(user.id)

    async def change(
        self,
        user_id: str,
        *,
        name: str | UnsetType = UNSET,
        role: Role | UnsetType = UNSET,
        disabled: bool | UnsetType = UNSET,
        rpm: int | UnsetType | None = UNSET,
        tpm: int | UnsetType | None = UNSET,
    ) -> User:
        """All of it or nothing; UNSET stays. Who is disabled is signed out, and their keys stop.

        Raises NotFound, BadInput, Conflict (`user_name_taken`, `last_owner`).
        """
        user = self.get(user_id)
        values: dict[str, Any] = {}
        if name is not UNSET:
            values["name"] = clean_name(name)
        if role is not UNSET:
            values["role"] = _role(role)
        if disabled is not UNSET and disabled != (user.disabled_at is not None):
            values["disabled_at"] = self._clock() if disabled else None
        if rpm is not UNSET:
            values["rpm"] = limit("rpm", rpm)
        if tpm is not UNSET:
            values["tpm"] = limit("tpm", tpm)
        await self._store.commit(ChangeUser(user_id, values))
        await self.load()
        return self.get(user_id)

    async def rename(self, user_id: str, name: str) -> User:
        return await self.change(user_id, name=name)

    async def set_role(self, user_id: str, role: Role) -> User:
        return await self.change(user_id, role=role)

    async def disable(self, user_id: str) -> User:
        return await self.change(user_id, disabled=True)

    async def enable(self, user_id: str) -> User:
        return await self.change(user_id, disabled=False)

    async def set_password(self, user_id: str, password: str | None) -> User:
        """None removes it. Sessions stay; see Sessions.end_all. Raises NotFound, BadInput."""
        self.get(user_id)
        if password is None:
            await self._passwords.remove(user_id)
        else:
            await self._passwords.set(password, user_id)
        await self.load()
        return self.get(user_id)


def end(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _role(role: str) -> Role:
    if role == "owner":
        return "owner"
    if role == "member":
        return "member"
    raise BadInput(
        "A role is owner or member.",
        "역할은 owner 또는 member입니다.",
        code="bad_role",
        param="role",
    )


def _not_found() -> NotFound:
    return NotFound(
        "There is no such user.",
        "그런 사용자가 없습니다.",
        hint="`talkmeter users list` shows them all.",
        hint_ko="`talkmeter users list`로 모두 볼 수 있습니다.",
        code="user_not_found",
    )
