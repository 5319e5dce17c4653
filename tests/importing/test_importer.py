"""What the import does with conversations that no reader should give, and how much it keeps of what went wrong."""

import pytest

from talkmeter.conversation.importing.importer import Importer
from talkmeter.conversation.importing.report import NOTES_KEPT, take_all
from talkmeter.conversation.importing.values import ImportedConversation, ImportedMessage, UnreadableConversation
from talkmeter.errors import BadInput, StoreFull
from talkmeter.importing import json_lists
from talkmeter.importing.json_lists import JsonLists


def said(message_id, parent_id=None, **more):
    return ImportedMessage(id=message_id, parent_id=parent_id, role="user", text="x", created_at=1, **more)


def talk(*messages, **more):
    return ImportedConversation(
        format="chatgpt", id="c", title="", created_at=1, last_used_at=1, messages=messages, leaf_id="none", **more
    )


@pytest.mark.parametrize("messages", [(said("a"), said("a")), (said("b", "a"), said("a")), (said("a", "a"),)])
@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_conversation_that_is_not_sound(store, images, messages, dry_run):
    importer = Importer(store, images, "owner", dry_run=dry_run)
    with pytest.raises(BadInput, match="comes twice, or before"):
        await importer.take(talk(*messages))
    assert not (await store.rooms("owner", None, 5)).rooms


async def test_a_leaf_that_is_not_there_is_the_last_message_and_a_room_has_a_title(store, images):
    await Importer(store, images, "owner").take(talk(said("a"), said("b", "a", model="m", finished_at=5)))
    (room,) = (await store.rooms("owner", None, 5)).rooms
    branch = await store.branch(room.leaf_id, None)
    assert [(each.finished_at, each.model) for each in branch] == [(1, None), (5, "m")]
    assert room.title == "x"


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_full_disk_ends_the_import(store, images, monkeypatch, dry_run):
    async def full(*_):
        raise StoreFull("full", "가득 참")

    monkeypatch.setattr(store, "room", full)
    monkeypatch.setattr(store, "commit", full)

    async def one():
        yield talk(said("a"))

    with pytest.raises(StoreFull):
        await take_all(one(), Importer(store, images, "owner", dry_run=dry_run), lambda _: None)


async def test_only_so_many_notes_are_kept(store, images):
    async def broken():
        for number in range(NOTES_KEPT + 5):
            yield UnreadableConversation(str(number), BadInput("no", "아니요"))

    counts = []
    report = await take_all(broken(), Importer(store, images, "owner"), lambda so_far: counts.append(so_far.count))
    assert (report.unreadable_count, len(report.unreadable)) == (NOTES_KEPT + 5, NOTES_KEPT)
    assert counts == list(range(1, NOTES_KEPT + 6))


class OneFile:
    names = ("x.json",)

    def size(self, _):
        return 100

    def open(self, _):
        from io import BytesIO

        return BytesIO(b'[{"a": "' + b"x" * 100 + b'"}]')


def test_a_conversation_that_is_too_long(monkeypatch):
    monkeypatch.setattr(json_lists, "LONGEST", 50)
    monkeypatch.setattr(json_lists, "_BLOCK", 40)
    with pytest.raises(BadInput, match="more than 0 MiB"):
        list(JsonLists(OneFile(), OneFile.names).objects())
