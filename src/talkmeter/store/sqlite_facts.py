"""What somebody who runs Talkmeter on this SQLite, on this disk, should know."""

import sqlite3
from pathlib import Path

from msgspec import Struct

# A race of two connections that checkpoint and commit at once can corrupt the file: sqlite.org/wal.html#walresetbug
_WAL_RESET_BUG = ((3, 7, 0), (3, 51, 3))
_REPAIRED = {(3, 44): 6, (3, 50): 7}  # series that got the repair, from this patch on
_NETWORK = {"nfs", "nfs4", "cifs", "smb2", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"}


class StoreWarning(Struct, frozen=True):
    """Something to know, not an error. acute: it can do harm as Talkmeter is used here."""

    code: str
    message: str
    message_ko: str
    acute: bool


def warnings_about(path: Path) -> tuple[StoreWarning, ...]:
    found = []
    if has_wal_reset_bug(sqlite3.sqlite_version_info):
        found.append(_old_sqlite(sqlite3.sqlite_version))
    system = network_file_system(path, _mounts())
    if system is not None:
        found.append(_on_network(path, system))
    return tuple(found)


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    first, repaired = _WAL_RESET_BUG
    patch = _REPAIRED.get((version[0], version[1]))
    return first <= version < repaired and (patch is None or version[2] < patch)


def network_file_system(path: Path, mounts: str) -> str | None:
    """The type of the network file system that a path is on, if it is. mounts: as in /proc/mounts."""
    best, kind = -1, ""
    absolute = path.absolute()
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        folder = Path(fields[1].replace("\\040", " "))
        if absolute.is_relative_to(folder) and len(folder.parts) >= best:
            best, kind = len(folder.parts), fields[2]
    return kind if kind in _NETWORK else None


def _mounts() -> str:
    try:
        return Path("/proc/mounts").read_text(errors="replace")
    except OSError:
        return ""  # not Linux: nothing is known


def _old_sqlite(version: str) -> StoreWarning:
    return StoreWarning(
        "sqlite_wal_reset_bug",
        f"This Python uses SQLite {version}, which can corrupt a database when two connections write at once"
        " (repaired in 3.51.3). Talkmeter writes through one connection only and is not exposed to it;"
        " do not let another program write to the database while Talkmeter runs.",
        f"이 Python의 SQLite {version}에는 두 연결이 동시에 기록하면 데이터베이스가 손상될 수 있는 오류가 있습니다"
        " (3.51.3에서 수정됨). Talkmeter는 한 연결로만 기록하므로 영향이 없습니다."
        " Talkmeter가 실행되는 동안 다른 프로그램으로 데이터베이스에 기록하지 마십시오.",
        acute=False,
    )


def _on_network(path: Path, system: str) -> StoreWarning:
    return StoreWarning(
        "sqlite_on_network",
        f"{path} is on a network file system ({system}), where SQLite's locks do not hold. Keep the data directory on"
        " a local disk, or use PostgreSQL.",
        f"{path}이(가) 네트워크 파일 시스템({system})에 있어 SQLite의 잠금이 동작하지 않습니다."
        " 데이터 폴더를 로컬 디스크에 두거나 PostgreSQL을 사용하십시오.",
        acute=True,
    )
