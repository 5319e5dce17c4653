"""One server for one data directory: two would settle each other's running calls.

The lock is the operating system's, so it ends with the process, however that ends. The file also says where the
server can be reached, for `talkmeter link`.
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from talkmeter.errors import SettingError

log = logging.getLogger(__name__)

FILE = "talkmeter.lock"
WORKERS_FILE = "talkmeter.workers.lock"
LAST_WORKERS_SECONDS = 10.0


class Occupancy:
    """Held while the server runs. Raises SettingError if another process holds it."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE
        self._file = _opened(self._path)
        if not _try_lock(self._file):
            self._file.close()
            raise _occupied(data_dir)

    def say_where(self, url: str, providers: Mapping[str, str] | None = None) -> None:
        """providers: names by id of those that only the server's own settings know of."""
        try:
            self._write({"pid": os.getpid(), "url": url, **({"providers": dict(providers)} if providers else {})})
        except OSError as error:  # a full disk: who asks by `talkmeter link` does not find us, and that is all
            log.warning("lock_not_written", extra={"reason": error.strerror})

    def release(self) -> None:
        if not self._file.closed:
            with contextlib.suppress(OSError):  # nothing that should bury the reason for which we end
                self._write({})
            with contextlib.suppress(OSError):  # it writes what is left in its buffer, and is closed in any case
                self._file.close()

    def _write(self, content: dict[str, Any]) -> None:
        self._file.seek(LOCKED_BYTES)
        self._file.write(json.dumps(content).encode())
        self._file.truncate()
        self._file.flush()


class WorkersLock:
    """Held by a server and its workers for as long as any of them lives: they share the open file.

    A worker ends when it notices that its server is gone. Until then nobody may settle what it has under way.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._file = _opened(data_dir / WORKERS_FILE)

    @property
    def fd(self) -> int:
        """To be inherited by workers."""
        return self._file.fileno()

    async def acquire(self, seconds: float = LAST_WORKERS_SECONDS) -> None:
        """Waits until the last worker of an earlier server has ended. Raises SettingError if one does not."""
        until = time.monotonic() + seconds
        while not _try_lock(self._file):
            if time.monotonic() > until:
                raise SettingError(
                    f"A worker of an earlier Talkmeter still runs on the data directory {self._data_dir}.",
                    f"이전 Talkmeter의 작업 프로세스가 데이터 폴더 {self._data_dir}에서 아직 실행 중입니다.",
                    hint="It does not end by itself: end the processes `talkmeter worker` of this user.",
                    hint_ko="저절로 끝나지 않으니 이 사용자의 `talkmeter worker` 프로세스를 종료하십시오.",
                    code="worker_left",
                    param="data_dir",
                )
            await asyncio.sleep(0.02)

    def release(self) -> None:
        self._file.close()


def occupied(data_dir: Path) -> bool:
    """Whether a process holds this directory: a server, or a command that must be alone."""
    try:
        with (data_dir / FILE).open("r+b") as file:
            return not _try_lock(file)
    except OSError:
        return False


def running(data_dir: Path) -> dict[str, Any] | None:
    """`{"pid", "url", "providers"?}` of the server on this directory; None if none runs."""
    path = data_dir / FILE
    try:
        with path.open("r+b") as file:
            if _try_lock(file):
                return None
            file.seek(LOCKED_BYTES)
            found = json.loads(file.read(4096) or b"{}")
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("url"), str) else None


def _opened(path: Path) -> IO[bytes]:
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except OSError as error:
        raise SettingError(
            f"The file {path} cannot be opened: {error.strerror}.",
            f"파일 {path}을(를) 열 수 없습니다: {error.strerror}.",
            hint="Free some space, or give --data-dir a folder that this user may write to.",
            hint_ko="디스크 공간을 비우거나 --data-dir로 이 사용자가 쓸 수 있는 폴더를 지정하십시오.",
            code="data_dir_unusable",
            param="data_dir",
        ) from None


def _occupied(data_dir: Path) -> SettingError:
    found = running(data_dir)
    where = f" ({found['url']})" if found else ""
    return SettingError(
        f"Talkmeter already runs on the data directory {data_dir}{where}.",
        f"데이터 폴더 {data_dir}에서 Talkmeter가 이미 실행 중입니다{where}.",
        hint="`talkmeter link` prints a link to sign in there; --data-dir starts a second one with data of its own.",
        hint_ko="`talkmeter link`로 로그인 링크를 얻거나, --data-dir로 다른 폴더를 지정해 따로 시작하십시오.",
        code="already_running",
        param="data_dir",
    )


if sys.platform == "win32":
    import msvcrt

    LOCKED_BYTES = 1  # Windows locks a range of bytes, and nobody else can read it

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, LOCKED_BYTES)
        except OSError:
            return False
        return True

else:
    import fcntl

    LOCKED_BYTES = 0

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
