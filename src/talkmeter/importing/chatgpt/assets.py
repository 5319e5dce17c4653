"""The images of an export by the ids that its messages name; whatever their files are called besides."""

import re
from pathlib import PurePosixPath
from typing import Any

from talkmeter.errors import TalkmeterError
from talkmeter.importing.chatgpt.pieces import Picture
from talkmeter.importing.files import Files, read
from talkmeter.importing.json_lists import decoded
from talkmeter.importing.source import not_understood

_ID = re.compile(r"file[-_][A-Za-z0-9]+")
_NAMES = "conversation_asset_file_names.json"  # of newer exports: file → what it was called
_MOST_NAMES = 64 << 20  # bytes


class Assets:
    def __init__(self, files: Files) -> None:
        self._files = files
        self._by_id: dict[str, str] = {}
        for name in files.names:
            if found := _ID.match(PurePosixPath(name).name):
                self._by_id.setdefault(found[0], name)
        self._called = _called(files)

    def read(self, asset: str, most: int) -> bytes:
        """Raises BadInput if the export does not have it, TooLarge."""
        name = self._by_id.get(asset)
        if name is None:
            raise not_understood("The export does not have its file.", "내보내기에 파일이 없습니다.")
        return read(self._files, name, most)

    def name_of(self, picture: Picture) -> str:
        """What people called it; else its file's name without the id."""
        file = PurePosixPath(self._by_id.get(picture.asset, picture.asset)).name
        rest = file.removeprefix(picture.asset).lstrip("-_")
        return picture.name or self._called.get(file) or (rest if rest.strip(".") and "." in rest[1:] else file)


def _called(files: Files) -> dict[str, str]:
    """A courtesy of the export: nothing is wrong without it."""
    name = next((each for each in files.names if PurePosixPath(each).name == _NAMES), None)
    if name is None:
        return {}
    try:
        found = decoded(read(files, name, _MOST_NAMES), dict[str, Any])
    except TalkmeterError:
        return {}
    return {file: PurePosixPath(called).name for file, called in found.items() if isinstance(called, str)}
