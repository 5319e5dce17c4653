"""A data directory with something in it."""

import asyncio

from support.store_values import ME, a_message, a_room, a_settlement, an_attachment, an_opening
from talkmeter.conversation.changes import AddAttachment, AddMessage, AddRoom, LinkAttachments
from talkmeter.store import open_store
from talkmeter.store.archive import DATABASE


async def add_image(store, data_dir, room=None):
    """A room with a question that has an image; gives the attachment."""
    room = room or a_room()
    question = a_message(room)
    image = an_attachment()
    (data_dir / "attachments" / image.file).write_bytes(image.id.encode() * 1000)
    await store.commit(AddRoom(room), AddMessage(question), AddAttachment(image))
    await store.commit(
        LinkAttachments(principal=ME, room_id=room.id, message_id=question.id, attachment_ids=(image.id,))
    )
    return image


async def some_content(store, data_dir):
    image = await add_image(store, data_dir)
    opening = an_opening()
    await store.commit(opening, a_settlement(opening), an_opening())
    return image, opening


def begin(data_dir):
    """A workspace with nothing in it. Not within a running loop."""

    async def making():
        await (await open_store(data_dir / DATABASE, ballast=4096)).close()

    asyncio.run(making())
