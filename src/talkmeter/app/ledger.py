"""What the command line reads from the ledger; the server may run beside it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import structs

from talkmeter.accounts.keys import Keys
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.users import Users
from talkmeter.app.administration import opened
from talkmeter.app.wiring import Accounts
from talkmeter.config import Resolved
from talkmeter.metering.calls import CallFilter, Grouping
from talkmeter.metering.periods import midnight
from talkmeter.metering.usage_table import UsageRow, usage_rows
from talkmeter.store import Store
from talkmeter.surfaces.web.routes_calls import exported_lines
from talkmeter.surfaces.web.translate_calls import Named

Days = tuple[str | None, str | None]  # the first and the last, as 2026-11-28


async def usage(
    resolved: Resolved, by: Grouping, days: Days, given: Mapping[str, Any]
) -> tuple[Sequence[UsageRow], Mapping[str, str]]:
    """The rows, and names for the ids in them. days: the first and the last, in the time zone of the settings."""
    async with opened(resolved) as store:
        accounts = Accounts(store, resolved)
        await accounts.settings.load()
        zone = ZoneInfo(str(accounts.settings.get("time_zone")))
        named = await _named(store)
        wanted = _wanted(named, zone, days, given)
        rows = await usage_rows(store, wanted, by, zone)
        providers = {one.id: one.name for one in await store.providers()}
    return rows, {"key": named.keys, "user": named.users, "provider": providers}.get(by, {})


async def export_calls(
    resolved: Resolved, write: Callable[[bytes], Any], form: str, days: Days, given: Mapping[str, Any]
) -> None:
    """Writes the calls as csv or ndjson, newest first."""
    async with opened(resolved) as store:
        accounts = Accounts(store, resolved)
        await accounts.settings.load()
        zone = ZoneInfo(str(accounts.settings.get("time_zone")))
        named = await _named(store)
        wanted = _wanted(named, zone, days, given)
        async for piece in exported_lines(store, wanted, form, named):
            write(piece)


def _wanted(named: Named, zone: ZoneInfo, days: Days, given: Mapping[str, Any]) -> CallFilter:
    """Keys and users may be given by name."""
    first, last = days
    wanted = CallFilter(
        **given,
        since=None if first is None else midnight(first, zone),
        until=None if last is None else midnight(last, zone, days=1),
    )
    return structs.replace(
        wanted, key_id=_id_of(named.keys, wanted.key_id), principal=_id_of(named.users, wanted.principal)
    )


def _id_of(names: Mapping[str, str], given: str | None) -> str | None:
    """An id as it is, else the id of the last one that has the name."""
    if given is None or given in names:
        return given
    return next((id_ for id_, name in reversed(list(names.items())) if name == given), given)


async def _named(store: Store) -> Named:
    users = Users(store, Passwords(store))
    await users.load()
    keys = Keys(store, users)
    await keys.load()
    return Named({key.id: key.name for key in keys.list()}, {user.id: user.name for user in users.list()})
