"""Rooms: made, changed, listed a page at a time, deleted with all that is theirs."""

import pytest
from msgspec.structs import replace

from support.store_values import ME, a_message, a_room, a_run, an_attachment
from talkmeter.conversation.changes import (
    AddAttachment,
    AddMessage,
    AddRoom,
    AddRun,
    AppendRunEvents,
    ChangeRoom,
    DeleteRoom,
    LinkAttachments,
)
from talkmeter.errors import BadInput, Conflict
from talkmeter.messages import RoomSettings, RunEvent

SETTINGS = RoomSettings(
    model="gpt-4o",
    provider_id="provider_1",
    window=0,
    system_prompt='너는 "친절한" 도우미다.\n',
    temperature=0.1,
    top_p=1.0,
    max_tokens=4096,
)


async def test_a_room_comes_back_as_it_was(store):
    room = a_room(settings=SETTINGS, pinned=True, leaf_id="msg_1", created_at=1, last_used_at=2)
    await store.commit(AddRoom(room))
    assert await store.room(room.id, ME) == room
    assert await store.room(room.id, "somebody else") is None
    assert await store.room("room_none", ME) is None


async def test_a_room_is_added_once(store):
    room = a_room()
    await store.commit(AddRoom(room))
    with pytest.raises(Conflict) as refused:
        await store.commit(AddRoom(replace(room, title="other")))
    assert refused.value.code == "room_exists"
    assert (await store.room(room.id, ME)).title == room.title


@pytest.mark.parametrize(
    "change",
    [
        {"title": "새 제목"},
        {"pinned": True},
        {"settings": SETTINGS},
        {"leaf_id": "msg_9"},
        {"last_used_at": 77},
        {"title": "x", "pinned": True, "settings": SETTINGS, "leaf_id": "msg_9", "last_used_at": 77},
        {},
    ],
)
async def test_a_change_leaves_the_rest(store, change):
    room = a_room()
    await store.commit(AddRoom(room))
    await store.commit(ChangeRoom(id=room.id, **change))
    assert await store.room(room.id, ME) == replace(room, **change)


@pytest.mark.parametrize("change", [{"title": "x"}, {}])
async def test_a_room_that_is_gone_cannot_be_changed(store, change):
    with pytest.raises(Conflict) as refused:
        await store.commit(ChangeRoom(id="room_none", **change))
    assert refused.value.code == "room_gone"


async def test_the_message_count_is_the_stores_own(store):
    room = a_room(message_count=99)
    await store.commit(AddRoom(room))
    assert (await store.room(room.id, ME)).message_count == 0
    await store.commit(*(AddMessage(a_message(room)) for _ in range(3)))
    assert (await store.room(room.id, ME)).message_count == 3


async def test_pages_hold_pinned_rooms_first_then_the_last_used(store):
    rooms = [a_room(id=f"room_{number}", last_used_at=number // 2, pinned=number in (3, 6)) for number in range(9)]
    await store.commit(*(AddRoom(room) for room in rooms), AddRoom(a_room(principal="somebody else")))
    expected = sorted(rooms, key=lambda room: (room.pinned, room.last_used_at, room.id), reverse=True)
    for limit in (1, 2, 4, 9, 100):
        seen, cursor = [], None
        while True:
            page = await store.rooms(ME, cursor, limit)
            assert page.total == 9
            assert 1 <= len(page.rooms) <= limit
            seen += page.rooms
            cursor = page.next
            if cursor is None:
                break
        assert seen == expected


async def test_a_room_that_moves_up_does_not_hide_another_one(store):
    rooms = [a_room(id=f"room_{number}", last_used_at=number) for number in range(6)]
    await store.commit(*(AddRoom(room) for room in rooms))
    first = await store.rooms(ME, None, 3)
    await store.commit(ChangeRoom(id="room_1", last_used_at=99))
    second = await store.rooms(ME, first.next, 3)
    assert [room.id for room in first.rooms] == ["room_5", "room_4", "room_3"]
    assert [room.id for room in second.rooms] == ["room_2", "room_0"]


async def test_nobody_has_no_rooms(store):
    page = await store.rooms("nobody", None, 10)
    assert (list(page.rooms), page.next, page.total) == ([], None, 0)


@pytest.mark.parametrize(
    "cursor", ["", "x", "2.1.room_1", "1.x.room_1", "1..room_1", "0.99999999999999999999.r", "1.²."]
)
async def test_a_made_up_cursor_is_refused(store, cursor):
    with pytest.raises(BadInput) as refused:
        await store.rooms(ME, cursor, 10)
    assert (refused.value.code, refused.value.param) == ("bad_cursor", "cursor")


async def test_a_deleted_room_takes_everything_of_its_own_and_nothing_else(store):
    gone, kept = a_room(), a_room()
    for room in (gone, kept):
        question = a_message(room)
        answer = a_message(room, question)
        run = a_run(question, answer)
        image = an_attachment()
        await store.commit(
            AddRoom(room),
            AddMessage(question),
            AddMessage(answer),
            AddRun(run),
            AppendRunEvents(run.id, (RunEvent(seq=1, kind="delta", data={"text": "가"}),)),
            AddAttachment(image),
            LinkAttachments(principal=ME, room_id=room.id, message_id=question.id, attachment_ids=(image.id,)),
        )
        if room is gone:
            of_gone = (question, answer, run, image)
    await store.commit(DeleteRoom(gone.id))
    question_gone, answer_gone, run_gone, image_gone = of_gone
    assert await store.room(gone.id, ME) is None
    assert await store.message(question_gone.id, ME) is None
    assert await store.branch(answer_gone.id, None) == []
    assert await store.run(run_gone.id, ME) is None
    assert await store.run_events(run_gone.id, 0) == []
    assert await store.attachments([image_gone.id], ME) == []
    assert len(await store.branch(answer.id, None)) == 2
    assert len(await store.run_events(run.id, 0)) == 1
    assert len(await store.attachments([image.id], ME)) == 1
    await store.commit(DeleteRoom(gone.id))  # twice is once


async def test_files_of_a_room_are_those_that_nothing_else_uses(store):
    room, other = a_room(), a_room()
    question, foreign = a_message(room), a_message(other)
    await store.commit(AddRoom(room), AddRoom(other), AddMessage(question), AddMessage(foreign))
    own, shared, waiting = an_attachment(), an_attachment(), an_attachment()
    also = an_attachment(file=shared.file)
    unsent = an_attachment(file=waiting.file)
    await store.commit(*(AddAttachment(each) for each in (own, shared, waiting, also, unsent)))
    link = LinkAttachments(
        principal=ME, room_id=room.id, message_id=question.id, attachment_ids=(own.id, shared.id, waiting.id)
    )
    await store.commit(link)
    await store.commit(link)  # copies of the room's own use the same files
    await store.commit(
        LinkAttachments(principal=ME, room_id=other.id, message_id=foreign.id, attachment_ids=(also.id,))
    )
    assert await store.files_of_room(room.id) == [own.file]
    assert await store.files_of_room("room_none") == []
