"""A folder in which somebody else is still at work: what is listed may be gone when it is looked at.

`Path.rglob` raises where a folder vanishes under it, and a database's log and the files of an upload come and go.
"""

import contextlib
import os
from pathlib import Path


def files_in(folder: Path) -> list[Path]:
    """Every file below it that was there when it was looked at; no order."""
    walked = (Path(inner) / name for inner, _, names in os.walk(folder) for name in names)
    return [path for path in walked if path.is_file()]


def content(folder: Path) -> dict[str, bytes]:
    """By path below the folder: what the files say that could still be read."""
    found = {}
    for path in files_in(folder):
        with contextlib.suppress(FileNotFoundError):
            found[path.relative_to(folder).as_posix()] = path.read_bytes()
    return found
