"""What the command line does to a data directory; most of it while the server runs beside it."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.provider_accounts import ENVIRONMENT_ID, ProviderAccounts
from talkmeter.accounts.secrets import Sealer, load_key, make_key_file, openable, rotate
from talkmeter.accounts.sessions import Sessions
from talkmeter.accounts.store import SaveProvider
from talkmeter.app.listening import usual_url
from talkmeter.app.occupancy import Occupancy, occupied, running
from talkmeter.app.wiring import Accounts, make_data_dir, open_database, sealer_of
from talkmeter.app.workspace import NO_WORKSPACE, file_of, require
from talkmeter.config import Resolved
from talkmeter.errors import BadInput, Conflict, NotFound, SettingError
from talkmeter.metering.pricebook import PriceBook, built_in_rows
from talkmeter.metering.prices import PriceRow
from talkmeter.store import Store
from talkmeter.store.archive import KEY
from talkmeter.store.backup import Restored, make_backup, restore_backup
from talkmeter.surfaces.web.translate import price_json

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs it to its end in a loop of its own."""
    return asyncio.run(work)


@contextlib.asynccontextmanager
async def opened(resolved: Resolved, *, begins: bool = False, alone: bool = False) -> AsyncIterator[Store]:
    """The store, without the parts that only a server needs. begins, alone: see open_database."""
    store = await open_database(resolved, begins=begins, alone=alone)
    try:
        yield store
    finally:
        await store.close()


@contextlib.asynccontextmanager
async def opened_accounts(resolved: Resolved, *, begins: bool = False) -> AsyncIterator[Accounts]:
    """What the store keeps about people and providers. Raises SettingError; see Accounts.load and open_database."""
    async with opened(resolved, begins=begins) as store:
        accounts = Accounts(store, resolved)
        await accounts.load()
        yield accounts


def provider_names(resolved: Resolved, providers: ProviderAccounts) -> dict[str, str]:
    """By id: as a running server knows them, else as these settings do, which may lack those of the server's."""
    known = providers.names()
    found = running(resolved.data_dir)
    if found is None:
        return {ENVIRONMENT_ID: ENVIRONMENT_ID, **known}
    ours = providers.names_from_settings()
    return {**found.get("providers", {}), **{each: name for each, name in known.items() if each not in ours}}


async def new_link(resolved: Resolved) -> str:
    """A one-time sign-in link, good for 15 minutes."""
    async with opened(resolved) as store:
        token = await Sessions(store).new_link_token()
    found = running(resolved.data_dir)
    url = str(found["url"]) if found else usual_url(resolved)
    return f"{url}/sign-in?token={token}"


async def set_password(resolved: Resolved, password: str) -> None:
    """Sets the owner's password and ends all sessions. Raises BadInput."""
    async with opened(resolved, begins=True) as store:
        await Passwords(store).set(password)
        await Sessions(store).end_all()


async def remove_password(resolved: Resolved) -> None:
    async with opened(resolved) as store:
        await Passwords(store).remove()


def back_up(resolved: Resolved, file: Path, *, include_key: bool) -> int:
    """A verified copy of the workspace; how many files it holds. The server may run. Raises BadInput, StoreError."""
    return len(make_backup(resolved.data_dir, file, include_key, _sqlite_of(resolved)).files)


def put_back(resolved: Resolved, file: Path, *, force: bool) -> Restored:
    """Raises SettingError while a server runs on the data directory; see store.backup.restore_backup."""
    database = _sqlite_of(resolved)
    refuse_while_running(resolved)
    return restore_backup(file, resolved.data_dir, force, database)


def _sqlite_of(resolved: Resolved) -> Path:
    """Raises BadInput for PostgreSQL: a file left over from before would be taken for its content."""
    file = file_of(resolved)
    if file is None:
        raise BadInput(
            "The database is PostgreSQL's; Talkmeter neither backs it up nor restores it.",
            "데이터베이스가 PostgreSQL에 있어 Talkmeter가 백업하거나 복원하지 않습니다.",
            code="not_sqlite",
            hint="Use pg_dump and pg_restore, and copy the folder attachments and the key file of the data directory.",
            hint_ko="pg_dump와 pg_restore를 쓰고, 데이터 폴더의 attachments 폴더와 키 파일을 복사하십시오.",
            param="database_url",
        )
    return file


