"""The schema of a database: made when there is none, brought up to date when it is behind, refused when it is ahead.

A normal start only compares two strings; Alembic is imported when there is something to do. A new database is made
from schema.py, an old one by the migrations; a test proves that both give the same schema.
"""

import glob
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    Column,
    Connection,
    Engine,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)
from sqlalchemy.exc import DBAPIError

from talkmeter.errors import StoreError, StoreTooNew
from talkmeter.store.databases import Database
from talkmeter.store.schema import add_first_rows, metadata
from talkmeter.store.sqlite_copy import copy_database

_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),  # as Alembic makes it
)
_LOCK = 0x7461_6C6B  # PostgreSQL's advisory lock for changing the schema


class Migrations(Struct, frozen=True):
    """Where the migrations are, and the revision that this program needs. Revisions are numbers of four digits."""

    head: str
    folder: Path


OURS = Migrations("0010", Path(__file__).parent / "migrations")

# Asked before a schema is made (the revision found is None) or brought up to date; raises what is against it.
MayChange = Callable[[str | None, Database], None]


def anything(found: str | None, database: Database) -> None:
    """A MayChange that never objects."""


def prepare(database: Database, migrations: Migrations = OURS, may_change: MayChange = anything) -> None:
    """Makes the database fit for this program. Raises StoreTooNew, StoreError, the driver's error, or may_change's."""
    if database.path is not None and not database.path.exists():
        may_change(None, database)  # before there is a file
        database.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    engine = database.writing()
    try:
        with engine.connect() as connection:
            found = _revision(connection, database.name)
        if found == migrations.head:
            return
        if found is not None:
            _refuse_unless_older(found, migrations.head, database)
        may_change(found, database)
        _change(engine, database, migrations)
    except DBAPIError as error:
        raise error.orig or error from error
    finally:
        engine.dispose()


def revision_of(database: Database) -> str | None:
    """Of the schema that is there, only read; None: there is none. Raises as `prepare`."""
    engine = database.reading(1)
    try:
        with engine.connect() as connection:
            found = _revision(connection, database.name)
        if found is not None and found != OURS.head:
            _refuse_unless_older(found, OURS.head, database)
    except DBAPIError as error:
        raise error.orig or error from error
    finally:
        engine.dispose()
    return found


def _change(engine: Engine, database: Database, migrations: Migrations) -> None:
    """In one transaction, under a lock: a second process that starts now finds the work done, or not begun.

    A process that is killed in the middle has changed nothing; the next start begins again.
    """
    with engine.connect() as connection:
        if database.path is not None:
            _sqlite_without_foreign_keys(connection)
        with connection.begin():
            if database.path is None:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            found = _revision(connection, database.name)
            if found is None:
                metadata.create_all(connection, checkfirst=False)
                add_first_rows(connection)
                _version.create(connection, checkfirst=False)
                connection.execute(insert(_version).values(version_num=migrations.head))
            elif found != migrations.head:
                if database.path is not None:
                    _keep_a_copy(database.path, migrations.head)
                upgrade(connection, migrations)
            if database.path is not None:
                _check_foreign_keys(connection, database.name)


def upgrade(connection: Connection, migrations: Migrations = OURS) -> None:
    """Runs the migrations that are missing, within the transaction that the caller has begun."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations.folder).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, migrations.head)


def _sqlite_without_foreign_keys(connection: Connection) -> None:
    # SQLite changes a table by making it anew; while the old one is gone nothing may insist on its rows.
    # Cannot be switched within a transaction, and ends with this connection.
    raw: Any = connection.connection.dbapi_connection
    raw.execute("PRAGMA foreign_keys=OFF").close()


def _check_foreign_keys(connection: Connection, name: str) -> None:
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        raise StoreError(
            f"The update of {name} would leave rows that refer to nothing; it was not carried out.",
            f"{name}을(를) 업데이트하면 참조가 끊긴 행이 생기므로 업데이트하지 않았습니다.",
            hint="Go on with the former version of Talkmeter and report this.",
            hint_ko="이전 버전의 Talkmeter를 계속 사용하고 이 문제를 알려 주십시오.",
        )


def _keep_a_copy(path: Path, head: str) -> None:
    """The verified copy from before the update. The lock that is held lets nobody write in between."""
    kept = path.with_name(f"{path.name}.before-{head}")
    unfinished = kept.with_name(f"{kept.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    copy_database(path, unfinished)
    unfinished.replace(kept)


def _revision(connection: Connection, name: str) -> str | None:
    """None: there is nothing there yet. Raises StoreError for a database of something else."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    found = connection.execute(select(_version)).scalar() if _version.name in tables else None
    if found is None:
        raise StoreError(
            f"The database {name} holds tables that are not Talkmeter's.",
            f"데이터베이스 {name}에 Talkmeter의 것이 아닌 테이블이 있습니다.",
            code="not_our_database",
            hint="Give Talkmeter a database of its own.",
            hint_ko="Talkmeter 전용 데이터베이스를 지정하십시오.",
        )
    return str(found)


def copies_before_updates(database: Path) -> list[Path]:
    """Those that updates have kept of it, the one of the oldest schema first."""
    begin = f"{database.name}.before-"
    found = database.parent.glob(f"{glob.escape(begin)}*")
    return sorted(path for path in found if path.name.removeprefix(begin).isdecimal())


def refuse_newer(found: str, about: str, head: str = OURS.head, copy: Path | None = None) -> None:
    """Raises StoreTooNew for a schema that this program does not know. copy: of a former one, to go back to."""
    if found.isdecimal() and found <= head:
        return
    hint, hint_ko = "Use the newer Talkmeter", "새 버전의 Talkmeter를 쓰십시오"
    if copy is None:
        hint += ", or restore a backup from before the update"
        hint_ko += ". 또는 업데이트 전에 만든 백업을 복원하십시오"
    else:
        where = ["--data-dir", str(copy.parent), "--force", str(copy)]
        again = f"`talkmeter restore {subprocess.list2cmdline(where) if os.name == 'nt' else shlex.join(where)}`"
        hint += f", or go back to the copy that was kept before its update: {again}. What came since is put aside"
        hint_ko += f". 또는 업데이트 전에 남겨 둔 사본으로 되돌리십시오: {again}. 그 뒤의 내용은 옆으로 옮깁니다"
    raise StoreTooNew(
        f"{about} was written by a newer Talkmeter (its schema is {found}, this program knows {head}).",
        f"{about}은(는) 더 새로운 Talkmeter의 것입니다 (스키마 {found}, 이 프로그램은 {head}까지 지원).",
        hint=f"{hint}.",
        hint_ko=f"{hint_ko}.",
    )


def _refuse_unless_older(found: str, head: str, database: Database) -> None:
    kept = [] if database.path is None else copies_before_updates(database.path)
    # The first update past what this program knows began with a schema that it does know.
    copy = next((path for path in kept if path.name.rpartition("-")[2] > head), None)
    refuse_newer(found, f"The database {database.name}", head, copy)
