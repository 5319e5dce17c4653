"""The public ids of conversations: what a client may call one. Pure."""

import unicodedata

from talkmeter.conversation.talk_values import NEW
from talkmeter.errors import BadInput, NotFound
from talkmeter.messages import Room

LONGEST = 200  # characters
_REFUSED = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters, lone surrogates, line and paragraph separators


def is_new(conversation_id: str) -> bool:
    """Whether a fresh conversation is asked for."""
    return conversation_id in ("", NEW)


def check_conversation_id(conversation_id: str) -> str:
    """Raises BadInput. `$` separates the fields of the WebSocket dialects, so no id may hold it."""
    if not 1 <= len(conversation_id) <= LONGEST or any(
        each == "$" or unicodedata.category(each) in _REFUSED for each in conversation_id
    ):
        raise BadInput(
            f"A conversation_id has 1 to {LONGEST} characters, without “$” and control characters.",
            f"conversation_id는 “$”와 제어 문자 없이 1자에서 {LONGEST}자까지입니다.",
            code="bad_conversation_id",
            param="conversation_id",
            hint="Send “new” for a fresh conversation.",
            hint_ko="새 대화는 “new”를 보내십시오.",
        )
    return conversation_id


def public_id(room: Room) -> str:
    """By which its principal's clients know a room."""
    return room.conversation_id or room.id


def conversation_not_found(conversation_id: str) -> NotFound:
    named = bool(conversation_id)
    return NotFound(
        f"There is no conversation {conversation_id:.80}." if named else "No conversation was named.",
        f"{conversation_id:.80} 대화가 없습니다." if named else "대화를 지정하지 않았습니다.",
        code="conversation_not_found",
        param="conversation_id",
    )