async def price_rows(resolved: Resolved, model: str | None) -> list[PriceRow]:
    """Own rows; with a model all that its price may come from, of which some are built in, workspace or not."""
    try:
        async with opened(resolved) as store:
            book = PriceBook(store, lambda _: None)
            await book.load()
            return book.rows(model) if model else book.own_rows()
    except NotFound as error:
        if model is None or error.code != NO_WORKSPACE:
            raise
    return built_in_rows(model)


def shown_as_json(row: PriceRow) -> dict[str, Any]:
    """As the page's API has it."""
    return price_json(row)


async def add_price(resolved: Resolved, row: PriceRow) -> int:
    """Adds an own row; how many entries that were unpriced have a price now. Raises Conflict."""
    async with opened(resolved, begins=True) as store:
        book = PriceBook(store, lambda _: None)
        await book.load()
        before = len(await store.unpriced_entries())
        try:
            await book.add(row)
        except Conflict:
            raise Conflict(
                f"There is already a price {row.id}.",
                f"{row.id} 가격이 이미 있습니다.",
                hint="Give it another --from day: a new price does not change what has been counted.",
                hint_ko="--from으로 다른 날짜를 지정하십시오. 새 가격은 이미 계산된 것을 바꾸지 않습니다.",
                code="price_exists",
            ) from None
        after = len(await store.unpriced_entries())
    tell_server(resolved)
    return before - after


async def delete_price(resolved: Resolved, price_id: str) -> None:
    """Raises NotFound; what the row has priced stays priced."""
    async with opened(resolved) as store:
        book = PriceBook(store, lambda _: None)
        try:
            await book.delete(price_id)
        except Conflict:
            raise NotFound(
                f"There is no price {price_id} of your own.",
                f"직접 입력한 {price_id} 가격이 없습니다.",
                hint="`talkmeter prices list` shows them; built-in prices are overridden, not deleted.",
                hint_ko="`talkmeter prices list`로 확인하십시오. 기본 가격은 지우지 않고 덮어씁니다.",
                code="price_not_found",
            ) from None
    tell_server(resolved)


async def rotate_key(resolved: Resolved) -> tuple[int, Path | None]:
    """Seals all provider keys with a new key file; how many, and where the old one is now. The server must not run.

    The new key is on the disk before the database needs it, and the old one is kept beside it.
    """
    if resolved.get("encryption_key") is not None:
        raise SettingError(
            "The key comes from the setting encryption_key, so its file cannot be rotated.",
            "키가 설정 encryption_key에서 오므로 키 파일을 교체할 수 없습니다.",
            hint="Unset it to go on with a key file; the old key must open the keys until then.",
            hint_ko="키 파일을 쓰려면 그 설정을 지우십시오.",
            code="key_from_setting",
            param="encryption_key",
        )
    require(resolved)
    make_data_dir(resolved.data_dir)
    occupancy = Occupancy(resolved.data_dir)
    try:
        key_file = resolved.path("key_file", KEY)
        fresh = key_file.with_name(f"{key_file.name}.new")
        fresh.unlink(missing_ok=True)
        old = sealer_of(resolved)
        new = Sealer(make_key_file(fresh), fresh)
        async with opened(resolved, alone=True) as store:
            count = await rotate(store, old, new)
        kept = key_file.replace(key_file.with_name(f"{key_file.name}.old")) if key_file.exists() else None
        fresh.replace(key_file)
    finally:
        occupancy.release()
    return count, kept


async def forget_keys(resolved: Resolved) -> int:
    """Removes the sealed provider keys that our key does not open; how many. Providers and ledger stay."""
    require(resolved)
    make_data_dir(resolved.data_dir)
    occupancy = Occupancy(resolved.data_dir)
    try:
        sealer = Sealer(load_key(resolved.get("encryption_key"), key_file := resolved.path("key_file", KEY)), key_file)
        forgotten = 0
        async with opened(resolved, alone=True) as store:
            for account in await store.providers():
                kept = openable(account, sealer)
                if kept != account:
                    await store.commit(SaveProvider(kept))
                    forgotten += (kept.key != account.key) + (kept.admin_key != account.admin_key)
    finally:
        occupancy.release()
    return forgotten


def refuse_while_running(resolved: Resolved) -> None:
    """Raises SettingError if a server runs on the data directory."""
    if occupied(resolved.data_dir):
        Occupancy(resolved.data_dir).release()


def tell_server(resolved: Resolved) -> bool:
    """Makes a running server read settings, providers and prices again; whether there is one that could be told."""
    found = running(resolved.data_dir)
    if found is None or not hasattr(signal, "SIGUSR1"):
        return False
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(int(found["pid"]), signal.SIGUSR1)
        return True
    return False
