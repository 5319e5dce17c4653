"""A folder or a zip archive, read only, by names that its own list has: nothing is ever unpacked to the disk."""

import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from talkmeter.clock import SECOND
from talkmeter.errors import BadInput, TooLarge
from talkmeter.importing.source import unusable

MOST_FILES = 200_000
GREATEST_RATIO = 200  # unpacked to packed; text packs to a tenth, a bomb to a thousandth
FREE_OF_RATIO = 1 << 20  # bytes that any file may unpack to
DEPTH = 2  # folders below the one that is named

_DRIVE = re.compile("[A-Za-z]:")


class Files(Protocol):
    """names: with `/` between folders. Raises KeyError for any other."""

    @property
    def names(self) -> Sequence[str]: ...

    def size(self, name: str) -> int: ...

    def changed_at(self, name: str) -> int:
        """µs since 1970; of an archive's file as if its clock had been UTC."""
        ...

    def open(self, name: str) -> IO[bytes]: ...

    def close(self) -> None: ...


def open_files(path: Path) -> Files:
    """A folder, or a zip archive. Raises BadInput."""
    if path.is_dir():
        return Folder(path)
    if not path.is_file():
        raise unusable(f"There is no file {path}.", f"{path} 파일이 없습니다.")
    return Archive(path)


def uppermost(names: Iterable[str]) -> list[str]:
    """Those in the uppermost folder that has any, in their order."""
    found = list(names)
    highest = min((name.count("/") for name in found), default=0)
    return sorted(name for name in found if name.count("/") == highest)


def read(files: Files, name: str, most: int) -> bytes:
    """Raises TooLarge, and BadInput if it cannot be read."""
    try:
        with files.open(name) as file:
            data = file.read(most + 1)
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise unreadable(name, error) from error
    if len(data) > most:
        raise TooLarge(
            f"{name} has more than {most} bytes, which is all that is allowed.",
            f"{name}이(가) 허용된 {most}바이트보다 큽니다.",
        )
    return data


def unreadable(name: str, error: Exception) -> BadInput:
    return unusable(f"{name} cannot be read: {error}.", f"{name}을(를) 읽을 수 없습니다: {error}.")


class Folder:
    """Files below a folder; links are not followed, since they may lead anywhere. depth: of folders within."""

    def __init__(self, path: Path, depth: int = DEPTH) -> None:
        self._path = path
        self._names = tuple(sorted(_below(path, depth)))

    @property
    def names(self) -> Sequence[str]:
        return self._names

    def size(self, name: str) -> int:
        return (self._path / name).stat().st_size

    def changed_at(self, name: str) -> int:
        return (self._path / name).stat().st_mtime_ns // 1000

    def open(self, name: str) -> IO[bytes]:
        return (self._path / name).open("rb")

    def close(self) -> None:
        """Nothing is kept open."""


class Archive:
    """A zip archive. Raises BadInput for one that is damaged, encrypted or made to do harm."""

    def __init__(self, path: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
            raise unusable(
                f"{path.name} is no zip archive that can be read ({error}).",
                f"{path.name}은(는) 읽을 수 있는 zip 파일이 아닙니다.",
            ) from error
        try:
            self._entries = {each.filename: each for each in self._zip.infolist() if not each.is_dir()}
            _check_entries(path.name, list(self._entries.values()))
        except BaseException:
            self._zip.close()
            raise

    @property
    def names(self) -> Sequence[str]:
        return tuple(self._entries)

    def size(self, name: str) -> int:
        return self._entries[name].file_size

    def changed_at(self, name: str) -> int:
        with suppress(ValueError):
            return int(datetime(*self._entries[name].date_time, tzinfo=UTC).timestamp()) * SECOND
        return 0

    def open(self, name: str) -> IO[bytes]:
        return self._zip.open(self._entries[name])

    def close(self) -> None:
        self._zip.close()


def _below(path: Path, depth: int) -> list[str]:
    found: list[str] = []
    for folder, folders, files in os.walk(path):
        inside = Path(folder).relative_to(path)
        if len(inside.parts) >= depth:
            folders.clear()
        found += [(inside / name).as_posix() for name in files if not (Path(folder) / name).is_symlink()]
        if len(found) > MOST_FILES:
            raise _too_many(str(path))
    return found


def _check_entries(name: str, entries: Sequence[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_FILES:
        raise _too_many(name)
    for each in entries:
        inside = PurePosixPath(each.filename.replace("\\", "/"))
        if inside.is_absolute() or ".." in inside.parts or _DRIVE.match(each.filename):
            raise _refused(name, each, "its name leads out of the archive", "이름이 압축 파일 밖을 가리킵니다")
        if each.flag_bits & 1:
            raise _refused(name, each, "it is encrypted", "암호화되어 있습니다")
        if each.file_size > FREE_OF_RATIO and each.file_size > GREATEST_RATIO * each.compress_size:
            raise _refused(
                name,
                each,
                f"it would unpack to more than {GREATEST_RATIO} times its size",
                f"압축을 풀면 {GREATEST_RATIO}배가 넘게 커집니다",
            )


def _refused(name: str, entry: zipfile.ZipInfo, why: str, why_ko: str) -> BadInput:
    return unusable(
        f"{name} is refused because of its file “{entry.filename:.100}”: {why}.",
        f"{name}을(를) 받을 수 없습니다. 그 안의 “{entry.filename:.100}” 때문입니다: {why_ko}.",
    )


def _too_many(name: str) -> BadInput:
    return unusable(
        f"There are more than {MOST_FILES} files in {name}.",
        f"{name}에 파일이 {MOST_FILES}개가 넘습니다.",
    )
