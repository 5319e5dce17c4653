"""What the command line reads from the ledger; the server may run beside it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from talkmeter.accounts.keys import Keys
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.principals import LOCAL
from talkmeter.accounts.provider_accounts import SIMULATOR_ID, SIMULATOR_NAME
from talkmeter.accounts.users import Users
from talkmeter.app.administration import opened
from talkmeter.app.wiring import Accounts
from talkmeter.config import Resolved
from talkmeter.errors import BadInput
from talkmeter.metering.calls import CallFilter, Grouping
from talkmeter.metering.periods import midnight
from talkmeter.metering.usage_table import UsageRow, usage_rows
from talkmeter.store import Store
from talkmeter.surfaces.web.routes_calls import exported_lines
from talkmeter.surfaces.web.translate_calls import Named

Days = tuple[str | None, str | None]  # the first and the last, as 2026-11-28


class Known(Struct, frozen=True):
    users: Users
    keys: Keys

    @property
    def names(self) -> Named:
        return Named({key.id: key.name for key in self.keys.list()}, {user.id: user.name for user in self.users.list()})


async def usage(
    resolved: Resolved, by: Grouping, days: Days, given: Mapping[str, Any]
) -> tuple[Sequence[UsageRow], Mapping[str, str]]:
    """The rows, and names for the ids in them. days: the first and the last, in the time zone of the settings.

    Raises NotFound and BadInput for a filter that is a typing error.
    """
    async with opened(resolved) as store:
        accounts = Accounts(store, resolved)
        await accounts.settings.load()
        zone = ZoneInfo(str(accounts.settings.get("time_zone")))
        known = await _known(store)
        wanted = _wanted(known, zone, days, given)
        rows = await usage_rows(store, wanted, by, zone)
        providers = {SIMULATOR_ID: SIMULATOR_NAME} | {one.id: one.name for one in await store.providers()}
    return rows, {"key": known.names.keys, "user": known.names.users, "provider": providers}.get(by, {})


async def export_calls(
    resolved: Resolved, write: Callable[[bytes], Any], form: str, days: Days, given: Mapping[str, Any]
) -> None:
    """Writes the calls as csv or ndjson, newest first. Raises as usage does."""
    async with opened(resolved) as store:
        accounts = Accounts(store, resolved)
        await accounts.settings.load()
        zone = ZoneInfo(str(accounts.settings.get("time_zone")))
        known = await _known(store)
        wanted = _wanted(known, zone, days, given)
        async for piece in exported_lines(store, wanted, form, known.names):
            write(piece)


def _wanted(known: Known, zone: ZoneInfo, days: Days, given: Mapping[str, Any]) -> CallFilter:
    """Keys and users may be given by name. Raises NotFound, Conflict (several have the name), BadInput."""
    first, last = days
    wanted = CallFilter(
        **given,
        since=None if first is None else midnight(first, zone),
        until=None if last is None else midnight(last, zone, days=1),
    )
    if wanted.since is not None and wanted.until is not None and wanted.until <= wanted.since:
        raise BadInput(
            f"No day is from {first} to {last}: the last is before the first.",
            f"{first}부터 {last}까지는 하루도 없습니다. 마지막 날이 첫날보다 앞섭니다.",
            param="to",
            hint="--from is the first day and --to the last.",
            hint_ko="--from은 첫날, --to는 마지막 날입니다.",
        )
    return structs.replace(
        wanted,
        key_id=None if wanted.key_id is None else known.keys.by_name(wanted.key_id, also_revoked=True).id,
        principal=wanted.principal if wanted.principal in (None, LOCAL) else known.users.by_name(wanted.principal).id,
    )


async def _known(store: Store) -> Known:
    users = Users(store, Passwords(store))
    await users.load()
    keys = Keys(store, users)
    await keys.load()
    return Known(users, keys)
