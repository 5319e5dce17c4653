"""`talkmeter import`, beside a running server and without one."""

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.request import Request, urlopen

import pytest
from click.testing import CliRunner

from support.chatgpt_export import BEGAN, archive, conversation, image_part, multimodal, node, talk
from support.data_dirs import begin
from support.talkmeter_process import environment, run, serving, signed_in
from talkmeter.cli import commands
from talkmeter.cli.importing import LEFT_OUT
from talkmeter.conversation.importing.values import FORMATS, LeftOut
from talkmeter.errors import NotFound
from talkmeter.importing import formats


@pytest.fixture
def talkmeter(tmp_path, monkeypatch):
    """Runs a command in this process: (status, what it said)."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def command(*arguments):
        done = CliRunner().invoke(commands.talkmeter, [*map(str, arguments), "--data-dir", str(tmp_path / "data")])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    return command


@pytest.fixture
def export(tmp_path):
    pictured = conversation(
        node("q", None, "user", content=multimodal(image_part("file-1"), image_part("file-2"), "look")),
        node("t", "q", "assistant", "call", recipient="browser"),
        conversation_id="p",
    )
    return archive(tmp_path / "export.zip", [talk(), pictured])


def test_what_it_says(talkmeter, export):
    status, said = talkmeter("import", "chatgpt", export, "--dry-run")
    assert (status, said.splitlines()[:3]) == (
        0,
        [
            "Nothing has been written. It would be:",
            "2 new conversations, 0 that have grown, 0 that were there already.",
            "5 messages and 0 images added.",
        ],
    )
    status, said = talkmeter("import", "ChatGPT", export)
    assert status == 0
    assert "Nothing has been written" not in said
    assert said.splitlines()[2:] == [
        "Not taken:",
        "       1 calls of tools, and their results",
        "       2 images",
        "Images that were not taken:",
        "  “file-1”: The export does not have its file.",
        "  “file-2”: The export does not have its file.",
    ]


def test_in_korean(talkmeter, export, monkeypatch):
    monkeypatch.setenv("LC_ALL", "ko_KR.UTF-8")
    _, said = talkmeter("import", "chatgpt", export)
    assert said.splitlines()[:2] == [
        "새 대화 2개, 늘어난 대화 0개, 이미 있던 대화 0개.",
        "메시지 5개와 이미지 0개를 더했습니다.",
    ]
    assert "내보내기에 파일이 없습니다." in said


def test_conversations_that_cannot_be_read(talkmeter, tmp_path):
    path = archive(tmp_path / "export.zip", [talk(), *[{"mapping": number} for number in range(25)]])
    status, said = talkmeter("import", "chatgpt", path)
    assert status == 1
    lines = said.splitlines()
    assert lines[0].startswith("1 new conversation, 0 that have grown")
    assert lines[1] == "4 messages and 0 images added."
    assert lines[2] == "Conversations that could not be read:"
    assert lines[3].startswith("  “#2”: It is not as expected")
    assert lines[-1] == "  … and 5 more (--json has 25)"
    status, said = talkmeter("import", "chatgpt", path, "--json")
    report = json.loads(said)
    assert (status, report["conversations"]["unreadable"], len(report["unreadable"])) == (1, 25, 25)


def test_into_the_rooms_of_a_user(talkmeter, export):
    talkmeter("users", "add", "Kim 민지")
    assert talkmeter("import", "chatgpt", export, "--user", "kim 민지")[0] == 0
    assert "0 new conversations" in talkmeter("import", "chatgpt", export, "--user", "Kim 민지")[1]
    assert "2 new conversations" in talkmeter("import", "chatgpt", export)[1]
    with pytest.raises(NotFound):
        talkmeter("import", "chatgpt", export, "--user", "nobody")


def test_what_is_said_of_every_kind_and_format():
    assert set(LEFT_OUT) == set(LeftOut.__args__)
    assert set(FORMATS) == set(formats.FORMATS)


def test_an_old_client_goes_on_with_its_conversation(talkmeter, tmp_path):
    """By the same path and without a key, as it always did."""
    (tmp_path / "conversations").mkdir()
    said = ["User: My name is Kim.\n\n\nChatGPT: Hello Kim.<|im_end|>\n"]
    (tmp_path / "conversations" / "old-one.json").write_text(json.dumps(said))
    assert talkmeter("import", "easy-backend", tmp_path, "--user", "local")[0] == 0
    with serving(tmp_path / "data") as process:
        address = f"http://127.0.0.1:{process.port}/ask/old-one"
        body = json.dumps({"prompt": "What is my name?"}).encode()
        with urlopen(Request(address, body, {"Content-Type": "application/json"}), timeout=60) as answer:
            assert json.load(answer)["conversation_id"] == "old-one"
        with urlopen(address, timeout=60) as answer:
            history = answer.read().decode()
    assert history.index("My name is Kim.") < history.index("Hello Kim.") < history.index("What is my name?")


def many(tmp_path, count):
    talks = [talk(str(number), title=f"talk {number}", update_time=BEGAN + number) for number in range(count)]
    return archive(tmp_path / "export.zip", talks)


def test_beside_a_running_server(tmp_path):
    path, data_dir = many(tmp_path, 40), tmp_path / "data"
    with signed_in(data_dir) as (_, browser), ThreadPoolExecutor() as threads:
        importing = threads.submit(run, "import", "chatgpt", path, data_dir=data_dir)
        asked = [browser.ask(f"question {number}", f"client-{number}") for number in range(5)]
        status, said, trouble = importing.result()
        assert (status, said.splitlines()[0].split(",")[0]) == (0, "40 new conversations"), trouble
        for each in asked:
            assert "event: finished" in browser.follow(each["run_id"])
        listed = browser.json("GET", "/api/rooms")["rooms"]
        assert [room["title"] for room in listed[5:]] == [f"talk {number}" for number in reversed(range(40))]
        opened = browser.json("GET", f"/api/rooms/{listed[5]['id']}")
        assert [each["figures"] for each in opened["messages"]] == [None] * 4
        went_on = browser.json("POST", "/api/ask", {"room_id": listed[5]["id"], "client_id": "on", "text": "and then?"})
        browser.follow(went_on["run_id"])
        opened = browser.json("GET", f"/api/rooms/{listed[5]['id']}")
        receipt = browser.json("GET", f"/api/entries/{opened['messages'][-1]['figures']['entry_id']}/receipt")
        assert [each["excerpt"] for each in receipt["sent"]][-5:] == [
            "질문 1?",
            "Answer 1.",
            "질문 2?",
            "Answer 2.",
            "and then?",
        ]
        assert run("import", "chatgpt", path, data_dir=data_dir)[1].startswith(
            "0 new conversations, 0 that have grown, 40"
        )


def rooms_in(database):
    """Messages by room, as they stand."""
    if not database.exists():
        return []
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
        found = "SELECT rooms.message_count, count(messages.id), rooms.leaf_id FROM rooms"
        join = (
            " LEFT JOIN messages ON messages.room_id = rooms.id GROUP BY rooms.id, rooms.message_count, rooms.leaf_id"
        )
        return connection.execute(found + join).fetchall()


def test_killed_in_the_middle_and_run_again(tmp_path):
    path, data_dir = many(tmp_path, 2_000), tmp_path / "data"
    database = data_dir / "talkmeter.db"
    begin(data_dir)
    command = [sys.executable, "-m", "talkmeter", "import", "chatgpt", str(path), "--data-dir", str(data_dir)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) as importing:
        while len(rooms_in(database)) < 20 and importing.poll() is None:
            pass
        importing.kill()
    found = rooms_in(database)
    assert 20 <= len(found) < 2_000
    assert {(counted, there) for counted, there, _ in found} == {(4, 4)}, "whole or not at all"
    assert all(leaf_id for _, _, leaf_id in found)
    status, said, trouble = run("import", "chatgpt", path, data_dir=data_dir)
    assert status == 0, trouble
    assert f"{2_000 - len(found):,} new conversations" in said
    assert len(rooms_in(database)) == 2_000
