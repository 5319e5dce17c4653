"""From an imported conversation and what is there of it already to the changes that add the rest. Pure.

Every id is made from the source's own, so that the same message is the same message the next time.
"""

from collections.abc import Mapping, Sequence

from msgspec import UNSET, Struct

from talkmeter.conversation.changes import AddAttachment, AddMessage, AddRoom, ChangeRoom
from talkmeter.conversation.conversation_ids import check_conversation_id, is_new
from talkmeter.conversation.importing.values import ImportedConversation, ImportedImage, ImportedMessage, Outcome
from talkmeter.conversation.titles import plain, title_of
from talkmeter.errors import BadInput
from talkmeter.ids import derived_id
from talkmeter.messages import Attachment, Message, Room, RoomSettings

TITLE_LIMIT = 200  # characters, as for a title that is typed


class Known(Struct, frozen=True):
    """What the store has of a conversation. attachment_ids: of the images that the source has.

    name_taken: another room goes by its conversation_id.
    """

    room: Room | None
    message_ids: frozenset[str] = frozenset()
    attachment_ids: frozenset[str] = frozenset()
    name_taken: bool = False


class Plan(Struct, frozen=True):
    outcome: Outcome
    changes: tuple[Struct, ...]
    messages: int = 0


def room_id_of(principal: str, conversation: ImportedConversation) -> str:
    """Another one for each principal: two people may import the same export."""
    return derived_id("room", principal, conversation.format, conversation.id)


def name_of(conversation: ImportedConversation) -> str | None:
    """Its conversation_id, if a client could ask for it."""
    name = conversation.conversation_id
    if name is None or is_new(name):
        return None
    try:
        return check_conversation_id(name)
    except BadInput:
        return None


def message_id_of(room_id: str, message_id: str) -> str:
    return derived_id("msg", room_id, message_id)


def attachment_id_of(room_id: str, message: ImportedMessage, image: ImportedImage) -> str:
    return derived_id("file", room_id, message.id, image.id)


def file_of(attachment_id: str) -> str:
    """The name of the image's file: the same again, so that a killed import leaves nothing that stays unused."""
    return derived_id("blob", attachment_id)


def wanted_images(
    room_id: str, conversation: ImportedConversation, known: frozenset[str]
) -> list[tuple[str, ImportedMessage, ImportedImage]]:
    """The images that are not there yet, with the ids that they get."""
    return [
        (attachment_id, message, image)
        for message in conversation.messages
        for image in message.images
        if (attachment_id := attachment_id_of(room_id, message, image)) not in known
    ]


def plan(
    principal: str, conversation: ImportedConversation, known: Known, images: Mapping[str, Sequence[Attachment]]
) -> Plan:
    """images: the new ones by the source's message id; their rows name the room and the message already."""
    if not conversation.messages:
        return Plan("empty", ())
    room_id = room_id_of(principal, conversation)
    fresh = [each for each in conversation.messages if message_id_of(room_id, each.id) not in known.message_ids]
    added: list[Struct] = [AddMessage(_message(room_id, each)) for each in fresh]
    added += [AddAttachment(image) for each in conversation.messages for image in images.get(each.id, ())]
    leaf_id = _leaf(room_id, conversation)
    if known.room is None:
        added = [
            AddRoom(_room(principal, room_id, conversation, known)),
            *added,
            ChangeRoom(id=room_id, leaf_id=leaf_id),
        ]
        return Plan("new", tuple(added), len(fresh))
    if not added:
        return Plan("known", ())
    used_at = max(known.room.last_used_at, conversation.last_used_at)
    ours = {message_id_of(room_id, each.id) for each in conversation.messages}
    # Whoever has gone on in this room stays where they are.
    leaf = leaf_id if fresh and known.room.leaf_id in ours else UNSET
    return Plan("grown", (*added, ChangeRoom(id=room_id, last_used_at=used_at, leaf_id=leaf)), len(fresh))


def _leaf(room_id: str, conversation: ImportedConversation) -> str:
    known = {each.id for each in conversation.messages}
    shown = conversation.leaf_id if conversation.leaf_id in known else conversation.messages[-1].id
    return message_id_of(room_id, shown)


def _room(principal: str, room_id: str, conversation: ImportedConversation, known: Known) -> Room:
    return Room(
        id=room_id,
        principal=principal,
        title=_title(conversation),
        pinned=conversation.pinned,
        settings=RoomSettings(system_prompt=conversation.system_prompt),
        leaf_id=None,
        created_at=conversation.created_at,
        last_used_at=conversation.last_used_at,
        conversation_id=None if known.name_taken else name_of(conversation),
    )


def _title(conversation: ImportedConversation) -> str:
    """As it was; else the first words that say something; else the id."""
    given = " ".join(word for each in conversation.title.split() if (word := plain(each)))[:TITLE_LIMIT]
    texts = (title_of(each.text) for each in conversation.messages)
    return given or next((text for text in texts if text), conversation.id[:TITLE_LIMIT])


def _message(room_id: str, message: ImportedMessage) -> Message:
    return Message(
        id=message_id_of(room_id, message.id),
        room_id=room_id,
        parent_id=None if message.parent_id is None else message_id_of(room_id, message.parent_id),
        role=message.role,
        text=message.text,
        status=message.status,
        created_at=message.created_at,
        finished_at=message.created_at if message.finished_at is None else message.finished_at,
        model=message.model,
    )
