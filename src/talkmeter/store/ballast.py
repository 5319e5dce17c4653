"""Room on the disk that is given up when the disk is full, so that what is open can still be settled.

SQLite needs room even to delete or to empty its log, so a full disk would otherwise keep every open entry open.
"""

import os
import shutil
import time
from pathlib import Path

USUAL = 16 << 20  # bytes
ROOM_AGAIN = 2 * USUAL  # bytes that must be free before anything new is begun: the ballast, and as much beside it
_LOOK_AGAIN = 1.0  # seconds


class Ballast:
    """A file of `size` bytes. Used by the writer's thread alone, except `full`, which anyone may read."""

    def __init__(self, path: Path, size: int) -> None:
        self._path = path
        self._size = size
        self._looked_at = 0.0
        self._full = False
        self._full = not self._fill()

    @property
    def full(self) -> bool:
        return self._full

    def release(self) -> None:
        self._full = True
        self._looked_at = time.monotonic()
        self._path.unlink(missing_ok=True)

    def recovered(self) -> bool:
        """Whether the ballast could be laid down again with as much room left beside it. Looks once a second."""
        if not self._full:
            return True
        if time.monotonic() < self._looked_at + _LOOK_AGAIN:
            return False
        self._looked_at = time.monotonic()
        self._full = not (_free(self._path.parent) >= 2 * self._size and self._fill())
        return not self._full

    def _fill(self) -> bool:
        try:
            with self._path.open("wb") as file:
                _allocate(file.fileno(), self._size)
        except OSError:
            self._path.unlink(missing_ok=True)
            return False
        return True


class NoBallast:
    """For a database whose disk is not ours to keep room on."""

    full = False

    def release(self) -> None:
        """There is nothing to give up."""

    def recovered(self) -> bool:
        return True


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
        return
    block = b"\0" * 65536
    for at in range(0, size, len(block)):
        os.write(descriptor, block[: min(len(block), size - at)])
