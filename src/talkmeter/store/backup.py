"""Backups of a data directory: made while Talkmeter runs, verified when made, verified again before put back."""

import os
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct

from talkmeter import __version__
from talkmeter.clock import now
from talkmeter.errors import BadInput, StoreBusy
from talkmeter.store import archive
from talkmeter.store.archive import ATTACHMENTS, DATABASE, KEY, SETTINGS, Manifest, damaged
from talkmeter.store.sqlite_copy import check_database, copy_database

_ASIDE = "before-restore-"
_STAGING = ".restore-"


class Restored(Struct, frozen=True):
    """aside: where the former content of the data directory is now, if there was any."""

    manifest: Manifest
    aside: Path | None


def make_backup(data_dir: Path, file: Path, include_key: bool = False) -> Manifest:
    """Writes the database, the attachments and a manifest to `file`, which must not exist, and verifies it.

    The key file and the settings file are left out unless include_key: with them, whoever gets hold of the backup can
    read the provider keys that lie encrypted in the database. Keep them somewhere else, or ask for them.
    Raises BadInput (no database there, file exists, cannot be written there), StoreError (damaged) or sqlite3.Error.
    """
    database = data_dir / DATABASE
    if not database.is_file():
        raise _nothing_there(database)
    if file.exists():
        raise _exists(file)
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".backup-") as temporary:
            _write(data_dir, unfinished, Path(temporary) / DATABASE, include_key=include_key)
        manifest = check_backup(unfinished)
        unfinished.replace(file)
    except OSError as error:
        raise _cannot_write(file, error) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return manifest


def check_backup(file: Path) -> Manifest:
    """Reads all of a backup. Raises BadInput unless every file in it is as it was and the database is sound."""
    with tempfile.TemporaryDirectory(prefix="talkmeter-check-") as temporary:
        return _unpack(file, Path(temporary))


def restore_backup(file: Path, data_dir: Path, force: bool = False) -> Restored:
    """Puts a backup back, after verifying all of it.

    A directory that is not empty is refused unless force; then its content goes into a folder `before-restore-…` in it.
    A key or settings file does not count: it stays, for it may be the one that fits, unless the backup brings its own.
    Raises BadInput (damaged backup, directory not empty), StoreBusy (Talkmeter is running there), OSError.
    """
    former = sorted(data_dir.iterdir()) if data_dir.is_dir() else []
    former = [path for path in former if not path.name.startswith((_ASIDE, _STAGING)) and path.suffix != ".lock"]
    if not force and any(path.name not in (KEY, SETTINGS) for path in former):
        raise _not_empty(data_dir)
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=data_dir, prefix=_STAGING) as temporary:
        staged = Path(temporary)
        manifest = _unpack(file, staged)
        _end_log(data_dir / DATABASE)
        aside = _put_aside(data_dir, former, {path.name for path in staged.iterdir()})
        # The database last: until it is there, nothing looks like a whole data directory.
        for path in sorted(staged.iterdir(), key=lambda path: path.name == DATABASE):
            path.rename(data_dir / path.name)
        _sync_folder(data_dir)
    return Restored(manifest, aside)


def _write(data_dir: Path, to: Path, copy: Path, *, include_key: bool) -> None:
    """Attachments first, then the database, then attachments that came in between.

    What the copied database names is thus in the archive, even if it is deleted while the backup is made.
    """
    folder = data_dir / ATTACHMENTS
    with archive.writing(to) as writing:
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                _add_attachment(writing, path)
        rows = copy_database(data_dir / DATABASE, copy)
        writing.add(DATABASE, copy)
        named, revision = _names_and_revision(copy)
        for name in named:
            _add_attachment(writing, folder / name)
        if include_key:
            for name in (KEY, SETTINGS):
                if (data_dir / name).is_file():
                    writing.add(name, data_dir / name)
        writing.finish(
            Manifest(
                format=archive.FORMAT,
                talkmeter=__version__,
                made_at=now(),
                revision=revision,
                rows=rows,
                files=writing.files,
                missing=tuple(name for name in named if f"{ATTACHMENTS}/{name}" not in writing.files),
            )
        )


