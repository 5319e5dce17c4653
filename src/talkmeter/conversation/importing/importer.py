"""Takes conversations in: each with its images in one transaction, or not at all."""

import asyncio
from collections import defaultdict

from msgspec import Struct

from talkmeter.conversation.changes import AddAttachment, AddMessage, AddRoom
from talkmeter.conversation.images import Images
from talkmeter.conversation.importing.planning import (
    Known,
    Plan,
    file_of,
    message_id_of,
    name_of,
    plan,
    room_id_of,
    wanted_images,
)
from talkmeter.conversation.importing.values import (
    ImportedConversation,
    ImportedImage,
    ImportedMessage,
    Note,
    Taken,
)
from talkmeter.conversation.store import ConversationStore
from talkmeter.errors import BadInput
from talkmeter.messages import Attachment, Room

NAME_LIMIT = 200  # characters of a file's name that are kept


class _Seen(Struct, frozen=True):
    """ids: of messages and images, separated by blanks; one text takes a third of what a set of them would."""

    room: Room
    ids: str


class Importer:
    """principal: whose rooms they become. dry_run: looks at everything and writes nothing."""

    def __init__(self, store: ConversationStore, images: Images, principal: str, *, dry_run: bool = False) -> None:
        self._store = store
        self._images = images
        self._principal = principal
        self._dry_run = dry_run
        self._seen: dict[str, _Seen] = {}

    async def take(self, conversation: ImportedConversation) -> Taken:
        """Adds what is not there yet. Raises BadInput if the conversation is not sound, StoreError."""
        _check(conversation)
        room_id = room_id_of(self._principal, conversation)
        known = await self._known(room_id, conversation)
        notes: list[Note] = []
        kept: dict[str, list[Attachment]] = defaultdict(list)
        try:
            for attachment_id, message, image in wanted_images(room_id, conversation, known.attachment_ids):
                attachment = await self._keep(room_id, attachment_id, message, image, notes)
                if attachment is not None:
                    kept[message.id].append(attachment)
            planned = plan(self._principal, conversation, known, kept)
            if self._dry_run:
                self._remember(room_id, known, planned)
            else:
                await self._store.commit(*planned.changes)
        except BaseException:
            await self._images.remove([each.file for some in kept.values() for each in some])
            raise
        count = sum(len(some) for some in kept.values())
        wanted, kept_id = conversation.conversation_id, None if known.name_taken else name_of(conversation)
        return Taken(
            outcome=planned.outcome,
            messages=planned.messages,
            images=count,
            notes=tuple(notes),
            id_lost=planned.outcome == "new" and wanted is not None and kept_id is None,
        )

    async def _known(self, room_id: str, conversation: ImportedConversation) -> Known:
        """What is there, and in a dry run what would be there by now."""
        stored, seen = await self._stored(room_id, conversation), self._seen.get(room_id)
        if seen is None:
            return stored
        ids = frozenset(seen.ids.split())
        return Known(stored.room or seen.room, stored.message_ids | ids, stored.attachment_ids | ids)

    def _remember(self, room_id: str, known: Known, planned: Plan) -> None:
        """For a conversation that comes twice."""
        room, ids = known.room, []
        for change in planned.changes:
            if isinstance(change, AddRoom):
                room = change.room
            elif isinstance(change, AddMessage):
                ids.append(change.message.id)
            elif isinstance(change, AddAttachment):
                ids.append(change.attachment.id)
        if room is not None:
            before = self._seen[room_id].ids if room_id in self._seen else ""
            self._seen[room_id] = _Seen(room, " ".join([before, *ids]))

    async def _stored(self, room_id: str, conversation: ImportedConversation) -> Known:
        room = await self._store.room(room_id, self._principal)
        if room is None:
            name = name_of(conversation)
            taken = name is not None and await self._store.named_room(name, self._principal) is not None
            return Known(None, name_taken=taken)
        wanted = [attachment_id for attachment_id, _, _ in wanted_images(room_id, conversation, frozenset())]
        there = await self._store.attachments(wanted, self._principal) if wanted else ()
        messages = await self._store.message_ids(room_id)
        return Known(room, frozenset(messages), frozenset(each.id for each in there))

    async def _keep(
        self, room_id: str, attachment_id: str, message: ImportedMessage, image: ImportedImage, notes: list[Note]
    ) -> Attachment | None:
        """None, with a note, if the image is missing or exceeds a limit. Raises StoreFull."""
        try:
            data = await asyncio.to_thread(image.read, self._images.max_bytes)
            attachment = self._images.described(
                data,
                id=attachment_id,
                principal=self._principal,
                name=image.name,
                file=file_of(attachment_id),
                created_at=message.created_at,
                room_id=room_id,
                message_id=message_id_of(room_id, message.id),
            )
        except BadInput as error:
            notes.append(Note(image.name, error.message, error.message_ko))
            return None
        if not self._dry_run:
            await self._images.write(attachment, data, anew=True)
        return attachment


def _check(conversation: ImportedConversation) -> None:
    """Raises BadInput unless every message comes once, after its parent."""
    seen: set[str | None] = {None}
    for message in conversation.messages:
        if message.id in seen or message.parent_id not in seen:
            raise BadInput(
                f"Its message {message.id[:NAME_LIMIT]} comes twice, or before the one that it answers.",
                f"메시지 {message.id[:NAME_LIMIT]}이(가) 두 번 나오거나 앞선 메시지보다 먼저 나옵니다.",
                code="conversation_not_sound",
            )
        seen.add(message.id)
