"""Rooms as a person sees them: the list, a room opened, changes, deletion."""

from collections.abc import Sequence

from msgspec import UNSET

from talkmeter.conversation import settings as room_settings
from talkmeter.conversation.changes import ChangeRoom, DeleteRoom
from talkmeter.conversation.images import Images
from talkmeter.conversation.runs import Runs
from talkmeter.conversation.store import ConversationStore, RoomPage
from talkmeter.conversation.values import MessagePage, MessageView, RoomChange, RoomView
from talkmeter.errors import BadInput, NotFound
from talkmeter.messages import Message, Room
from talkmeter.metering.ledger import Totals

TITLE_LIMIT = 200  # characters
PAGE_LIMIT = 500  # rows that are given at once


class Rooms:
    def __init__(self, store: ConversationStore, runs: Runs, images: Images) -> None:
        self._store = store
        self._runs = runs
        self._images = images

    async def page(self, principal: str, cursor: str | None = None, limit: int = 200) -> RoomPage:
        return await self._store.rooms(principal, cursor, bounded(limit))

    def is_running(self, room_id: str) -> bool:
        return self._runs.is_running(room_id)

    async def room(self, principal: str, room_id: str) -> Room:
        """Raises NotFound, for another's room as for none at all."""
        room = await self._store.room(room_id, principal)
        if room is None:
            raise room_not_found(room_id)
        return room

    async def view(self, principal: str, room_id: str, limit: int = 60) -> RoomView:
        room = await self.room(principal, room_id)
        page = (
            await self._branch(room.leaf_id, bounded(limit)) if room.leaf_id else MessagePage(messages=(), older=None)
        )
        return RoomView(
            room=room,
            running=self.is_running(room_id),
            messages=page.messages,
            older=page.older,
            totals=await self._store.totals(room_id),
        )

    async def older(self, principal: str, room_id: str, before: str, limit: int = 60) -> MessagePage:
        """The page before a cursor (the `older` of the last page)."""
        await self.room(principal, room_id)
        message = await self._store.message(before, principal)
        if message is None or message.room_id != room_id:
            raise message_not_found(before)
        return await self._branch(before, bounded(limit))

    async def change(self, principal: str, room_id: str, wanted: RoomChange) -> Room:
        room = await self.room(principal, room_id)
        title: str | None = None
        if wanted.title is not UNSET:
            title = _title(wanted.title)
        leaf_id: str | None = None
        if wanted.leaf_id is not UNSET:
            leaf = await self._store.message(wanted.leaf_id, principal)
            if leaf is None or leaf.room_id != room_id:
                raise message_not_found(wanted.leaf_id)
            leaf_id = await self._store.newest_descendant(leaf.id)
        await self._store.commit(
            ChangeRoom(
                id=room_id,
                title=UNSET if title is None else title,
                pinned=wanted.pinned,
                leaf_id=UNSET if leaf_id is None else leaf_id,
                settings=room_settings.change(room.settings, wanted),
            )
        )
        return await self.room(principal, room_id)

    async def delete(self, principal: str, room_id: str) -> None:
        """Texts and files are gone; what is under way is cut and settled first; ledger entries stay."""
        await self.room(principal, room_id)
        await self._runs.abandon(room_id)
        files = await self._store.files_of_room(room_id)
        await self._store.commit(DeleteRoom(room_id))
        await self._images.remove(files)

    async def message(self, principal: str, message_id: str) -> Message:
        message = await self._store.message(message_id, principal)
        if message is None:
            raise message_not_found(message_id)
        return message

    async def message_view(self, principal: str, message_id: str) -> MessageView:
        return (await self.message_views(principal, message_id))[0]

    async def message_views(self, principal: str, *message_ids: str) -> list[MessageView]:
        """In the order asked for. Raises NotFound if one is not there or another's."""
        return await self._views([await self.message(principal, message_id) for message_id in message_ids])

    async def totals(self, room_id: str) -> Totals:
        return await self._store.totals(room_id)

    async def _branch(self, leaf_id: str, limit: int) -> MessagePage:
        messages = list(await self._store.branch(leaf_id, limit))
        older = messages[0].parent_id if messages else None
        return MessagePage(messages=tuple(await self._views(messages)), older=older)

    async def _views(self, messages: Sequence[Message]) -> list[MessageView]:
        """With siblings, and with the entry of the answer, or of a question's newest answer."""
        around = await self._store.around([message.id for message in messages])
        return [
            MessageView(
                message=message,
                siblings=tuple(around.siblings.get(message.id, (message.id,))),
                entry=around.entries.get(around.answers.get(message.id, message.id)),
            )
            for message in messages
        ]


def bounded(limit: int) -> int:
    return max(1, min(limit, PAGE_LIMIT))


def _title(title: str) -> str:
    title = " ".join(title.split())
    if not title or len(title) > TITLE_LIMIT:
        raise BadInput(
            f"A title has 1 to {TITLE_LIMIT} characters.",
            f"제목은 1자에서 {TITLE_LIMIT}자까지입니다.",
            param="title",
        )
    return title


def room_not_found(room_id: str) -> NotFound:
    return NotFound(f"There is no room {room_id}.", f"{room_id} 대화방이 없습니다.", code="room_not_found")


def message_not_found(message_id: str) -> NotFound:
    return NotFound(f"There is no message {message_id}.", f"{message_id} 메시지가 없습니다.", code="message_not_found")
