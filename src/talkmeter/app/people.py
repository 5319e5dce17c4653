"""What the command line does with users and API keys; a running server hears of it at once."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from msgspec import Struct

from talkmeter.accounts.keys import Keys
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.sessions import Sessions
from talkmeter.accounts.store import ApiKey, User
from talkmeter.accounts.users import Users
from talkmeter.app.administration import opened, tell_server
from talkmeter.app.listening import usual_url
from talkmeter.app.occupancy import running
from talkmeter.clock import now
from talkmeter.config import Resolved
from talkmeter.surfaces.web.translate_accounts import key_json, user_json


class People(Struct, frozen=True):
    users: Users
    keys: Keys
    sessions: Sessions


@contextlib.asynccontextmanager
async def people(resolved: Resolved, *, changing: bool = True, begins: bool = False) -> AsyncIterator[People]:
    """Users and keys as they are stored. changing: tells a running server afterwards. begins: see open_database."""
    async with opened(resolved, begins=begins) as store:
        users = Users(store, Passwords(store))
        await users.load()
        keys = Keys(store, users)
        await keys.load()
        yield People(users, keys, Sessions(store))
    if changing:
        tell_server(resolved)


async def all_users(resolved: Resolved) -> list[dict[str, Any]]:
    async with people(resolved, changing=False) as known:
        return [user_json(user) for user in known.users.list()]


async def add_user(resolved: Resolved, name: str, **fields: Any) -> dict[str, Any]:
    """Raises BadInput, Conflict."""
    async with people(resolved, begins=True) as known:
        return user_json(await known.users.add(name, **fields))


async def change_user(resolved: Resolved, who: str, **changes: Any) -> dict[str, Any]:
    """who: a name or an id. Raises NotFound, BadInput, Conflict."""
    async with people(resolved) as known:
        return user_json(await known.users.change(known.users.by_name(who).id, **changes))


async def set_user_password(resolved: Resolved, who: str, password: str | None) -> dict[str, Any]:
    """Signs the user out everywhere; None removes the password. Raises NotFound, BadInput."""
    async with people(resolved) as known:
        user: User = await known.users.set_password(known.users.by_name(who).id, password)
        await known.sessions.end_all(user.id)
        return user_json(user)


async def invite(resolved: Resolved, who: str) -> tuple[str, int]:
    """A link for one sign-in, and when it ends (µs). Raises NotFound, Conflict."""
    async with people(resolved, changing=False) as known:
        user = known.users.get_enabled(known.users.by_name(who).id)
        token, ends = await known.sessions.invite(user.id)
    found = running(resolved.data_dir)
    url = str(found["url"]) if found else usual_url(resolved)
    return f"{url}/sign-in?token={token}", ends


async def all_keys(resolved: Resolved, who: str | None) -> list[dict[str, Any]]:
    """Everybody's, or one user's. Raises NotFound."""
    async with people(resolved, changing=False) as known:
        user_id = None if who is None else known.users.by_name(who).id
        return [_shown(known, key) for key in known.keys.list(user_id)]


async def one_key(resolved: Resolved, which: str) -> dict[str, Any]:
    async with people(resolved, changing=False) as known:
        return _shown(known, known.keys.by_name(which))


async def create_key(resolved: Resolved, who: str, **fields: Any) -> tuple[dict[str, Any], str]:
    """The key and its token. Raises NotFound, BadInput, Conflict."""
    async with people(resolved, begins=True) as known:
        key, token = await known.keys.issue(user_id=known.users.by_name(who).id, **fields)
        return _shown(known, key), token


async def revoke_key(resolved: Resolved, which: str) -> dict[str, Any]:
    async with people(resolved) as known:
        return _shown(known, await known.keys.revoke(known.keys.by_name(which).id))


async def rotate_key(resolved: Resolved, which: str, overlap_seconds: int) -> tuple[dict[str, Any], str]:
    """The new key and its token. Raises NotFound, BadInput, Conflict."""
    async with people(resolved) as known:
        key, token = await known.keys.rotate(known.keys.by_name(which).id, overlap_seconds)
        return _shown(known, key), token


def _shown(known: People, key: ApiKey) -> dict[str, Any]:
    return key_json(key, known.users.get(key.user_id).name, now())
