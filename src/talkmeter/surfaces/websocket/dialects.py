"""Four dialects of plain text, one parser, and the frames that answer each. Pure.

    v0   any text is the prompt of a new conversation    deltas, no end mark
    v1   the same                                        deltas, <|end|>
    v2   <|ask|>$conversation$prompt                     deltas, <|end|>
    v3   <|ask|>$conversation$parent$prompt              deltas, <|end|>$conversation$message

Only as many `$` are taken as separators as the dialect has; the others belong to the prompt.
"""

import re
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from talkmeter.errors import BadInput, TalkmeterError, UpstreamError

Dialect = Literal["v0", "v1", "v2", "v3"]

ASK, END, ERROR = "<|ask|>", "<|end|>", "<|err|>"
NEW = "new"
_MARKS = (END, ERROR)
_MESSAGE_ID = re.compile(r"msg_[0-9a-z]{26}")
_LONGEST_ID = 256


class Question(Struct, frozen=True, kw_only=True):
    """conversation_id None: a new one. parent_id: the answer that it follows; UNSET: the newest one."""

    dialect: Dialect
    prompt: str
    conversation_id: str | None = None
    parent_id: str | UnsetType = UNSET


def parse(text: str, bare: Dialect = "v1") -> Question:
    """bare: the dialect of a text without `<|ask|>`, which does not say so itself.

    The middle part of three is a parent only if it is `new`, empty or one of our message ids; else it begins the
    prompt. Raises BadInput if the conversation is missing.
    """
    if not text.startswith(ASK):
        return Question(dialect=bare, prompt=text)
    parts = text[len(ASK) :].split("$", 3)
    if len(parts) < 3 or parts[0] or not 0 < len(parts[1]) <= _LONGEST_ID:
        raise _malformed()
    conversation_id = None if parts[1] == NEW else parts[1]
    if len(parts) == 4 and (parts[2] in ("", NEW) or _MESSAGE_ID.fullmatch(parts[2])):
        parent_id = UNSET if parts[2] in ("", NEW) else parts[2]
        return Question(dialect="v3", prompt=parts[3], conversation_id=conversation_id, parent_id=parent_id)
    return Question(dialect="v2", prompt="$".join(parts[2:]), conversation_id=conversation_id)


def delta_frames(text: str) -> tuple[str, ...]:
    """The frames of a piece of an answer. One that begins like a mark goes in two: no model ends an answer."""
    if not text:
        return ()
    return (text[:2], text[2:]) if text.startswith(_MARKS) else (text,)


def end_frame(dialect: Dialect, conversation_id: str, message_id: str) -> str | None:
    """What says that the answer is complete. None: nothing does."""
    if dialect == "v0":
        return None
    return f"{END}${conversation_id}${message_id}" if dialect == "v3" else END


def error_frame(error: TalkmeterError) -> str:
    """A provider's failure is the bare mark that every client of these dialects knows; ours say what to do."""
    if isinstance(error, UpstreamError):
        return ERROR
    english = f"{error.message} {error.hint}" if error.hint else error.message
    korean = f"{error.message_ko} {error.hint_ko}" if error.hint_ko else error.message_ko
    return f"{ERROR}${english} / {korean}"


def _malformed() -> BadInput:
    form = f"{ASK}$conversation_id$parent_id$prompt"
    return BadInput(
        "This message names no conversation.",
        "메시지에 대화가 없습니다.",
        code="malformed_message",
        hint=f"Send “{form}”; `{NEW}` stands for a new conversation, and for the newest message.",
        hint_ko=f"“{form}” 형식으로 보내십시오. `{NEW}`는 새 대화, 그리고 가장 최근 메시지를 뜻합니다.",
    )
