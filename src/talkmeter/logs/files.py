"""A log file that several processes add to, and that is cut into pieces of a size.

Every write is one `write` of whole lines to the end of the file, so lines of processes never mix. When it has grown
too large, whoever holds the lock beside it renames it; the others notice that their file is not the one under that
name any more. The same makes room for `logrotate`. Sizes are about right: while one cuts, another may add a line.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path


class SharedFile:
    """path is the newest piece, `path.1` the one before, up to `path.COUNT`. max_bytes: 0 never begins a new one.

    Writing raises OSError.
    """

    def __init__(self, path: Path, max_bytes: int, count: int) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._count = count
        self._fd: int | None = None
        self._inode = 0

    def write(self, text: str) -> None:
        """text: whole lines."""
        data = text.encode("utf-8", "replace")
        self._open_newest()
        if self._is_full(len(data)):
            self._rotate(len(data))
        assert self._fd is not None
        while data:  # all of it at once, but for a disk that fills up just then
            data = data[os.write(self._fd, data) :]

    def flush(self) -> None:
        """What is written is with the system already."""

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open_newest(self) -> None:
        """Opens the file under this name, unless it is the one that is open."""
        if self._fd is not None:
            with contextlib.suppress(OSError):
                if self.path.stat().st_ino == self._inode:
                    return
            self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._inode = os.fstat(self._fd).st_ino

    def _is_full(self, more: int) -> bool:
        assert self._fd is not None
        size = os.fstat(self._fd).st_size
        return bool(self._max_bytes) and size > 0 and size + more > self._max_bytes

    def _rotate(self, more: int) -> None:
        with _locked(self.path.with_name(f"{self.path.name}.lock")):
            self._open_newest()  # another process may have been quicker
            if not self._is_full(more):
                return
            self.close()  # an open file cannot be renamed on Windows
            with contextlib.suppress(OSError):  # else it grows on, which is better than to lose lines
                for number in range(self._count, 0, -1):
                    older = piece(self.path, number)
                    newer = piece(self.path, number - 1)
                    if newer.exists():
                        newer.replace(older)
                if self._count == 0:
                    self.path.unlink()
            self._open_newest()


def piece(path: Path, number: int) -> Path:
    """0: the newest."""
    return path.with_name(f"{path.name}.{number}") if number else path


if sys.platform == "win32":

    @contextlib.contextmanager
    def _locked(_path: Path) -> Iterator[None]:
        yield  # there is one process only

else:
    import fcntl

    @contextlib.contextmanager
    def _locked(path: Path) -> Iterator[None]:
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)
