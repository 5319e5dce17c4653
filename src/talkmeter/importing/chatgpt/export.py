"""An export as a source: a zip archive, the folder it was unpacked to, or the conversations.json in that."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from talkmeter.conversation.importing.values import (
    Format,
    Found,
    ImportedConversation,
    ImportedImage,
    ImportedMessage,
    LeftOut,
    UnreadableConversation,
)
from talkmeter.errors import BadInput
from talkmeter.importing.chatgpt.assets import Assets
from talkmeter.importing.chatgpt.pieces import Picture
from talkmeter.importing.chatgpt.shapes import Conversation
from talkmeter.importing.chatgpt.tree import Said, told
from talkmeter.importing.files import Files, open_files, uppermost
from talkmeter.importing.json_lists import JsonLists, decoded
from talkmeter.importing.source import not_understood, unusable
from talkmeter.importing.times import from_seconds

FORMAT: Format = "chatgpt"
_LIST = re.compile(r"conversations(?:-\d+)?\.json")


class ChatGPTExport:
    """path: of the archive, the folder or the JSON file. Raises BadInput if there are no conversations in it."""

    def __init__(self, path: Path) -> None:
        single = path.is_file() and path.suffix.lower() == ".json"
        self._files = open_files(path.parent if single else path)
        try:
            names = [path.name] if single else _lists(self._files)
            if not names:
                raise unusable(
                    f"There is no conversations.json in {path.name}.",
                    f"{path.name}에 conversations.json이 없습니다.",
                    hint="Give the zip archive that ChatGPT has sent, or the folder it was unpacked to.",
                    hint_ko="ChatGPT가 보낸 zip 파일이나 그것을 푼 폴더를 지정하십시오.",
                )
            self._at = max(self._files.changed_at(name) for name in names)
            self._lists = JsonLists(self._files, names)
            self._assets = Assets(self._files)
        except BaseException:
            self._files.close()
            raise

    @property
    def total(self) -> int:
        return self._lists.total

    @property
    def done(self) -> int:
        return self._lists.done

    def check(self) -> Iterator[None]:
        for _ in self._lists.objects():
            yield

    def conversations(self) -> Iterator[Found]:
        for number, data in enumerate(self._lists.objects(), 1):
            try:
                found = decoded(data, Conversation)
            except BadInput as error:
                yield UnreadableConversation(f"#{number}", error)
                continue
            try:
                yield self._conversation(found)
            except BadInput as error:
                yield UnreadableConversation(found.title or f"#{number}", error)

    def left_out(self) -> dict[LeftOut, int]:
        return {}

    def close(self) -> None:
        self._files.close()

    def _conversation(self, found: Conversation) -> ImportedConversation:
        """Raises BadInput."""
        conversation_id = found.conversation_id or found.id
        if not conversation_id:
            raise not_understood("It has no id.", "id가 없습니다.")
        tree = told(found.mapping, found.current_node)
        times = [at for each in tree.said if (at := each.began_at) is not None]
        created_at = from_seconds(found.create_time) or min(times, default=self._at)
        return ImportedConversation(
            format=FORMAT,
            id=conversation_id,
            title=found.title or "",
            created_at=created_at,
            last_used_at=from_seconds(found.update_time) or max(times, default=created_at),
            messages=tuple(self._message(each, created_at) for each in tree.said),
            leaf_id=tree.leaf_id,
            system_prompt="\n\n".join(tree.system) or None,
            pinned=bool(found.is_starred or found.pinned_time),
            left_out=tree.left_out,
        )

    def _message(self, said: Said, otherwise: int) -> ImportedMessage:
        return ImportedMessage(
            id=said.id,
            parent_id=said.parent_id,
            role="user" if said.asked else "assistant",
            text=said.text,
            created_at=said.began_at or otherwise,
            finished_at=said.ended_at,
            model=said.model,
            status=said.status,
            images=tuple(self._image(each) for each in said.pictures),
        )

    def _image(self, picture: Picture) -> ImportedImage:
        read = partial(self._assets.read, picture.asset)
        return ImportedImage(id=picture.asset, name=self._assets.name_of(picture), read=read)


def _lists(files: Files) -> list[str]:
    return uppermost(name for name in files.names if _LIST.fullmatch(PurePosixPath(name).name))
