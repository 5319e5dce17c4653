"""Where a workspace's database is, and what a command may do to it: begin it, bring it up to date, or neither."""

from pathlib import Path

from talkmeter.app.occupancy import occupied
from talkmeter.config import Resolved
from talkmeter.errors import Conflict, NotFound
from talkmeter.store.archive import DATABASE
from talkmeter.store.databases import Database, sqlite_file
from talkmeter.store.migrate import OURS, MayChange

NO_WORKSPACE = "no_workspace"


def address_of(resolved: Resolved) -> str | Path:
    """Of the database, as the store takes it: the URL that is set, or the file in the data directory."""
    return resolved.get("database_url") or resolved.data_dir / DATABASE


def file_of(resolved: Resolved) -> Path | None:
    """SQLite's file; None: the database is PostgreSQL's. Raises SettingError."""
    return sqlite_file(address_of(resolved))


def has_database(resolved: Resolved) -> bool:
    """Whether there is one, as far as files say."""
    file = file_of(resolved)
    return file is None or file.is_file()


def require(resolved: Resolved) -> None:
    """Raises NotFound if there is no database: a folder that was mistyped must not become a workspace."""
    if not has_database(resolved):
        raise missing(resolved)


def rules(resolved: Resolved, *, begins: bool, alone: bool) -> MayChange:
    """begins: there need not be a workspace yet. alone: this process holds the data directory itself."""

    def may_change(found: str | None, database: Database) -> None:
        if found is None and not begins:
            raise missing(resolved)
        if found is not None and (in_use(database) if resolved.get("database_url") else not alone and _held(resolved)):
            raise _older_server(found, database.name)

    return may_change


def missing(resolved: Resolved) -> NotFound:
    file = file_of(resolved)
    elsewhere = resolved.get("database_url") is not None
    where = (file or "the database of database_url") if elsewhere else resolved.data_dir
    where_ko = (file or "database_url의 데이터베이스") if elsewhere else resolved.data_dir
    return NotFound(
        f"There is no workspace in {where}.",
        f"{where_ko}에 워크스페이스가 없습니다.",
        hint="Name its folder with --data-dir; `talkmeter serve` begins a new one.",
        hint_ko="--data-dir로 폴더를 지정하십시오. 새로 만들려면 `talkmeter serve`를 실행하십시오.",
        code=NO_WORKSPACE,
        param="data_dir",
    )


def in_use(database: Database) -> bool:
    """Whether a server has locked a database that has a URL, on whichever machine it runs."""
    lock = database.lock("server")()
    if lock is None:
        return True
    lock.close()
    return False


def _held(resolved: Resolved) -> bool:
    return occupied(resolved.data_dir)


def _older_server(found: str, name: str) -> Conflict:
    return Conflict(
        f"A Talkmeter runs on {name} (schema {found}); this program would bring it up to {OURS.head} under it.",
        f"{name}에서 Talkmeter가 실행 중입니다(스키마 {found}). 이 프로그램이 그것을 {OURS.head}(으)로 바꾸게 됩니다.",
        hint="Update and restart the server first; then this command does its work.",
        hint_ko="먼저 서버를 업데이트해 다시 시작하십시오. 그러면 이 명령을 쓸 수 있습니다.",
        code="server_is_older",
    )
