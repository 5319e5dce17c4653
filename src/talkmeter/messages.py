"""Rooms and messages as every part of Talkmeter speaks of them. Values only; no behaviour, no storage."""

from typing import Any, Literal

from msgspec import Struct

Role = Literal["system", "user", "assistant"]
MessageStatus = Literal["complete", "queued", "streaming", "interrupted", "stopped", "failed"]
RunStatus = Literal["queued", "running", "finished", "stopped", "failed", "interrupted"]
StopMode = Literal["drain", "cut"]

ALL_MESSAGES = 0  # a history window that leaves nothing out


class TokenWindow(Struct, frozen=True, forbid_unknown_fields=True):
    """A history window by size: the newest messages with which the prompt has at most this many tokens."""

    tokens: int


Window = int | TokenWindow  # int: how many messages are sent, 1… or ALL_MESSAGES


class Attachment(Struct, frozen=True, kw_only=True):
    """An image kept with a message. `file` is a random name in the attachments folder; `name` is data, never a path."""

    id: str
    room_id: str | None
    message_id: str | None
    principal: str
    name: str
    mime: str
    bytes: int
    width: int
    height: int
    sha256: str
    file: str
    created_at: int


class Message(Struct, frozen=True, kw_only=True):
    """One message; append-only but for the end of an answer. Siblings share a parent."""

    id: str
    room_id: str
    parent_id: str | None
    role: Role
    text: str
    status: MessageStatus
    created_at: int
    finished_at: int | None = None
    model: str | None = None
    provider_name: str | None = None
    run_id: str | None = None
    error: dict[str, Any] | None = None  # {"code", "message", "message_ko", "status", "retry_after"}
    attachments: tuple[Attachment, ...] = ()


class RoomSettings(Struct, frozen=True, kw_only=True):
    """What a room says about its requests. None: the default of the settings.

    first_prompt: opens every request, as the person's first word, with an acknowledgement.
    """

    model: str | None = None
    provider_id: str | None = None
    window: Window | None = None
    system_prompt: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    first_prompt: str | None = None


class Room(Struct, frozen=True, kw_only=True):
    """A conversation. leaf_id: the end of the branch that is shown.

    conversation_id: the name that a client has made for it, unique among its principal's; None: it goes by its id.
    """

    id: str
    principal: str
    title: str
    pinned: bool
    settings: RoomSettings
    leaf_id: str | None
    created_at: int
    last_used_at: int
    message_count: int = 0
    conversation_id: str | None = None


class Run(Struct, frozen=True, kw_only=True):
    """One answer in the making."""

    id: str
    room_id: str
    principal: str
    question_id: str
    answer_id: str
    client_id: str
    status: RunStatus
    created_at: int
    started_at: int | None = None
    finished_at: int | None = None
    stop_mode: StopMode | None = None
    model: str | None = None  # asked for with this very run; None: the room's
    provider_id: str | None = None
    surface: str = "web"  # the way in by which the question came
    system_prompt: str | None = None  # as it was sent; the room's own may have changed since
    key_id: str | None = None  # of the API key that asked; None: a browser, or a program on this machine
    tags: tuple[str, ...] = ()  # what budgets go by, beside the key and its user
    options: RoomSettings | None = None  # asked for with this very run, over the room's
    first_prompt: str | None = None  # as it was sent


class RunEvent(Struct, frozen=True, kw_only=True):
    """One line of a run's log. seq counts from 1 without gaps while the run lives; merged deltas keep the last seq."""

    seq: int
    kind: str
    data: dict[str, Any]
