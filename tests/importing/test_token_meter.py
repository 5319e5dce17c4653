"""The database of TokenMeter, in the shape of its first days and of its last."""

import sqlite3
from contextlib import closing

import pytest

from talkmeter.errors import BadInput
from talkmeter.importing.token_meter import TokenMeter

FIRST = """
CREATE TABLE room (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT);
CREATE TABLE chat (id INTEGER PRIMARY KEY AUTOINCREMENT, time TEXT NOT NULL, message TEXT NOT NULL,
    sequence INTEGER NOT NULL, is_answer INTEGER NOT NULL DEFAULT 0, room_id INTEGER NOT NULL);
CREATE TABLE config (id INTEGER PRIMARY KEY AUTOINCREMENT, openai_api_key TEXT);
"""
LAST = """
ALTER TABLE chat ADD COLUMN used_model TEXT;
ALTER TABLE chat ADD COLUMN msg_history TEXT;
ALTER TABLE chat ADD COLUMN token_meter_prompt INTEGER;
ALTER TABLE chat ADD COLUMN token_meter_completion INTEGER;
ALTER TABLE chat ADD COLUMN token_meter_total INTEGER;
ALTER TABLE config ADD COLUMN selected_model TEXT;
ALTER TABLE config ADD COLUMN max_message INTEGER;
ALTER TABLE config ADD COLUMN system_message TEXT;
"""


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "server" / "database.db"
    path.parent.mkdir()

    def made(script):
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(script)
        return path

    return made


def chat(room_id, sequence, message, is_answer, time="2025-02-16T03:04:05.678Z", **more):
    columns = {
        "time": time,
        "message": message,
        "sequence": sequence,
        "is_answer": is_answer,
        "room_id": room_id,
        **more,
    }
    values = ", ".join(repr(each) for each in columns.values())
    return f"INSERT INTO chat ({', '.join(columns)}) VALUES ({values});"


TALK = (
    "INSERT INTO room (name) VALUES ('요리'), (NULL), ('빈 방');"
    + chat(1, 1, "Answer", 1, "2025-02-16T03:04:06.000Z")
    + chat(1, 0, "질문", 0)
    + chat(2, 0, "a question, not answered", 0, "once")
    + chat(2, 1, "", 1)
)


async def test_the_first_shape(take, rooms, database):
    path = database(FIRST + TALK)
    report = await take("tokenmeter", path)
    assert report["conversations"] == {"new": 2, "grown": 0, "known": 0, "empty": 1, "unreadable": 0}
    named = {room.title: (room, branch) for room, branch in await rooms()}
    room, branch = named["요리"]
    assert [(each.role, each.text, each.created_at) for each in branch] == [
        ("user", "질문", 1_739_675_045_678_000),
        ("assistant", "Answer", 1_739_675_046_000_000),
    ]
    assert (room.created_at, room.last_used_at) == (1_739_675_045_678_000, 1_739_675_046_000_000)
    assert room.settings.system_prompt is None
    _, branch = named["a question, not answered"]
    assert [each.created_at for each in branch] == [path.stat().st_mtime_ns // 1000]


async def test_what_is_not_taken_is_counted(take, rooms, database):
    lost = chat(7, 0, "of a room that was deleted", 0) + chat(7, 1, "and its answer", 1)
    odd = (
        "INSERT INTO chat (time, message, sequence, is_answer, room_id) VALUES"
        " ('2025-02-16', x'ff00', 1, 1, 1), ('2025-02-16', x'ec9588eb8595', 2, 1, 1);"
    )
    path = database(FIRST + "INSERT INTO room (name) VALUES ('방');" + chat(1, 0, "q", 0) + lost + odd)
    report = await take("tokenmeter", path)
    assert (report["left_out"]["orphan"], report["left_out"]["part"]) == (2, 1)
    ((_, branch),) = await rooms()
    assert [each.text for each in branch] == ["q", "안녕"]


async def test_the_last_shape(take, rooms, database):
    script = FIRST + LAST + "INSERT INTO config (openai_api_key, system_message) VALUES ('sk-1', ' Be kind. ');"
    answered = chat(1, 0, "q", 0, token_meter_total=70) + chat(1, 1, "a", 1, used_model="gpt-4o", token_meter_total=70)
    path = database(script + "INSERT INTO room (name) VALUES ('방');" + answered)
    report = await take("tokenmeter", path.parent.parent)
    assert (report["left_out"]["figures"], report["left_out"]["api_key"]) == (2, 1)
    ((room, branch),) = await rooms()
    assert room.settings.system_prompt == "Be kind."
    assert [each.model for each in branch] == [None, "gpt-4o"]
    more = chat(1, 2, "q2", 0) + chat(1, 3, "a2", 1)
    database(more + "DELETE FROM config;")
    assert (await take("tokenmeter", path.parent))["messages"] == 2
    assert len((await rooms())[0][1]) == 4


async def test_a_room_of_the_same_number_in_another_database_is_another_room(take, rooms, database):
    path = database(FIRST + TALK)
    await take("tokenmeter", path)
    path.unlink()
    database(FIRST + "INSERT INTO room (name) VALUES ('other');" + chat(1, 0, "x", 0, "2025-03-01T00:00:00+09:00"))
    assert (await take("tokenmeter", path))["conversations"]["new"] == 1
    assert len(await rooms()) == 3


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE room (id INTEGER, name TEXT);",
        FIRST.replace("sequence", "place"),
        FIRST.replace("CREATE TABLE room (", "CREATE VIEW room AS SELECT 1 AS id, 'x' AS name; CREATE TABLE other ("),
    ],
)
async def test_what_is_no_database_of_its(take, rooms, database, script):
    with pytest.raises(BadInput, match="lacks its tables room and chat"):
        await take("tokenmeter", database(script))
    assert not await rooms()


async def test_what_is_damaged_or_not_there(take, rooms, database, tmp_path):
    path = database(FIRST + "".join(chat(1, number, "x" * 500, 0) for number in range(60)) + TALK)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = bytes(2000)
    path.write_bytes(data)
    with pytest.raises(BadInput, match="damaged"):
        await take("tokenmeter", path)
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(BadInput, match="damaged"):
        await take("tokenmeter", path)
    assert not await rooms()
    with pytest.raises(BadInput, match="no database"):
        await take("tokenmeter", tmp_path / "nowhere")


def test_what_fails_on_the_way(database, monkeypatch):
    source = TokenMeter(database(FIRST + TALK))

    def fail(*_):
        raise sqlite3.DatabaseError("disk I/O error")

    monkeypatch.setattr(source, "_conversation", fail)
    first = next(source.conversations())
    assert (first.name, "disk I/O error" in first.error.message) == ("요리", True)
    source.close()
    with pytest.raises(BadInput, match="damaged"):
        next(source.check())
