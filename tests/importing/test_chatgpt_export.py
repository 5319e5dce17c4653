"""An export as a whole becomes rooms: once, completely, with its images; what cannot be taken is told."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.chatgpt_export import BEGAN, archive, conversation, image_part, multimodal, node, talk
from support.images import png
from talkmeter.conversation.images import Images
from talkmeter.errors import BadInput, Conflict, NotFound
from talkmeter.importing.json_lists import decoded

MICROS = 1_000_000
PICTURE = png(3, 2)


def with_picture(asset="file-Ab1", scheme="file-service", conversation_id="p-1"):
    return conversation(
        node("q", None, "user", content=multimodal(image_part(asset, scheme), "what is it?"), at=BEGAN + 1),
        node("a", "q", "assistant", "A picture.", at=BEGAN + 2),
        conversation_id=conversation_id,
        title="Pictures",
    )


def some():
    """A list with one that is branched, one with a picture, one that is empty and two that are broken."""
    branched = conversation(
        node("s", None, "system", "Be brief."),
        node("q", "s", "user", "one", at=BEGAN + 1),
        node("a", "q", "assistant", "first", at=BEGAN + 2, model_slug="gpt-4"),
        node("b", "q", "assistant", "second", at=BEGAN + 3, model_slug="gpt-4o"),
        conversation_id="branched",
        title="  Branched\n\x07 talk ",
        current="a",
        is_starred=True,
        update_time=BEGAN + 500,
    )
    ring = conversation(node("x", "y", "user", "x"), node("y", "x", "user", "y"), title="링", conversation_id="ring")
    empty = conversation(node("root", None), conversation_id="empty")
    return [branched, with_picture(), ring, empty, {"mapping": 7}, {"mapping": {}}]


async def test_what_becomes_of_an_export(take, rooms, both, tmp_path):
    path = archive(tmp_path / "export.zip", some(), {"file-Ab1-cat photo.png": PICTURE, "chat.html": b"<html>"})
    images = Images(both, tmp_path / "pictures", max_bytes=100_000, max_pixels=1_000)
    report = await take("chatgpt", path, into=both, kept=images)
    assert report["conversations"] == {"new": 2, "grown": 0, "known": 0, "empty": 1, "unreadable": 3}
    assert (report["messages"], report["images"]) == (5, 1)
    assert [each["about"] for each in report["unreadable"]] == ["링", "#5", "#6"]
    assert [each["why"].split(":")[0] for each in report["unreadable"]] == [
        "Its messages form a ring.",
        "It is not as expected",
        "It has no id.",
    ]
    (room, branch), (other, pictures) = await rooms(of=both)
    assert (room.title, room.pinned, room.settings.system_prompt) == ("Branched talk", True, "Be brief.")
    assert (room.created_at, room.last_used_at) == (int(BEGAN * MICROS), int((BEGAN + 500) * MICROS))
    assert room.settings.model is None
    assert [(each.role, each.text, each.model) for each in branch] == [
        ("user", "one", None),
        ("assistant", "first", "gpt-4"),
    ]
    assert branch[0].created_at == int((BEGAN + 1) * MICROS)
    around = await both.around([branch[1].id])
    assert len(around.siblings[branch[1].id]) == 2
    assert not around.entries, "no figures"
    assert (await both.totals(room.id)).calls == 0
    (picture,) = pictures[0].attachments
    assert (picture.name, picture.width, picture.height, picture.principal) == ("cat photo.png", 3, 2, "owner")
    assert (await images.open("owner", picture.id))[1].read_bytes() == PICTURE
    assert other.title == "Pictures"


async def test_twice_is_once(take, rooms, both, tmp_path):
    path = archive(tmp_path / "export.zip", some(), {"file-Ab1.png": PICTURE})
    images = Images(both, tmp_path / "pictures", max_bytes=100_000, max_pixels=1_000)
    await take("chatgpt", path, into=both, kept=images)
    before, files = await rooms(of=both), sorted((tmp_path / "pictures").iterdir())
    report = await take("chatgpt", path, into=both, kept=images)
    assert report["conversations"] == {"new": 0, "grown": 0, "known": 2, "empty": 1, "unreadable": 3}
    assert (report["messages"], report["images"]) == (0, 0)
    assert await rooms(of=both) == before
    assert sorted((tmp_path / "pictures").iterdir()) == files


async def test_an_export_that_has_grown_adds_only_what_is_new(take, rooms, tmp_path):
    await take("chatgpt", archive(tmp_path / "1.zip", [talk(turns=1), with_picture()]))
    ((_, pictures), (_, first)) = sorted(await rooms(), key=lambda each: each[0].title)
    assert not pictures[0].attachments
    later = archive(
        tmp_path / "2.zip", [talk(turns=3, update_time=BEGAN + 900), with_picture()], {"file-Ab1.png": PICTURE}
    )
    report = await take("chatgpt", later)
    assert report["conversations"] | {"grown": 2} == report["conversations"]
    assert (report["messages"], report["images"]) == (4, 1)
    ((_, pictures), (room, branch)) = sorted(await rooms(), key=lambda each: each[0].title)
    assert len(pictures[0].attachments) == 1
    assert [each.id for each in branch[:2]] == [each.id for each in first]
    assert (len(branch), room.message_count, room.last_used_at) == (6, 6, int((BEGAN + 900) * MICROS))


async def test_whoever_has_gone_on_in_a_room_stays_there(take, rooms, store, tmp_path):
    from talkmeter.conversation.changes import AddMessage, ChangeRoom
    from talkmeter.messages import Message

    await take("chatgpt", archive(tmp_path / "1.zip", [talk(turns=1)]))
    ((room, branch),) = await rooms()
    mine = Message(
        id="mine", room_id=room.id, parent_id=branch[-1].id, role="user", text="more", status="complete", created_at=9
    )
    await store.commit(AddMessage(mine), ChangeRoom(id=room.id, leaf_id="mine", title="My title", last_used_at=2**52))
    report = await take("chatgpt", archive(tmp_path / "2.zip", [talk(turns=2)]))
    assert report["messages"] == 2
    ((room, branch),) = await rooms()
    assert [each.text for each in branch] == ["질문 1?", "Answer 1.", "more"]
    assert (room.title, room.last_used_at, room.message_count) == ("My title", 2**52, 5)


async def test_two_users_have_rooms_of_their_own(take, rooms, tmp_path):
    path = archive(tmp_path / "export.zip", [with_picture()], {"file-Ab1.png": PICTURE})
    await take("chatgpt", path)
    report = await take("chatgpt", path, who="user_2")
    assert (report["conversations"]["new"], report["images"]) == (1, 1)
    (mine,), (theirs,) = await rooms(), await rooms("user_2")
    assert mine[0].id != theirs[0].id
    assert mine[1][0].attachments[0].file != theirs[1][0].attachments[0].file


async def test_a_dry_run_writes_nothing(take, rooms, tmp_path):
    path = archive(tmp_path / "export.zip", some(), {"file-Ab1.png": PICTURE})
    tried = await take("chatgpt", path, dry_run=True)
    assert not await rooms()
    assert not (tmp_path / "attachments").exists()
    assert tried == await take("chatgpt", path)


async def test_a_dry_run_sees_what_comes_twice(take, tmp_path):
    twice = [talk(), talk(), talk(turns=3), talk(turns=3), with_picture(), with_picture()]
    path = archive(tmp_path / "export.zip", twice, {"file-Ab1.png": PICTURE})
    tried = await take("chatgpt", path, dry_run=True)
    taken = await take("chatgpt", path)
    assert tried == taken
    assert (taken["conversations"]["new"], taken["conversations"]["grown"], taken["images"]) == (2, 1, 1)
    more = archive(tmp_path / "more.zip", [talk(turns=4), talk(turns=4), talk(turns=5)])
    tried = await take("chatgpt", more, dry_run=True)
    assert tried == await take("chatgpt", more)
    assert (tried["conversations"]["grown"], tried["messages"]) == (2, 4)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "does not have its file"),
        ({"file-Ab1.png": b"GIF"}, "no PNG, JPEG, WebP or GIF"),
        ({"file-Ab1.png": png(1001, 1000)}, "pixels are allowed"),
        ({"file-Ab1.png": PICTURE + bytes(100_000)}, "more than 100000 bytes"),
    ],
)
async def test_an_image_that_cannot_be_kept_is_told_and_its_message_is_taken(take, rooms, tmp_path, files, why):
    report = await take("chatgpt", archive(tmp_path / "export.zip", [with_picture()], files))
    assert (report["messages"], report["images"], report["left_out"]["image"]) == (2, 0, 1)
    assert why in report["images_left_out"][0]["why"]
    ((_, branch),) = await rooms()
    assert [each.text for each in branch] == ["what is it?", "A picture."]


async def test_newer_exports_have_several_lists_and_names_of_their_files(take, rooms, tmp_path):
    folder = tmp_path / "export"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "conversations-000.json").write_text(json.dumps([talk("one", title="One")]))
    two = with_picture("file_00000aaf", "sediment", "two")
    (folder / "conversations-001.json").write_text(json.dumps([two]))
    (folder / "deep" / "conversations.json").write_text("not looked at")
    (folder / "deep" / "er" / "file_00000aaf.dat").write_bytes(PICTURE)
    (folder / "conversation_asset_file_names.json").write_text('{"file_00000aaf.dat": "x/cat.png", "other": 5}')
    report = await take("chatgpt", folder)
    assert (report["conversations"]["new"], report["images"]) == (2, 1)
    named = {room.title: branch for room, branch in await rooms()}
    assert named["Pictures"][0].attachments[0].name == "cat.png"


async def test_the_list_alone_with_its_images_beside_it(take, tmp_path):
    (tmp_path / "export").mkdir()
    path = tmp_path / "export" / "My conversations.json"
    path.write_text(json.dumps([with_picture()]))
    (tmp_path / "export" / "file-Ab1-cat.png").write_bytes(PICTURE)
    (tmp_path / "export" / "conversation_asset_file_names.json").write_text("no JSON")
    assert (await take("chatgpt", path))["images"] == 1


async def test_a_conversation_without_times_has_those_of_its_list(take, rooms, tmp_path):
    path = tmp_path / "conversations.json"
    bare = conversation(
        node("q", None, "user", "hello\nthere"), title=None, create_time=None, update_time="?", current_node=None
    )
    path.write_text(json.dumps([bare]))
    await take("chatgpt", path)
    ((room, branch),) = await rooms()
    at = path.stat().st_mtime_ns // 1000
    assert (room.created_at, room.last_used_at, branch[0].created_at) == (at, at, at)
    assert room.title == "hello"


async def test_half_characters_and_nan_are_read(take, rooms, tmp_path):
    path = tmp_path / "conversations.json"
    made = talk(turns=1, title="half \ud83d", is_starred=float("nan"))
    path.write_text(json.dumps([made]))
    await take("chatgpt", path)
    ((room, _),) = await rooms()
    assert room.title == "half \ufffd"


def test_brackets_without_end_are_no_conversation():
    with pytest.raises(BadInput, match="not as expected"):
        decoded(b"[" * 100_000 + b"]" * 100_000, list[int])


@pytest.mark.parametrize("text", ["", "{}", '[{"mapping": {}}, {"mapping": ', "[{}] and more", "<html>"])
async def test_a_list_that_is_damaged_changes_nothing(take, rooms, tmp_path, text):
    path = tmp_path / "conversations.json"
    path.write_text(json.dumps([talk()])[:-1] + "," + text[1:] if text.startswith("[") else text)
    with pytest.raises(BadInput, match=r"conversations\.json is damaged") as caught:
        await take("chatgpt", path)
    assert caught.value.hint == "Nothing has been imported."
    assert not await rooms()


async def test_the_second_list_may_be_the_damaged_one(take, rooms, tmp_path):
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "conversations-000.json").write_text(json.dumps([talk()]))
    (tmp_path / "e" / "conversations-001.json").write_text("[")
    with pytest.raises(BadInput, match=r"conversations-001\.json is damaged"):
        await take("chatgpt", tmp_path / "e")
    assert not await rooms()


@pytest.mark.parametrize("kind", ["folder", "archive"])
async def test_where_there_is_no_list(take, tmp_path, kind):
    path = tmp_path / "e"
    if kind == "folder":
        path.mkdir()
    else:
        archive(path, [], name="something.json")
    with pytest.raises(BadInput, match=r"There is no conversations\.json"):
        await take("chatgpt", path)


async def test_what_the_store_refuses_is_told_and_leaves_no_file(take, rooms, store, tmp_path, monkeypatch):
    async def refuse(*_changes):
        raise Conflict("gone", "없음")

    monkeypatch.setattr(store, "commit", refuse)
    report = await take("chatgpt", archive(tmp_path / "export.zip", [with_picture()], {"file-Ab1.png": PICTURE}))
    assert report["conversations"]["unreadable"] == 1
    assert report["unreadable"] == [{"about": "Pictures", "why": "gone", "why_ko": "없음"}]
    assert not list((tmp_path / "attachments").iterdir())
    assert not await rooms()


async def test_what_a_killed_import_has_left_is_used_again(take, tmp_path):
    path = archive(tmp_path / "export.zip", [with_picture()], {"file-Ab1.png": PICTURE})
    await take("chatgpt", path)
    (file,) = (tmp_path / "attachments").iterdir()
    (tmp_path / "talkmeter.db").rename(tmp_path / "lost.db")
    file.write_bytes(b"half of it")

    from talkmeter.store import open_store

    fresh = await open_store(tmp_path / "fresh.db", ballast=4096)
    try:
        images = Images(fresh, tmp_path / "attachments", max_bytes=100_000, max_pixels=1_000)
        assert (await take("chatgpt", path, into=fresh, kept=images))["images"] == 1
        assert file.read_bytes() == PICTURE
        assert list((tmp_path / "attachments").iterdir()) == [file]
    finally:
        await fresh.close()


async def test_one_import_at_a_time(take, store, tmp_path):
    async with store.exclusive("import", wait=False):
        with pytest.raises(Conflict, match="Another import"):
            await take("chatgpt", archive(tmp_path / "export.zip", [talk()]))


async def test_somebody_elses_image_is_not_found(take, rooms, images, tmp_path):
    await take("chatgpt", archive(tmp_path / "export.zip", [with_picture()], {"file-Ab1.png": PICTURE}))
    ((_, branch),) = await rooms()
    with pytest.raises(NotFound):
        await images.open("user_2", branch[0].attachments[0].id)


TREES = st.lists(st.tuples(st.sampled_from(["user", "assistant", "tool"]), st.integers(0, 30)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES, st.integers(1, 12), st.integers(0, 10_000_000))
async def test_in_two_steps_as_in_one(take, store, tmp_path, made, cut, number):
    """Whatever grows: what the first step has is a part of the whole, and the second adds the rest."""
    nodes = [
        node(f"n{at}", None if at == 0 else f"n{above % at}", role, f"text {at}", at=BEGAN + at)
        for at, (role, above) in enumerate(made)
    ]

    async def texts(*steps, who):
        for step in steps:
            fresh = [json.loads(json.dumps(each)) | {"children": []} for each in nodes[:step]]
            path = archive(tmp_path / "export.zip", [conversation(*fresh, conversation_id=f"c-{number}")])
            report = await take("chatgpt", path, who=who)
            assert report["conversations"]["unreadable"] == 0
        assert (await take("chatgpt", path, who=who))["messages"] == 0
        found = (await store.rooms(who, None, 1)).rooms
        return [set(await store.message_ids(room.id)) for room in found], found

    twice, found = await texts(min(cut, len(nodes)), len(nodes), who=f"a{number}")
    once, _ = await texts(len(nodes), who=f"b{number}")
    assert [len(ids) for ids in twice] >= [len(ids) for ids in once]
    assert all(room.message_count == len(ids) for room, ids in zip(found, twice, strict=True))
