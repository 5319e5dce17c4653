"""The files of ChatGPT EasyBackend."""

import json
import os
import zipfile

import pytest

from support.store_values import a_room
from talkmeter.conversation.changes import AddRoom
from talkmeter.errors import BadInput

AT = 1_675_000_000_000_000  # µs


def exchange(question, answer):
    return f"User: {question}\n\n\nChatGPT: {answer}<|im_end|>\n"


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "chatgpt" / "conversations"
    made.mkdir(parents=True)
    return made


def write(folder, conversation_id, content):
    path = folder / f"{conversation_id}.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    os.utime(path, ns=(AT * 1000, AT * 1000))
    return path


async def test_a_folder_of_conversations(take, rooms, folder):
    write(folder, "grpc_1a2b3c4d", [exchange("안녕\nhello", "Hi!\n\n\nChatGPT: is my name."), exchange("bye", "Bye.")])
    write(folder, "broken", '["User: x')
    write(folder, "other", ["something else"])
    write(folder, "shape", {"id": []})
    write(folder, "empty", [])
    (folder / "notes.txt").write_text("not looked at")
    report = await take("easy-backend", folder.parent)
    assert report["conversations"] == {"new": 1, "grown": 0, "known": 0, "empty": 1, "unreadable": 3}
    assert [each["about"] for each in report["unreadable"]] == ["broken.json", "other.json", "shape.json"]
    assert report["unreadable"][1]["why"] == "Its entry 1 is not a question and an answer."
    ((room, branch),) = await rooms()
    assert (room.title, room.created_at, room.last_used_at) == ("안녕", AT, AT)
    assert [(each.role, each.text, each.created_at) for each in branch] == [
        ("user", "안녕\nhello", AT),
        ("assistant", "Hi!\n\n\nChatGPT: is my name.", AT),
        ("user", "bye", AT),
        ("assistant", "Bye.", AT),
    ]


async def test_a_conversation_that_has_grown_and_lost_its_beginning(take, rooms, folder):
    """The program forgets the oldest exchanges of a long conversation; we do not."""
    path = write(folder, "c", [exchange("1", "one"), exchange("again", "yes"), exchange("again", "yes")])
    assert (await take("easy-backend", path))["messages"] == 6
    assert (await take("easy-backend", folder))["conversations"]["known"] == 1
    write(folder, "c", [exchange("again", "yes"), exchange("again", "yes"), exchange("2", "two")])
    report = await take("easy-backend", folder)
    assert (report["conversations"]["grown"], report["messages"]) == (1, 2)
    ((_, branch),) = await rooms()
    assert [each.text for each in branch] == ["1", "one", "again", "yes", "again", "yes", "2", "two"]


async def test_all_of_them_in_an_archive(take, rooms, folder, tmp_path):
    write(folder, "c", [exchange("1", "one")])
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as out:
        out.write(folder / "c.json", "chatgpt/c.json")
        out.writestr("chatgpt/deeper/d.json", "not looked at")
    assert (await take("easy-backend", tmp_path / "all.zip"))["messages"] == 2
    assert (await take("easy-backend", folder))["conversations"]["known"] == 1


@pytest.mark.parametrize(
    ("name", "kept"), [("grpc_1a2b", "grpc_1a2b"), ("a$b", None), ("new", None), ("x" * 201, None)]
)
async def test_clients_go_on_by_the_id_that_they_know(take, rooms, folder, name, kept):
    write(folder, name, [exchange("1", "one")])
    reports = [await take("easy-backend", folder, dry_run=dry_run) for dry_run in (True, False)]
    ((room, _),) = await rooms()
    assert room.conversation_id == kept
    assert [report["left_out"]["id"] for report in reports] == [0 if kept else 1] * 2
    assert (await take("easy-backend", folder))["left_out"]["id"] == 0, "it was said when it was taken"


async def test_an_id_that_another_room_goes_by_already(take, rooms, store, folder):
    await store.commit(AddRoom(a_room(conversation_id="c", title="asked here")))
    write(folder, "c", [exchange("1", "one")])
    report = await take("easy-backend", folder)
    assert (report["conversations"]["new"], report["left_out"]["id"]) == (1, 1)
    assert {(room.title, room.conversation_id) for room, _ in await rooms()} == {("asked here", "c"), ("1", None)}


async def test_where_there_is_none(take, folder, tmp_path):
    with pytest.raises(BadInput, match="no conversations"):
        await take("easy-backend", folder)
    with pytest.raises(BadInput, match="no file"):
        await take("easy-backend", tmp_path / "nowhere")
