"""A file system of its own with little room, and a way to use all of it up."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MB = 1 << 20
ROOM_ON_DISK = 80 * MB  # Talkmeter's ballast, as much again beside it, and the database


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """This folder, made and with `ROOM_ON_DISK` bytes of room; skips the test where that cannot be had."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root; the tests of a failing disk run without")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM_ON_DISK}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path: Path) -> None:
    """Takes all the room that is left."""
    with path.open("ab", buffering=0) as filler:
        for size in (MB, 4096, 1):
            with contextlib.suppress(OSError):
                while filler.write(b"x" * size):
                    pass
