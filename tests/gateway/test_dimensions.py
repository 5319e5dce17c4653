"""Whose call it was: end users, metadata and tags become columns of the ledger."""

import json

import pytest

from support.gate import chat
from support.simulator_requests import wav


async def test_all_of_them(gate):
    body = chat(user="old-name", safety_identifier="user-7", metadata={"team": "검색", "run": "5"}, store=True)
    answer = await gate.call("chat/completions", body, x_talkmeter_tags="team-a, batch:7 ,team-a")
    assert answer.status == 200, answer.body
    entry = await gate.entry(answer)
    assert entry["end_user"] == "user-7"
    assert json.loads(entry["metadata"]) == {"team": "검색", "run": "5"}
    assert json.loads(entry["tags"]) == ["team-a", "batch:7"]
    assert b"x-talkmeter" not in gate.wire.sent.lower()
    assert gate.asked.body == json.dumps(body).encode()


@pytest.mark.parametrize("path", ["chat/completions", "responses", "embeddings"])
async def test_the_user_where_there_is_no_safety_identifier(gate, path):
    body = {
        "chat/completions": chat(user="u1"),
        "responses": {"model": "sim-fast", "input": "x", "user": "u1"},
        "embeddings": {"model": "sim-embedding", "input": "x", "user": "u1"},
    }[path]
    assert (await gate.entry(await gate.call(path, body)))["end_user"] == "u1"


async def test_none_of_them(gate):
    entry = await gate.entry(await gate.call("chat/completions", chat()))
    assert [entry[name] for name in ("end_user", "metadata", "tags", "key_id")] == [None] * 4


async def test_of_a_form(gate):
    answer = await gate.send_form(
        "audio/transcriptions", {"model": "sim-whisper", "file": ("a.wav", wav(1.0))}, x_talkmeter_tags="voice"
    )
    assert json.loads((await gate.entry(answer))["tags"]) == ["voice"]


async def test_what_is_too_long_is_cut_or_left_out(gate):
    body = chat(user="u" * 300, metadata={"k": "v" * 20_000})
    answer = await gate.call("chat/completions", body)
    entry = (await gate.ledger())[answer.headers["x-talkmeter-call-id"]]
    assert entry["end_user"] == "u" * 256
    assert entry["metadata"] is None


@pytest.mark.parametrize("tags", ["a b", "a" * 65, ",".join(f"t{n}" for n in range(17)), "a;b", "<x>"])
async def test_tags_that_are_none(gate, tags):
    answer = await gate.call("chat/completions", chat(), x_talkmeter_tags=tags)
    assert answer.status == 400
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == ("invalid_tags", "x-talkmeter-tags")


async def test_tags_in_korean(gate):
    """Header values are bytes; programs send UTF-8."""
    answer = await gate.call("chat/completions", chat(), x_talkmeter_tags="검색팀, a")
    assert answer.status == 200, answer.body
    assert json.loads((await gate.entry(answer))["tags"]) == ["검색팀", "a"]
