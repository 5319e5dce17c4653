"""The backup file: a plain tar of named files, and last a manifest with the SHA-256 of each.

The manifest comes last, so a file that was cut short is known by having none. Names are a closed list of patterns:
nothing that an archive says can lead outside the folder that it is unpacked to.
"""

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from talkmeter.errors import BadInput

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "talkmeter.db"
KEY = "talkmeter.key"
SETTINGS = "talkmeter.toml"
ATTACHMENTS = "attachments"

_NAME = re.compile(
    rf"{re.escape(DATABASE)}|{re.escape(KEY)}|{re.escape(SETTINGS)}|{ATTACHMENTS}/[A-Za-z0-9_-]{{1,100}}"
)
_LONGEST_MANIFEST = 256 << 20  # bytes
_BLOCK = 1 << 20
_SQLITE = b"SQLite format 3\0"  # how such a file begins


class ArchivedFile(Struct, frozen=True):
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True, kw_only=True):
    """What a backup holds. revision: of the database's schema. rows: by table. made_at: µs since 1970 UTC.

    missing: attachments that a message names but that were not in the folder.
    """

    format: int
    talkmeter: str
    made_at: int
    revision: str
    rows: Mapping[str, int]
    files: Mapping[str, ArchivedFile]
    missing: tuple[str, ...] = ()

    @property
    def has_key(self) -> bool:
        return KEY in self.files


class Writing:
    """An archive in the making."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self.files: dict[str, ArchivedFile] = {}

    def add(self, name: str, path: Path) -> None:
        """Raises OSError; FileNotFoundError too if the file has just gone."""
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            hashing = _Hashing(file)
            self._tar.addfile(_info(name, size), hashing)
        self.files[name] = ArchivedFile(size, hashing.digest.hexdigest())

    def finish(self, manifest: Manifest) -> None:
        data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
        self._tar.addfile(_info(MANIFEST, len(data)), io.BytesIO(data))


@contextmanager
def writing(path: Path) -> Iterator[Writing]:
    """A new archive, readable by its owner only; on disk when the block ends. Raises FileExistsError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            yield Writing(tar)
        file.flush()
        os.fsync(file.fileno())


def unpack(path: Path, folder: Path) -> Manifest:
    """Unpacks into a folder (which must be empty) and verifies every byte against the manifest.

    Raises BadInput if the file is not a whole, undamaged Talkmeter backup.
    """
    found: dict[str, ArchivedFile] = {}
    manifest: Manifest | None = None
    try:
        with tarfile.open(path, mode="r:") as tar:
            for member in tar:
                if manifest is not None:
                    raise damaged(path, "something follows its manifest")
                content = tar.extractfile(member) if member.isreg() else None
                if content is None:
                    raise damaged(path, f"“{member.name:.100}” is not a plain file")
                if member.name == MANIFEST:
                    manifest = _manifest(path, content.read(_LONGEST_MANIFEST))
                elif not fits(member.name) or member.name in found:
                    raise damaged(path, f"“{member.name:.100}” does not belong in it")
                else:
                    found[member.name] = _extract(content, folder / member.name)
    except (tarfile.TarError, EOFError) as error:
        raise damaged(path, str(error)) from error
    if manifest is None:
        raise damaged(path, "it ends before its manifest")
    if found != dict(manifest.files) or DATABASE not in found:
        wrong = sorted(
            name for name in found.keys() | manifest.files.keys() if found.get(name) != manifest.files.get(name)
        )
        raise damaged(path, f"{', '.join(wrong[:5]) or DATABASE}: not as the manifest says")
    return manifest


def is_database(path: Path) -> bool:
    """Whether it is a SQLite database rather than an archive. Raises BadInput if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        raise BadInput(
            f"{path} cannot be read: {error.strerror or error}.",
            f"{path}을(를) 읽을 수 없습니다: {error.strerror or error}.",
            code="backup_not_readable",
            hint="Name a file that `talkmeter backup` has made.",
            hint_ko="`talkmeter backup`으로 만든 파일을 지정하십시오.",
        ) from None


def facts_of(path: Path) -> ArchivedFile:
    with path.open("rb") as file:
        return ArchivedFile(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())


def fits(name: str) -> bool:
    """Whether a file may be in an archive by that name."""
    return _NAME.fullmatch(name) is not None


def damaged(path: Path, why: str) -> BadInput:
    return BadInput(
        f"{path} is not a whole Talkmeter backup: {why}.",
        f"{path}은(는) 온전한 Talkmeter 백업이 아닙니다: {why}.",
        code="damaged_backup",
        hint="Use another backup; nothing has been changed.",
        hint_ko="다른 백업을 사용하십시오. 바뀐 것은 없습니다.",
    )


def _manifest(path: Path, data: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise damaged(path, f"its manifest cannot be read ({error})") from error
    if manifest.format != FORMAT:
        raise damaged(path, f"its format is {manifest.format}, and this program knows format {FORMAT}")
    return manifest


def _info(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o600
    return info


def _extract(content: IO[bytes], to: Path) -> ArchivedFile:
    to.parent.mkdir(mode=0o700, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while block := content.read(_BLOCK):
            digest.update(block)
            size += file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return ArchivedFile(size, digest.hexdigest())


class _Hashing(io.RawIOBase):
    """Reads through, and keeps the SHA-256 of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data
