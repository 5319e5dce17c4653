"""The schema of a database: made when there is none, brought up to date when it is behind, refused when it is ahead.

A normal start only compares two strings; Alembic is imported when there is something to do. A new database is made
from schema.py, an old one by the migrations; a test proves that both give the same schema.
"""

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


def prepare(database: Database, migrations: Migrations = OURS) -> None:
    """Makes the database fit for this program. Raises StoreTooNew, StoreError, or the driver's error."""
    engine = database.writing()
    try:
        with engine.connect() as connection:
            found = _revision(connection, database.name)
        if found == migrations.head:
            return
        if found is not None:
            _refuse_unless_older(found, migrations.head, database.name)
        _change(engine, database, migrations)
    except DBAPIError as error:
        raise error.orig or error from error
    finally:
        engine.dispose()


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


def _refuse_unless_older(found: str, head: str, name: str) -> None:
    if found.isdecimal() and found < head:
        return
    raise StoreTooNew(
        f"The database {name} was written by a newer Talkmeter (its schema is {found}, this program knows {head}).",
        f"데이터베이스 {name}은(는) 더 새로운 Talkmeter의 것입니다 (스키마 {found}, 이 프로그램은 {head}까지 지원).",
        hint="Start the newer Talkmeter, or restore the backup that was made before the update.",
        hint_ko="새 버전의 Talkmeter를 실행하거나, 업데이트 전에 만든 백업을 복원하십시오.",
    )
