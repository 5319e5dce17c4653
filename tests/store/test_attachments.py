"""Attachments: uploaded, given to a message, given again to a sibling of it."""

import pytest
from msgspec.structs import replace

from support.store_values import ME, a_message, a_room, an_attachment
from talkmeter.conversation.changes import AddAttachment, AddMessage, AddRoom, LinkAttachments
from talkmeter.errors import Conflict


@pytest.fixture
async def room(store):
    made = a_room()
    await store.commit(AddRoom(made))
    return made


async def a_question(store, room):
    question = a_message(room)
    await store.commit(AddMessage(question))
    return question


def link(message, *attachments, principal=ME):
    return LinkAttachments(
        principal=principal,
        room_id=message.room_id,
        message_id=message.id,
        attachment_ids=tuple(each.id for each in attachments),
    )


async def uploads(store, count, **given):
    made = [an_attachment(**given) for _ in range(count)]
    await store.commit(*(AddAttachment(each) for each in made))
    return made


async def test_uploads_come_back_as_they_were_in_the_order_asked_for(store):
    first, second = await uploads(store, 2)
    (foreign,) = await uploads(store, 1, principal="somebody else")
    found = await store.attachments([second.id, "file_none", foreign.id, first.id], ME)
    assert found == [second, first]
    assert await store.attachments([], ME) == []


async def test_an_upload_is_added_once(store):
    (upload,) = await uploads(store, 1)
    with pytest.raises(Conflict) as refused:
        await store.commit(AddAttachment(replace(upload, name="other")))
    assert refused.value.code == "attachment_refused"


async def test_linked_images_come_with_their_message_in_the_order_given(store, room):
    question = await a_question(store, room)
    first, second, third = await uploads(store, 3)
    await store.commit(link(question, third, first, second))
    expected = tuple(replace(each, room_id=room.id, message_id=question.id) for each in (third, first, second))
    assert (await store.message(question.id, ME)).attachments == expected
    (in_branch,) = await store.branch(question.id, 1)
    assert in_branch.attachments == expected


async def test_an_edited_question_keeps_its_images_as_copies_of_the_rows(store, room):
    question, edited = await a_question(store, room), await a_question(store, room)
    (image,) = await uploads(store, 1)
    await store.commit(link(question, image))
    await store.commit(link(edited, image))
    (kept,) = (await store.message(question.id, ME)).attachments
    (copied,) = (await store.message(edited.id, ME)).attachments
    assert kept == replace(image, room_id=room.id, message_id=question.id)
    assert copied == replace(kept, id=copied.id, message_id=edited.id)
    assert copied.id not in (kept.id, "")
    assert copied.file == image.file


@pytest.mark.parametrize("case", ["unknown", "another's", "of another room", "message gone"])
async def test_what_cannot_be_linked_is_refused_whole(store, room, case):
    question = await a_question(store, room)
    (good,) = await uploads(store, 1)
    (image,) = await uploads(store, 1, principal="somebody else" if case == "another's" else ME)
    if case == "unknown":
        image = an_attachment()
    if case == "of another room":
        other = a_room()
        await store.commit(AddRoom(other))
        await store.commit(link(await a_question(store, other), image))
    target = a_message(room) if case == "message gone" else question
    with pytest.raises(Conflict) as refused:
        await store.commit(link(target, good, image))
    assert refused.value.code == "attachment_not_usable"
    assert await store.attachments([good.id], ME) == [good]
    assert (await store.message(question.id, ME)).attachments == ()
