"""A store that only reads: for who examines a workspace and must change nothing in it, not even its schema."""

import asyncio
from pathlib import Path

from msgspec import Struct

from talkmeter.store import faults
from talkmeter.store.databases import Database, database
from talkmeter.store.migrate import OURS, revision_of
from talkmeter.store.readers import NoWriter, Readers
from talkmeter.store.store import Store


class Schema(Struct, frozen=True):
    """found: the revision that is there, None: there is no schema. ours: the one that this program needs."""

    found: str | None
    ours: str


async def schema_of(url_or_path: str | Path, *, busy_timeout: float = 5.0) -> Schema:
    """Raises SettingError, StoreTooNew, StoreError."""
    return await asyncio.to_thread(_schema_of, database(url_or_path, busy_timeout))


def open_to_read(url_or_path: str | Path, *, busy_timeout: float = 5.0) -> Store:
    """Of a database whose schema is ours; see schema_of. A commit raises StoreError."""
    opened = database(url_or_path, busy_timeout)
    return Store(opened, NoWriter(opened.name), Readers(opened.reading(1), 1, opened.name))


def _schema_of(opened: Database) -> Schema:
    try:
        return Schema(revision_of(opened), OURS.head)
    except OSError as error:
        raise faults.cannot_open(opened.name, error) from error
    except opened.dialect.loaded_dbapi.Error as error:
        raise faults.as_ours(error, opened.name) from error
