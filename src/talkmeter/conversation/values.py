"""What conversation takes from a surface and gives back to it."""

from typing import Any, Literal

from msgspec import UNSET, Struct, UnsetType

from talkmeter.messages import Message, Room, RoomSettings, Window
from talkmeter.metering.ledger import LedgerEntry, Quality, Totals

# A question to a room that is answering waits its turn, is refused, or has the answers under way stopped, and goes out
# while they are drained.
Multitask = Literal["enqueue", "reject", "interrupt"]


class Ask(Struct, frozen=True, kw_only=True):
    """A question, translated from a surface's dialect.

    room_id None makes a room with the settings `room`, known by `conversation_id` too. parent_id UNSET: the room's
    newest answer; None: first in the room. options: for this answer only. multitask: what if the room is answering.
    past_failures: not one that failed without a word, but what its question followed. The same (principal, client_id)
    again gives the same answer and never asks twice.
    """

    surface: str
    principal: str
    client_id: str
    text: str
    room_id: str | None = None
    parent_id: str | None | UnsetType = UNSET
    attachment_ids: tuple[str, ...] = ()
    room: RoomSettings | None = None
    conversation_id: str | None = None
    options: RoomSettings | None = None
    past_failures: bool = False
    multitask: Multitask = "enqueue"
    key_id: str | None = None
    tags: tuple[str, ...] = ()


class MessageView(Struct, frozen=True, kw_only=True):
    """A message with what stands around it. entry: of the answer itself, or of a question's newest answer."""

    message: Message
    siblings: tuple[str, ...]
    entry: LedgerEntry | None = None


class Asked(Struct, frozen=True, kw_only=True):
    """A question that is kept, and its answer. repeated: it had been asked before, by the same client_id."""

    room: Room
    question: MessageView
    answer: MessageView
    run_id: str
    repeated: bool = False


class RoomView(Struct, frozen=True, kw_only=True):
    """A room opened: the newest messages of its branch, oldest first. older: cursor for the ones before."""

    room: Room
    running: bool
    messages: tuple[MessageView, ...]
    older: str | None
    totals: Totals


class MessagePage(Struct, frozen=True, kw_only=True):
    messages: tuple[MessageView, ...]
    older: str | None


class RoomChange(Struct, frozen=True, kw_only=True):
    """What a person changes on a room; UNSET stays. For the settings None means: back to the default."""

    title: str | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    leaf_id: str | UnsetType = UNSET
    model: str | None | UnsetType = UNSET
    provider_id: str | None | UnsetType = UNSET
    window: Window | None | UnsetType = UNSET
    system_prompt: str | None | UnsetType = UNSET
    temperature: float | None | UnsetType = UNSET
    top_p: float | None | UnsetType = UNSET
    max_tokens: int | None | UnsetType = UNSET
    first_prompt: str | None | UnsetType = UNSET


class PreviewAsk(Struct, frozen=True, kw_only=True):
    """The draft as it stands in the composer."""

    principal: str
    text: str
    room_id: str | None = None
    parent_id: str | None | UnsetType = UNSET
    attachment_ids: tuple[str, ...] = ()
    room: RoomSettings | None = None


class Rung(Struct, frozen=True, kw_only=True):
    """What the next message would cost with one window. Money in picodollars, None = not known."""

    window: Window
    messages_sent: int
    prompt_tokens: int
    cached_tokens: int
    cost_low: int | None
    cost_high: int | None
    fits: bool
    dropped: int


class Preview(Struct, frozen=True, kw_only=True):
    model: str
    encoding: str
    quality: Quality
    context_window: int | None
    reserved_output: int | None
    window: Window
    fits: bool
    fits_window: int | None
    draft_tokens: int
    ladder: tuple[Rung, ...]


class SentLine(Struct, frozen=True, kw_only=True):
    message_id: str | None
    role: str
    excerpt: str
    tokens: int
    framing_tokens: int
    image_tokens: int
    quality: Quality
    gone: bool


class LeftOutLine(Struct, frozen=True, kw_only=True):
    message_id: str
    role: str
    excerpt: str
    tokens: int


class TokenLine(Struct, frozen=True, kw_only=True):
    kind: str
    label: str
    tokens: int
    quality: Quality


class Receipt(Struct, frozen=True, kw_only=True):
    """The itemised view of one call. `lines` add up to the prompt, `output_lines` to the completion (where known)."""

    entry: LedgerEntry
    sent: tuple[SentLine, ...]
    left_out: tuple[LeftOutLine, ...]
    lines: tuple[TokenLine, ...]
    output_lines: tuple[TokenLine, ...]
    raw_usage: Any
