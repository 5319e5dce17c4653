"""What conversation asks a store to write. Pure values; a store applies them in the order given, in one transaction."""

from msgspec import UNSET, Struct, UnsetType

from talkmeter.messages import (
    Attachment,
    Message,
    MessageStatus,
    Room,
    RoomSettings,
    Run,
    RunEvent,
    RunStatus,
    StopMode,
)


class AddRoom(Struct, frozen=True):
    """Raises Conflict (`room_exists`) if its id, or its conversation_id among its principal's, is taken."""

    room: Room


class ChangeRoom(Struct, frozen=True, kw_only=True):
    """UNSET fields stay. Raises Conflict if the room is gone."""

    id: str
    title: str | UnsetType = UNSET
    pinned: bool | UnsetType = UNSET
    settings: RoomSettings | UnsetType = UNSET
    leaf_id: str | UnsetType = UNSET
    last_used_at: int | UnsetType = UNSET


class DeleteRoom(Struct, frozen=True):
    """Removes the room, its messages, runs, events and attachment rows. Ledger entries stay."""

    id: str


class AddMessage(Struct, frozen=True):
    message: Message


class FinishMessage(Struct, frozen=True, kw_only=True):
    """The end of an answer. Does nothing if the message is gone (its room was deleted meanwhile)."""

    id: str
    text: str
    status: MessageStatus
    finished_at: int
    error: dict[str, object] | None = None


class SetMessageStatus(Struct, frozen=True):
    id: str
    status: MessageStatus


class AddRun(Struct, frozen=True):
    """Raises Conflict if (principal, client_id) was used before: a question is never asked twice."""

    run: Run


class ChangeRun(Struct, frozen=True, kw_only=True):
    """UNSET fields stay. Does nothing if the run is gone."""

    id: str
    status: RunStatus | UnsetType = UNSET
    started_at: int | UnsetType = UNSET
    finished_at: int | UnsetType = UNSET
    stop_mode: StopMode | UnsetType = UNSET
    system_prompt: str | UnsetType = UNSET
    first_prompt: str | UnsetType = UNSET


class AppendRunEvents(Struct, frozen=True):
    """Adds lines to a run's log. Does nothing if the run is gone."""

    run_id: str
    events: tuple[RunEvent, ...]


class ForgetRunEvents(Struct, frozen=True):
    """Once an answer has ended its message holds the text; the log's deltas need not be kept beside it."""

    run_id: str


class AddAttachment(Struct, frozen=True):
    attachment: Attachment


class LinkAttachments(Struct, frozen=True):
    """Gives uploads to a message. Raises Conflict unless each exists, is the principal's and is not yet linked.

    Already linked ones may be linked again to a sibling question of the same room (an edit keeps its images):
    the store copies the row (same file) under a new id.
    """

    principal: str
    room_id: str
    message_id: str
    attachment_ids: tuple[str, ...]
