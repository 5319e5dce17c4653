r"""The conversations of ChatGPT EasyBackend: a folder with a JSON file for each, `<conversation_id>.json`.

A file is a list of texts, each an exchange as the model saw it: "User: …\n\n\nChatGPT: …<|im_end|>\n".
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from talkmeter.conversation.importing.values import (
    Format,
    Found,
    ImportedConversation,
    ImportedMessage,
    LeftOut,
    UnreadableConversation,
)
from talkmeter.errors import BadInput
from talkmeter.importing.files import Files, Folder, open_files, read, uppermost
from talkmeter.importing.json_lists import LONGEST, decoded
from talkmeter.importing.source import not_understood, unusable

FORMAT: Format = "easy-backend"
_EXCHANGE = re.compile(r"User: (?P<question>.*?)\n\n\nChatGPT: (?P<answer>.*)", re.DOTALL)
_END = "<|im_end|>"


class EasyBackend:
    """path: the folder, the one that it is in, one of its files, or all of them in a zip archive.

    Raises BadInput if there are none.
    """

    def __init__(self, path: Path) -> None:
        self._files, self._names = _found(path)
        if not self._names:
            self._files.close()
            raise unusable(
                f"There are no conversations (*.json) in {path}.",
                f"{path}에 대화 파일(*.json)이 없습니다.",
                hint="Give the folder conversations/ of ChatGPT EasyBackend.",
                hint_ko="ChatGPT EasyBackend의 conversations/ 폴더를 지정하십시오.",
            )
        self._done = 0

    @property
    def total(self) -> int:
        return len(self._names)

    @property
    def done(self) -> int:
        return self._done

    def check(self) -> Iterator[None]:
        """Each file is a conversation of its own, so none can spoil the whole."""
        self._done = self.total
        yield

    def conversations(self) -> Iterator[Found]:
        self._done = 0
        for name in self._names:
            self._done += 1
            try:
                yield self._conversation(name)
            except BadInput as error:
                yield UnreadableConversation(name, error)

    def left_out(self) -> dict[LeftOut, int]:
        return {}

    def close(self) -> None:
        self._files.close()

    def _conversation(self, name: str) -> ImportedConversation:
        """The file has no times but its own, and the names of no models. Raises BadInput."""
        exchanges = decoded(read(self._files, name, LONGEST), list[str])
        at = self._files.changed_at(name)
        messages = _messages(exchanges, at)
        return ImportedConversation(
            format=FORMAT,
            id=PurePosixPath(name).stem,
            conversation_id=PurePosixPath(name).stem,
            title="",
            created_at=at,
            last_used_at=at,
            messages=tuple(messages),
            leaf_id=messages[-1].id if messages else None,
        )


def _found(path: Path) -> tuple[Files, list[str]]:
    """The files, and the names of the uppermost that may be conversations."""
    if path.is_file() and path.suffix.lower() == ".json":
        return Folder(path.parent, depth=0), [path.name]
    inner = path / "conversations"
    files = Folder(inner, depth=0) if inner.is_dir() else open_files(path)
    return files, uppermost(name for name in files.names if name.endswith(".json"))


def _messages(exchanges: list[str], at: int) -> list[ImportedMessage]:
    """Known again by what was said: the program drops the oldest exchanges of a long conversation from its file."""
    messages: list[ImportedMessage] = []
    times: Counter[str] = Counter()
    for number, exchange in enumerate(exchanges, 1):
        found = _EXCHANGE.fullmatch(exchange)
        if found is None:
            raise not_understood(
                f"Its entry {number} is not a question and an answer.",
                f"{number}번째 항목이 질문과 답변이 아닙니다.",
            )
        times[exchange] += 1
        same = json.dumps([exchange, times[exchange]])
        answer = found["answer"].removesuffix("\n").removesuffix(_END)
        for role, text in (("user", found["question"]), ("assistant", answer)):
            parent_id = messages[-1].id if messages else None
            messages.append(
                ImportedMessage(
                    id=f"{role} {same}",
                    parent_id=parent_id,
                    role="user" if role == "user" else "assistant",
                    text=text,
                    created_at=at,
                )
            )
    return messages