def _add_attachment(writing: archive.Writing, path: Path) -> None:
    name = f"{ATTACHMENTS}/{path.name}"
    if name in writing.files or not archive.fits(name) or not path.is_file():
        return
    try:
        writing.add(name, path)
    except FileNotFoundError:
        return  # its room has just been deleted


def _names_and_revision(database: Path) -> tuple[list[str], str]:
    with closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        named = [row[0] for row in connection.execute("SELECT DISTINCT file FROM attachments ORDER BY file")]
        (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return named, revision


def _unpack(file: Path, folder: Path) -> Manifest:
    manifest = archive.unpack(file, folder)
    rows = check_database(folder / DATABASE)
    if rows != dict(manifest.rows):
        raise damaged(file, "its database does not have the rows that the manifest says")
    return manifest


def _end_log(database: Path) -> None:
    """Writes SQLite's log back into the database, which works only while nobody else has it open."""
    if not database.is_file():
        return
    try:
        with closing(sqlite3.connect(database, timeout=0, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE").fetchone()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise StoreBusy(
                f"Talkmeter is running with {database.parent}.",
                f"Talkmeter가 {database.parent}을(를) 사용하여 실행 중입니다.",
                hint="Stop it, then restore.",
                hint_ko="먼저 종료한 뒤 복원하십시오.",
            ) from error
        # A damaged database is a reason to restore, not against it: it is put aside as it is.


def _put_aside(data_dir: Path, former: list[Path], brought: set[str]) -> Path | None:
    moving = [path for path in former if path.exists() and (path.name in brought or path.name not in (KEY, SETTINGS))]
    if not moving:
        return None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = Path(tempfile.mkdtemp(dir=data_dir, prefix=f"{_ASIDE}{stamp}-"))
    for path in moving:
        path.rename(aside / path.name)
    return aside


def _sync_folder(folder: Path) -> None:
    if os.name == "nt":
        return  # a folder cannot be opened there
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _nothing_there(database: Path) -> BadInput:
    return BadInput(
        f"There is no database {database}.",
        f"데이터베이스 {database}이(가) 없습니다.",
        code="no_database",
        hint="Name the data directory with --data-dir; a PostgreSQL database is backed up with pg_dump.",
        hint_ko="--data-dir로 데이터 폴더를 지정하십시오. PostgreSQL 데이터베이스는 pg_dump로 백업합니다.",
    )


def _exists(file: Path) -> BadInput:
    return BadInput(
        f"{file} exists already and is not overwritten.",
        f"{file}이(가) 이미 있어 덮어쓰지 않습니다.",
        code="file_exists",
        hint="Choose another name or delete it first.",
        hint_ko="다른 이름을 쓰거나 먼저 삭제하십시오.",
    )


def _cannot_write(file: Path, error: OSError) -> BadInput:
    return BadInput(
        f"The backup {file} cannot be made: {error.strerror or error}.",
        f"백업 {file}을(를) 만들 수 없습니다: {error.strerror or error}.",
        code="backup_not_writable",
        hint="Name a file in a folder that exists, that you may write to, and that has room.",
        hint_ko="존재하고 쓰기 권한과 여유 공간이 있는 폴더의 파일 이름을 지정하십시오.",
    )


def _not_empty(data_dir: Path) -> BadInput:
    return BadInput(
        f"{data_dir} is not empty.",
        f"{data_dir}이(가) 비어 있지 않습니다.",
        code="data_dir_not_empty",
        hint="Give an empty directory, or --force: what is there is then put aside, not deleted.",
        hint_ko="빈 폴더를 지정하거나 --force를 쓰십시오. 기존 내용은 지우지 않고 옆으로 옮깁니다.",
    )
