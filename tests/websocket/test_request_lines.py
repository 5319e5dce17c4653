"""Each question on a socket has its line in the log, by whose ids its run and its call are found."""

import logging

import pytest

from support.sockets import open_responses, open_socket


def lines(caplog, event="request"):
    return [record.__dict__ for record in caplog.records if record.message == event]


@pytest.fixture(autouse=True)
def infos(caplog):
    caplog.set_level(logging.INFO, "talkmeter")


async def test_a_question_and_its_run_have_the_same_ids(gate, caplog):
    key, token = await gate.key()
    async with await open_socket(gate, key=token) as socket:
        await socket.send("<|ask|>$c$say: a secret")
        assert (await socket.answer())[0] == "a secret"
        await socket.send("<|ask|>$c")
        await socket.until("<|err|>")
    (run,) = lines(caplog, "run")
    asked, malformed = lines(caplog)
    assert (asked["status"], asked["surface"], asked["path"]) == (200, "websocket", "/")
    assert (asked["run_id"], asked["key_id"]) == (run["run_id"], key.id)
    assert (run["key_id"], run["principal"]) == (key.id, asked["principal"])
    assert (malformed["status"], malformed["error"]) == (400, "malformed_message")
    assert not any("secret" in str(value) for line in (asked, malformed) for value in line.values())


async def test_what_a_budget_has_refused_is_no_fault_of_ours(gate, caplog):
    await gate.budget("1 tokens")
    async with await open_socket(gate) as socket:
        await socket.send("hello")
        await socket.until("<|err|>")
    (line,) = lines(caplog)
    assert (line["status"], line["error"], line["levelname"]) == (429, "insufficient_quota", "INFO")
    assert line["principal"] == "local"
    assert "key_id" not in line


async def test_what_the_responses_mode_answers_itself_has_a_line(gate, caplog):
    async with await open_responses(gate) as socket:
        for more in ({"previous_response_id": "resp_nobody"}, {"generate": False}, {}):
            await socket.send({"type": "response.create", "model": "sim-fast", "input": "say: hi", **more})
            await socket.events()
    said = [(line["status"], line.get("error")) for line in lines(caplog)]
    assert said == [(200, None)], "the provider said no to the first, and answered the last: those are calls"
