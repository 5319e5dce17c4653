"""Reads the objects of JSON lists out of files, one after another, and tells how far it is."""

import json
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from talkmeter.importing.files import Files, unreadable
from talkmeter.importing.source import not_understood, unusable
from talkmeter.importing.splitting import Malformed, ObjectSplitter, TooLong

T = TypeVar("T")

LONGEST = 256 << 20  # bytes of one conversation
_BLOCK = 1 << 20


class JsonLists:
    """done: bytes read since `objects` was called last, of `total`."""

    def __init__(self, files: Files, names: Sequence[str]) -> None:
        self._files = files
        self._names = names
        self.total = sum(files.size(name) for name in names)
        self.done = 0

    def objects(self) -> Iterator[bytes]:
        """Raises BadInput, as soon as a file turns out to be no list of objects."""
        self.done = 0
        for name in self._names:
            try:
                yield from self._of(name)
            except Malformed as error:
                raise unusable(
                    f"{name} is damaged, or no list of conversations: byte {error.position} does not belong there.",
                    f"{name}이(가) 손상되었거나 대화 목록이 아닙니다: {error.position}번째 바이트가 잘못되었습니다.",
                ) from error
            except TooLong as error:
                raise unusable(
                    f"{name} has a conversation of more than {LONGEST >> 20} MiB.",
                    f"{name}에 {LONGEST >> 20} MiB가 넘는 대화가 있습니다.",
                ) from error
            except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
                raise unreadable(name, error) from error

    def _of(self, name: str) -> Iterator[bytes]:
        splitter = ObjectSplitter(LONGEST)
        with self._files.open(name) as file:
            # A long object makes longer reads: what is held of it is looked at again with each of them.
            while block := file.read(max(_BLOCK, splitter.held)):
                self.done += len(block)
                yield from splitter.feed(block)
        splitter.finish()


def decoded(data: bytes, kind: type[T]) -> T:
    """Raises BadInput if it is no sound JSON, or not of that shape."""
    try:
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # half a character, or NaN: some programs write them
            loose: Any = json.loads(data)
            return msgspec.convert(loose, kind)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise not_understood(f"It is not as expected: {error}.", f"예상한 형식이 아닙니다: {error}.") from error
