"""What conversation needs of a store."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from talkmeter.messages import Attachment, Message, Room, Run, RunEvent
from talkmeter.metering.ledger import LedgerEntry, Totals


class RoomPage(Struct, frozen=True):
    """Pinned rooms first, then by last use, newest first. next: a cursor for the following page."""

    rooms: Sequence[Room]
    next: str | None
    total: int


class Around(Struct, frozen=True):
    """What stands around some messages, all as of one moment.

    siblings: for each message the ids that share its parent and role, itself included, oldest first.
    answers: for each question the id of its newest answer. entries: the newest entry of each answer that has one,
    of those newest answers too.
    """

    siblings: Mapping[str, Sequence[str]]
    answers: Mapping[str, str]
    entries: Mapping[str, LedgerEntry]


class ConversationStore(Protocol):
    async def commit(self, *changes: Struct) -> tuple[Any, ...]:
        """All or nothing, durable on return. Raises Conflict when a change's condition does not hold."""
        ...

    async def room(self, room_id: str, principal: str) -> Room | None: ...

    async def named_room(self, conversation_id: str, principal: str) -> Room | None:
        """By the name that a client has made for it."""
        ...

    async def rooms(self, principal: str, cursor: str | None, limit: int) -> RoomPage: ...

    async def message(self, message_id: str, principal: str) -> Message | None:
        """With its attachments."""
        ...

    async def message_ids(self, room_id: str) -> Sequence[str]:
        """Of all branches."""
        ...

    async def branch(self, leaf_id: str, limit: int | None) -> Sequence[Message]:
        """The newest `limit` messages (None: all) from the root to leaf_id, oldest first, with attachments."""
        ...

    async def around(self, message_ids: Sequence[str]) -> Around: ...

    async def newest_descendant(self, message_id: str) -> str:
        """From a message down the newest child each time to a leaf; itself if it has no children."""
        ...

    async def totals(self, room_id: str) -> Totals:
        """Over all entries of the room, every branch."""
        ...

    async def run(self, run_id: str, principal: str) -> Run | None: ...

    async def run_by_client_id(self, principal: str, client_id: str) -> Run | None: ...

    async def run_events(self, run_id: str, after: int) -> Sequence[RunEvent]: ...

    async def unfinished_runs(self) -> Sequence[Run]:
        """Queued or running, oldest first: what a dead process left behind."""
        ...

    async def attachments(self, attachment_ids: Sequence[str], principal: str) -> Sequence[Attachment]: ...

    async def files_of_room(self, room_id: str) -> Sequence[str]:
        """Attachment files that no other room or message outside this room uses."""
        ...
