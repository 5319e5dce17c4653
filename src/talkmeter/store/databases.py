"""The two databases: how each is connected to, for the writer and for the readers."""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import ArgumentError

from talkmeter.errors import SettingError
from talkmeter.store.exclusive import lock_beside, lock_in_postgres

_POSTGRES = ("postgresql", "postgresql+psycopg", "postgres")
_COUNTERS = 0x746B_6D63  # PostgreSQL's advisory lock for budgets and rate limits; ends with the transaction
_LOG_PAGES = 4000  # of 4 kB, after which the log is written back: 1000 would be a second of a busy gateway
_BUSY_PAUSE = 0.02  # seconds
_LARGEST_LOG = 64 << 20  # bytes of the write-ahead log that stay on the disk once it has been written back


class Database(Struct, frozen=True, kw_only=True):
    """name: for people, without a password; called: for whoever asks, who need not know where it is. path: of SQLite's
    file. begin: how the writer begins a transaction.

    lock_counters: what it executes before it counts in rows that other processes count in too; None: begin has locked.
    """

    name: str
    called: str
    path: Path | None
    dialect: Dialect
    begin: str
    lock_counters: str | None
    connect_writer: Callable[[], Any]
    writing: Callable[[], Engine]  # for making and changing the schema; one connection
    reading: Callable[[int], Engine]
    lock: Callable[[str], Callable[[], Any | None]]  # see exclusive.py


def database(url_or_path: str | Path, busy_timeout: float) -> Database:
    """What a path, `sqlite:///PATH` or `postgresql[+psycopg]://…` names. Raises SettingError for anything else."""
    file = sqlite_file(url_or_path)
    if file is not None:
        return _sqlite(file, busy_timeout)
    try:
        url = make_url(str(url_or_path))
    except ArgumentError:
        raise _unusable() from None
    if url.drivername in _POSTGRES:
        return _postgres(url.set(drivername="postgresql+psycopg"), busy_timeout)
    raise _unusable()


def sqlite_file(url_or_path: str | Path) -> Path | None:
    """None if it is another database's URL. Raises SettingError."""
    file = str(url_or_path).removeprefix("sqlite:///")
    if not isinstance(url_or_path, Path) and "://" in file:
        return None
    if file in ("", ":memory:"):  # nothing that is only in memory keeps our promises
        raise _unusable()
    return Path(file)


def _unusable() -> SettingError:
    return SettingError(  # without the URL: it may hold a password
        "The database URL cannot be used.",
        "데이터베이스 URL을 사용할 수 없습니다.",
        param="database_url",
        hint="Give a path, sqlite:///PATH, or postgresql+psycopg://USER:PASSWORD@HOST/NAME.",
        hint_ko="경로, sqlite:///경로, 또는 postgresql+psycopg://사용자:비밀번호@호스트/이름 형식으로 쓰십시오.",
    )


# SQLite


def watch_file(path: Path) -> Callable[[], bool]:
    """Tells whether the path still names the file that it names now."""
    made = path.stat()

    def present() -> bool:
        try:
            found = path.stat()
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == (made.st_dev, made.st_ino)

    return present


def sqlite_connection(path: Path, busy_timeout: float, *, read_only: bool) -> sqlite3.Connection:
    """A connection in autocommit mode with our settings, usable from any one thread at a time.

    Only the writer's connection writes back the log: with a single connection that writes and checkpoints, SQLite's
    WAL-reset bug (before 3.51.3) cannot strike. No memory mapping, which would spread such damage.
    """
    mode = "ro" if read_only else "rwc"
    connection = sqlite3.connect(
        f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=True,
        timeout=busy_timeout,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    pragmas = ["mmap_size=0", "foreign_keys=ON"]
    if read_only:
        pragmas += ["query_only=ON", "wal_autocheckpoint=0"]
    else:
        pragmas += ["synchronous=FULL", f"journal_size_limit={_LARGEST_LOG}", f"wal_autocheckpoint={_LOG_PAGES}"]
    try:
        if not read_only:
            _begin_log(connection, busy_timeout)
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _begin_log(connection: sqlite3.Connection, seconds: float) -> None:
    """To WAL mode. Where two processes do this for a new file at once SQLite refuses one of them without waiting."""
    until = time.monotonic() + seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until:
                raise
            time.sleep(_BUSY_PAUSE)
        else:
            return


def _sqlite(path: Path, busy_timeout: float) -> Database:
    from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

    def connect_writer() -> sqlite3.Connection:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite itself would make it readable to all
        return sqlite_connection(path, busy_timeout, read_only=False)

    def connect_reader() -> sqlite3.Connection:
        return sqlite_connection(path, busy_timeout, read_only=True)

    def engine(connect: Callable[[], Any], size: int, begin: str) -> Engine:
        made = create_engine("sqlite+pysqlite://", creator=connect, pool_size=size, max_overflow=0, poolclass=_queue())
        # The driver would begin transactions where it sees fit; here a transaction is where it says so.
        event.listen(made, "begin", lambda connection: connection.exec_driver_sql(begin))
        return made

    return Database(
        name=str(path),
        called=path.name,
        path=path,
        dialect=SQLiteDialect_pysqlite(paramstyle="named", dbapi=sqlite3),
        begin="BEGIN IMMEDIATE",
        lock_counters=None,
        connect_writer=connect_writer,
        writing=lambda: engine(connect_writer, 1, "BEGIN IMMEDIATE"),
        reading=lambda size: engine(connect_reader, size, "BEGIN"),
        lock=lambda name: lock_beside(path, name),
    )


def _queue() -> Any:
    from sqlalchemy.pool import QueuePool

    return QueuePool


# PostgreSQL


def _postgres(url: Any, busy_timeout: float) -> Database:
    try:
        import psycopg
        from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
    except ImportError:
        raise SettingError(
            "PostgreSQL needs its driver, which is not installed.",
            "PostgreSQL 드라이버가 설치되어 있지 않습니다.",
            param="database_url",
            hint="Run `pip install 'talkmeter[postgres]'`; in a checkout `python3 dev extras postgres`.",
            hint_ko="`pip install 'talkmeter[postgres]'`, 저장소에서는 `python3 dev extras postgres`로 설치하십시오.",
        ) from None

    milliseconds = max(1, int(busy_timeout * 1000))
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)

    def connect_writer() -> Any:
        connection = psycopg.connect(address, autocommit=True, connect_timeout=max(2, round(busy_timeout)))
        connection.execute(f"SET lock_timeout = {milliseconds}")
        (durable,) = connection.execute("SHOW synchronous_commit").fetchone() or ("off",)
        if durable == "off":  # an acknowledged commit is one that a power cut does not undo
            connection.execute("SET synchronous_commit = on")
        return connection

    def reading(size: int) -> Engine:
        return create_engine(
            url,
            pool_size=size,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",
            execution_options={"postgresql_readonly": True},
        )

    return Database(
        name=url.render_as_string(hide_password=True),
        called="PostgreSQL",
        path=None,
        dialect=PGDialect_psycopg(paramstyle="pyformat", dbapi=psycopg),  # type: ignore[no-untyped-call]
        begin="BEGIN",
        lock_counters=f"SELECT pg_advisory_xact_lock({_COUNTERS})",
        connect_writer=connect_writer,
        writing=lambda: create_engine(url, pool_size=1, max_overflow=0),
        reading=reading,
        lock=lambda name: lock_in_postgres(connect_writer, name),
    )
