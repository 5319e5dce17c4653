"""A verified copy of a SQLite database that may be in use: one snapshot, read while the writer goes on."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from talkmeter.errors import StoreError
from talkmeter.store.databases import sqlite_connection


def copy_database(source: Path, target: Path) -> Mapping[str, int]:
    """Makes `target` (which must not exist), fsynced, and proves it sound. Returns rows by table.

    Raises StoreError if the copy is not what was read, sqlite3.Error or OSError if it cannot be made.
    """
    target.touch(mode=0o600, exist_ok=False)
    try:
        with closing(sqlite_connection(source, 5.0, read_only=True)) as reading:
            reading.execute("BEGIN")
            expected = _count_rows(reading)  # begins the snapshot that is copied
            with closing(sqlite3.connect(target, isolation_level=None)) as writing:
                reading.backup(writing)
                writing.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        found = check_database(target)
        if found != expected:
            raise _unsound(target, f"it has {dict(found)} rows instead of {dict(expected)}")
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return found


def check_database(path: Path, *, copy: bool = True) -> Mapping[str, int]:
    """Reads the whole file; rows by table. Raises StoreError if anything in it is damaged.

    copy: whether it is a copy, or the very database that is worked with.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            problems = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
            if problems != ["ok"]:
                raise _unsound(path, "; ".join(problems), copy=copy)
            if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
                raise _unsound(path, "rows refer to rows that are not there", copy=copy)
            return _count_rows(connection)
    except sqlite3.DatabaseError as error:
        raise _unsound(path, str(error), copy=copy) from error


def _count_rows(connection: sqlite3.Connection) -> Mapping[str, int]:
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    quoted = {name: '"' + name.replace('"', '""') + '"' for (name,) in sorted(names)}
    return {
        name: connection.execute(f"SELECT count(*) FROM {in_sql}").fetchone()[0]  # noqa: S608 (from the schema itself)
        for name, in_sql in quoted.items()
    }


def _unsound(path: Path, why: str, *, copy: bool = True) -> StoreError:
    if not copy:
        return StoreError(
            f"The database {path} is damaged: {why}.",
            f"데이터베이스 {path}이(가) 손상되었습니다: {why}.",
            code="damaged_database",
            hint="Stop the server, keep a copy of the data directory, check the disk, and restore the last backup.",
            hint_ko="서버를 멈추고 데이터 폴더를 복사해 둔 뒤 디스크를 확인하고 마지막 백업을 복원하십시오.",
        )
    return StoreError(
        f"The database copy {path.name} is damaged: {why}.",
        f"데이터베이스 사본 {path.name}이(가) 손상되었습니다: {why}.",
        code="damaged_database",
        hint="Do not use it; check the disk and take another backup.",
        hint_ko="사용하지 마십시오. 디스크를 확인하고 백업을 다시 만드십시오.",
    )
