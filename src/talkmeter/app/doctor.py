"""`talkmeter doctor`: looks at everything that a healthy workspace needs, changes nothing."""

import contextlib
import os
import platform
import shutil
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from talkmeter import __version__
from talkmeter.accounts.provider_accounts import ProviderAccounts
from talkmeter.app.host_names import hosts_of, nameless
from talkmeter.app.listening import bind
from talkmeter.app.occupancy import running
from talkmeter.app.tls import open_tls
from talkmeter.app.wiring import sealer_of
from talkmeter.app.workspace import address_of, file_of, has_database
from talkmeter.config import BY_NAME, Resolved
from talkmeter.errors import TalkmeterError
from talkmeter.store import Store
from talkmeter.store.archive import KEY
from talkmeter.store.looking import open_to_read, schema_of
from talkmeter.wording import numbered

LITTLE_SPACE = 500_000_000  # bytes
FEW_DAYS = 14  # before a certificate ends
NOT_LOOKED_AT = "not looked at before the database is up to date"
State = Literal["ok", "note", "bad"]


class Finding(Struct, frozen=True):
    state: State
    about: str
    text: str
    hint: str | None = None


async def examine(resolved: Resolved) -> AsyncIterator[Finding]:
    """Finding by finding, as they are made. Raises nothing."""
    yield Finding("ok", "versions", f"Talkmeter {__version__}, Python {platform.python_version()}, "
                  f"SQLite {sqlite3.sqlite_version}, {sys.platform}")  # fmt: skip
    checks: tuple[tuple[str, Callable[[Resolved], Awaitable[Finding]]], ...] = (
        ("settings", _settings),
        ("data directory", _data_dir),
        ("database", _database),
        ("provider keys", _keys),
        ("open calls", _open_entries),
        ("page", _page),
        ("encodings", _encodings),
        ("simulator", _simulator),
        ("TLS", _tls),
        ("port", _port),
        ("names", _names),
    )
    for about, check in checks:
        try:
            yield await check(resolved)
        except TalkmeterError as error:
            yield Finding("bad", about, error.message, error.hint)
        except Exception as error:  # noqa: BLE001 - a doctor reports what it finds
            yield Finding("bad", about, f"{type(error).__name__}: {error}")


async def _settings(resolved: Resolved) -> Finding:
    given = [
        f"{name}={'***' if BY_NAME[name].secret else value.value} ({value.where})"
        for name, value in resolved.values.items()
    ]
    return Finding("ok", "settings", "; ".join(given) or "all at their defaults")


async def _data_dir(resolved: Resolved) -> Finding:
    folder = resolved.data_dir
    if not folder.is_dir():
        return Finding("note", "data directory", f"{folder} does not exist yet; the first start makes it")
    if os.name == "posix" and stat.S_IMODE(folder.stat().st_mode) & 0o077:
        return Finding("note", "data directory", f"{folder} can be read by others", f"chmod 700 {folder}")
    free = shutil.disk_usage(folder).free
    if free < LITTLE_SPACE:
        return Finding("bad", "data directory", f"only {free // 1_000_000} MB are free on the disk of {folder}")
    return Finding("ok", "data directory", f"{folder}, {free // 1_000_000_000} GB free")


async def _database(resolved: Resolved) -> Finding:
    if not has_database(resolved):
        return Finding("note", "database", "none yet; the first start makes it")
    path = file_of(resolved)
    rows: Mapping[str, int] = {}
    if path is not None:
        from talkmeter.store.sqlite_copy import check_database

        rows = check_database(path, copy=False)
    schema = await schema_of(address_of(resolved))
    if schema.found is None:
        return Finding("note", "database", "empty; the first start makes its tables")
    if schema.found != schema.ours:
        text = f"its schema is {schema.found}, which is older than this program's ({schema.ours})"
        return Finding("note", "database", text, "The next start brings it up to date, after a copy.")
    if path is None:
        async with looked_at(resolved) as store:
            await store.check()
            return Finding("ok", "database", store.name)
    messages, entries = rows.get("messages", 0), rows.get("ledger_entries", 0)
    kept = f"{numbered(messages, 'message')}, {numbered(entries, 'entry', 'entries')}"
    return Finding("ok", "database", f"sound; {kept}")


