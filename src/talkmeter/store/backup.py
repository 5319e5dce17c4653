"""Backups of a data directory: made while Talkmeter runs, verified when made, verified again before put back."""

import errno
import os
import shutil
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path

from msgspec import Struct

from talkmeter import __version__
from talkmeter.clock import now
from talkmeter.errors import BadInput, StoreBusy
from talkmeter.store import archive, faults
from talkmeter.store.archive import ATTACHMENTS, DATABASE, KEY, SETTINGS, Manifest, damaged
from talkmeter.store.migrate import refuse_newer
from talkmeter.store.sqlite_copy import check_database, copy_database

_ASIDE = "before-restore-"
_STAGING = ".restore-"
_ELSEWHERE = "elsewhere"  # the folder for a database that was not in the data directory


class Restored(Struct, frozen=True):
    """aside: where the former content of the data directory is now, if there was any."""

    manifest: Manifest
    aside: Path | None


def make_backup(data_dir: Path, file: Path, include_key: bool = False, database: Path | None = None) -> Manifest:
    """Writes the database, the attachments and a manifest to `file`, which must not exist, and verifies it.

    The key file and the settings file are left out unless include_key: with them, whoever gets hold of the backup can
    read the provider keys that lie encrypted in the database. Keep them somewhere else, or ask for them.
    database: SQLite's file, where it is not the data directory's own.
    Raises BadInput (no database there, file exists, cannot be written there) or StoreError (damaged, held).
    """
    database = database or data_dir / DATABASE
    if not database.is_file():
        raise _nothing_there(database)
    if file.exists():
        raise _exists(file)
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        unfinished.unlink(missing_ok=True)
        with tempfile.TemporaryDirectory(dir=file.absolute().parent, prefix=".backup-") as temporary:
            _write(data_dir, database, unfinished, Path(temporary) / DATABASE, include_key=include_key)
        manifest = check_backup(unfinished)
        unfinished.replace(file)
    except OSError as error:
        raise _cannot_write(file, error.strerror or str(error)) from error
    except sqlite3.Error as error:
        if faults.effect(error) is faults.Effect.FULL:
            raise _cannot_write(file, os.strerror(errno.ENOSPC)) from error
        raise faults.as_ours(error, str(database)) from error
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
    return manifest


def check_backup(file: Path) -> Manifest:
    """Reads all of a backup. Raises BadInput unless every file in it is as it was and the database is sound."""
    with tempfile.TemporaryDirectory(prefix="talkmeter-check-") as temporary:
        return _unpack(file, Path(temporary))


def restore_backup(file: Path, data_dir: Path, force: bool = False, database: Path | None = None) -> Restored:
    """Puts a backup back, after verifying all of it. database: SQLite's file, where it is not the directory's own.

    file may also be a copy of a database alone, such as an update keeps; then all else in the directory stays.
    A directory that is not empty is refused unless force; then its content goes into a folder `before-restore-…` in it.
    A key or settings file does not count: it stays, for it may be the one that fits, unless the backup brings its own.
    Raises BadInput (no whole backup, directory not empty, no room), StoreTooNew (of a newer Talkmeter) or StoreBusy
    (Talkmeter is running there); then everything is as it was.
    """
    data_dir = data_dir.resolve()  # one place is named in one way only
    target = database.resolve() if database is not None else data_dir / DATABASE
    former = _former(data_dir, target, only_database=archive.is_database(file))
    in_the_way = [path for path in former if path.name not in (KEY, SETTINGS)]
    if in_the_way and not force:
        raise _not_empty(target if target in in_the_way else data_dir)
    made = [folder for folder in (data_dir, *data_dir.parents) if not folder.exists()]
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=data_dir, prefix=_STAGING) as temporary:
            return _put_back(file, data_dir, target, former, Path(temporary))
    except OSError as error:
        raise _cannot_restore(file, data_dir, error) from error
    finally:
        for folder in made:
            with suppress(OSError):  # what was put back is in it, or it was made for nothing
                folder.rmdir()


def _former(data_dir: Path, target: Path, *, only_database: bool) -> list[Path]:
    """What makes way for a backup."""
    files = [target.with_name(f"{target.name}{end}") for end in ("", "-wal", "-shm", "-journal")]
    found = [] if only_database or not data_dir.is_dir() else sorted(data_dir.iterdir())
    found = [path for path in found if not path.name.startswith((_ASIDE, _STAGING)) and path.suffix != ".lock"]
    whole = dict.fromkeys((*found, *(path for path in files if path.exists())))
    whole.pop(_beside(data_dir, target), None)  # of a restore that was killed
    return [path for path in whole if not any(folder in whole for folder in path.parents)]


def _beside(data_dir: Path, target: Path) -> Path:
    """Where a database waits until it can take its place: on the same disk, in no folder that makes way."""
    folder = data_dir if data_dir in target.parents else target.parent
    return folder / f"{target.name}.unfinished"


