"""What a reader of another program's files gives to the import, and what the import tells of it."""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

from msgspec import Struct

from talkmeter.errors import TalkmeterError

Format = Literal["chatgpt", "easy-backend", "tokenmeter"]
FORMATS: tuple[Format, ...] = get_args(Format)
Speaker = Literal["user", "assistant"]
HowEnded = Literal["complete", "stopped", "interrupted"]
LeftOut = Literal[
    "hidden",  # messages that the source did not show either
    "reasoning",  # what a model thought before it answered
    "tool",  # what a model told its tools, and what they told it
    "file",  # attached files that are no images
    "sound",  # recordings and films
    "part",  # parts of messages of a kind that is not known here
    "image",  # images that cannot be kept; why is among the notes
    "figures",  # token counts: the ledger knows its own calls only
    "api_key",
    "orphan",  # messages of conversations that are not there
    "id",  # conversation ids that no client can ask by here, or that another conversation goes by
    "empty",  # conversations without any message
]


class ImportedImage(Struct, frozen=True, kw_only=True):
    """id: unique in its message. read: the bytes, at most so many; raises BadInput if they cannot be had."""

    id: str
    name: str
    read: Callable[[int], bytes]


class ImportedMessage(Struct, frozen=True, kw_only=True):
    """id, parent_id: the source's, unique in the conversation. Times in µs since 1970 UTC."""

    id: str
    parent_id: str | None
    role: Speaker
    text: str
    created_at: int
    finished_at: int | None = None
    model: str | None = None
    status: HowEnded = "complete"
    images: tuple[ImportedImage, ...] = ()


class ImportedConversation(Struct, frozen=True, kw_only=True):
    """format, id: together what makes it the same conversation the next time.

    messages: each after its parent, siblings in their order. leaf_id: the end of the branch that was shown.
    conversation_id: by which clients know it, if they can go on with it.
    """

    format: Format
    id: str
    title: str
    created_at: int
    last_used_at: int
    messages: tuple[ImportedMessage, ...]
    leaf_id: str | None
    system_prompt: str | None = None
    pinned: bool = False
    conversation_id: str | None = None
    left_out: Mapping[LeftOut, int] = {}


class UnreadableConversation(Struct, frozen=True):
    """name: for people, to find it again."""

    name: str
    error: TalkmeterError


Found = ImportedConversation | UnreadableConversation


class Note(Struct, frozen=True):
    """Something that was not taken, and why, in English and in Korean."""

    about: str
    why: str
    why_ko: str


Outcome = Literal["new", "grown", "known", "empty"]


class Taken(Struct, frozen=True, kw_only=True):
    """What became of one conversation. messages, images: those that were added. id_lost: it has no conversation_id,
    where the source had one.
    """

    outcome: Outcome
    messages: int = 0
    images: int = 0
    notes: tuple[Note, ...] = ()
    id_lost: bool = False