async def _keys(resolved: Resolved) -> Finding:
    key_file = resolved.path("key_file", KEY)
    if not has_database(resolved):
        return Finding("ok", "provider keys", "none yet")
    if not await _is_ours(resolved):
        return Finding("note", "provider keys", NOT_LOOKED_AT)
    async with looked_at(resolved) as store:
        accounts = ProviderAccounts(store, sealer_of(resolved), resolved)
        await accounts.load()
    sealed = sum(1 for account in accounts.all() if account.source == "stored" and account.key is not None)
    if os.name == "posix" and key_file.is_file() and stat.S_IMODE(key_file.stat().st_mode) & 0o077:
        return Finding("bad", "provider keys", f"{key_file} can be read by others", f"chmod 600 {key_file}")
    return Finding("ok", "provider keys", f"{sealed} sealed, all can be opened")


async def _open_entries(resolved: Resolved) -> Finding:
    if not has_database(resolved):
        return Finding("ok", "open calls", "none")
    if not await _is_ours(resolved):
        return Finding("note", "open calls", NOT_LOOKED_AT)
    async with looked_at(resolved) as store:
        count = len(await store.open_entries())
    if count and running(resolved.data_dir) is None:
        return Finding("note", "open calls", f"{count} of a process that has ended; the next start settles them")
    return Finding("ok", "open calls", f"{count}")


async def _page(_: Resolved) -> Finding:
    import talkmeter

    index = Path(talkmeter.__file__).parent / "surfaces/web/static/index.html"
    if index.is_file():
        return Finding("ok", "page", "built")
    return Finding("bad", "page", f"{index} is missing", "In a checkout: python3 dev serve. Else install it again.")


async def _encodings(_: Resolved) -> Finding:
    from talkmeter.metering.tokens import ENCODING_NAMES, encode_text

    for name in ENCODING_NAMES:
        encode_text("토큰 tokens", name)
    return Finding("ok", "encodings", f"{len(ENCODING_NAMES)} loaded, their hashes are right")


async def _simulator(_: Resolved) -> Finding:
    from talkmeter.providers.client import Client, Timeouts
    from talkmeter.providers.openai_compatible import OpenAICompatible
    from talkmeter.simulator.server import Simulator

    simulator, client = Simulator(None, 0), Client(Timeouts())
    try:
        base_url = await simulator.start()
        provider = OpenAICompatible(id="s", name="s", base_url=base_url, key=None, client=client)
        models = await provider.models()
    finally:
        await client.close()
        await simulator.stop()
    return Finding("ok", "simulator", f"answers, {len(models)} models")


async def _tls(resolved: Resolved) -> Finding:
    tls = open_tls(resolved)
    if tls is None:
        return Finding("ok", "TLS", "off; the server speaks plain HTTP")
    if os.name == "posix" and stat.S_IMODE(tls.files.key.stat().st_mode) & 0o077:
        return Finding("bad", "TLS", f"{tls.files.key} can be read by others", f"chmod 600 {tls.files.key}")
    facts = tls.facts
    left = facts.days_left()
    about = f"{', '.join(facts.names) or 'no names'}, until {facts.until:%Y-%m-%d}"
    if left < FEW_DAYS:
        when = "has ended" if left < 0 else f"ends in {left} days"
        state: State = "bad" if left < 0 else "note"
        return Finding(state, "TLS", f"{about}: it {when}", "Renew it; a running server takes up the new files.")
    if not facts.names:
        return Finding("bad", "TLS", "the certificate is for no name (subjectAltName); no client will accept it")
    return Finding("ok", "TLS", about)


async def _port(resolved: Resolved) -> Finding:
    found = running(resolved.data_dir)
    if found is not None:
        return Finding("ok", "port", f"the server runs at {found['url']}")
    for made in bind(resolved.get("host"), resolved.get("port")):
        made.close()
    return Finding("ok", "port", f"{resolved.get('port')} is free on {resolved.get('host')}")


async def _names(resolved: Resolved) -> Finding:
    tls = open_tls(resolved)
    if nameless(resolved.get, tls):
        about = f"others reach {resolved.get('host')}, but only localhost is answered; every other name is refused"
        return Finding("note", "names", about, "Set allowed_hosts to the names and addresses that others open.")
    return Finding("ok", "names", ", ".join(dict.fromkeys(("localhost", *hosts_of(resolved.get, tls)))))


async def _is_ours(resolved: Resolved) -> bool:
    """Whether the database has the schema that this program reads."""
    schema = await schema_of(address_of(resolved))
    return schema.found == schema.ours


@contextlib.asynccontextmanager
async def looked_at(resolved: Resolved) -> AsyncIterator[Store]:
    store = open_to_read(address_of(resolved))
    try:
        yield store
    finally:
        await store.close()