def _put_back(file: Path, data_dir: Path, target: Path, former: list[Path], staged: Path) -> Restored:
    manifest = _unpack(file, staged)
    refuse_newer(manifest.revision, f"The backup {file}")
    beside = _beside(data_dir, target)
    if beside.parent != data_dir:  # perhaps on another disk
        beside.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy(staged / DATABASE, beside)
    else:
        (staged / DATABASE).replace(beside)
    moved: list[tuple[Path, Path]] = []
    try:
        _end_log(target)
        aside = _put_aside(data_dir, former, {path.name for path in staged.iterdir()}, moved)
        for path in list(staged.iterdir()):
            if path.name != DATABASE:
                moved.append((path, data_dir / path.name))
                path.rename(data_dir / path.name)
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside.replace(target)  # last: until it is there, nothing looks like a whole workspace
    except OSError:
        for path, now_at in reversed(moved):
            with suppress(OSError):
                shutil.move(now_at, path)
        raise
    finally:
        beside.unlink(missing_ok=True)
    for folder in {data_dir, target.parent}:
        _sync_folder(folder)
    return Restored(manifest, aside)


def _write(data_dir: Path, database: Path, to: Path, copy: Path, *, include_key: bool) -> None:
    """Attachments first, then the database, then attachments that came in between.

    What the copied database names is thus in the archive, even if it is deleted while the backup is made.
    """
    folder = data_dir / ATTACHMENTS
    with archive.writing(to) as writing:
        if folder.is_dir():
            for path in sorted(folder.iterdir()):
                _add_attachment(writing, path)
        rows = copy_database(database, copy)
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
    if archive.is_database(file):
        return _take_copy(file, folder / DATABASE)
    manifest = archive.unpack(file, folder)
    rows = check_database(folder / DATABASE)
    if rows != dict(manifest.rows):
        raise damaged(file, "its database does not have the rows that the manifest says")
    return manifest


def _take_copy(file: Path, to: Path) -> Manifest:
    """A copy of a database alone, with what a manifest would say of it. Its log, if there is one, is part of it."""
    _copy(file, to)
    log = file.with_name(f"{file.name}-wal")
    if log.is_file():
        _copy(log, to.with_name(f"{to.name}-wal"))
        _end_log(to)
    rows = check_database(to)
    try:
        _, revision = _names_and_revision(to)
    except sqlite3.Error as error:
        raise damaged(file, "it is a database of something else") from error
    about = {DATABASE: archive.facts_of(to)}
    return Manifest(
        format=archive.FORMAT, talkmeter=__version__, made_at=now(), revision=revision, rows=rows, files=about
    )


def _copy(file: Path, to: Path) -> None:
    """For its owner only; durable on return."""
    shutil.copyfile(file, to)
    to.chmod(0o600)
    with to.open("r+b") as written:
        os.fsync(written.fileno())


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


def _put_aside(data_dir: Path, former: list[Path], brought: set[str], moved: list[tuple[Path, Path]]) -> Path | None:
    """moved: is told of each, from where to where."""
    moving = [path for path in former if path.exists() and (path.name in brought or path.name not in (KEY, SETTINGS))]
    if not moving:
        return None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    aside = Path(tempfile.mkdtemp(dir=data_dir, prefix=f"{_ASIDE}{stamp}-"))
    for path in moving:
        folder = aside if path.parent == data_dir else aside / _ELSEWHERE
        folder.mkdir(mode=0o700, exist_ok=True)
        moved.append((path, folder / path.name))
        shutil.move(path, folder / path.name)  # a database may be on another disk
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


def _cannot_restore(file: Path, data_dir: Path, error: OSError) -> BadInput:
    why = error.strerror or error
    return BadInput(
        f"{file} cannot be put back into {data_dir}: {why}.",
        f"{file}을(를) {data_dir}에 복원할 수 없습니다: {why}.",
        code="cannot_restore",
        hint="Take a folder that you may write to and that has room for all of it beside what is there. "
        "If something was put aside already, it is in its folder before-restore-….",
        hint_ko="쓰기 권한이 있고, 이미 있는 내용 외에 백업 전체가 들어갈 여유가 있는 폴더를 쓰십시오. "
        "이미 옆으로 옮긴 내용이 있다면 before-restore-… 폴더에 있습니다.",
    )


def _cannot_write(file: Path, why: str) -> BadInput:
    return BadInput(
        f"The backup {file} cannot be made: {why}.",
        f"백업 {file}을(를) 만들 수 없습니다: {why}.",
        code="backup_not_writable",
        hint="Name a file in a folder that exists, that you may write to, and that has room.",
        hint_ko="존재하고 쓰기 권한과 여유 공간이 있는 폴더의 파일 이름을 지정하십시오.",
    )


def _not_empty(place: Path) -> BadInput:
    """place: a folder, or the database in it."""
    folder = place.is_dir()
    return BadInput(
        f"{place} is not empty." if folder else f"There is a database already: {place}.",
        f"{place}이(가) 비어 있지 않습니다." if folder else f"데이터베이스가 이미 있습니다: {place}.",
        code="data_dir_not_empty",
        hint="Give an empty directory, or --force: what is there is then put aside, not deleted.",
        hint_ko="빈 폴더를 지정하거나 --force를 쓰십시오. 기존 내용은 지우지 않고 옆으로 옮깁니다.",
    )
