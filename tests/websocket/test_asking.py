"""The four dialects over a real socket: what a client hears, what the conversation keeps, what the ledger says."""

import asyncio
import json

import pytest

from support.sockets import SECONDS, open_socket
from talkmeter.accounts.principals import LOCAL_PRINCIPAL
from talkmeter.simulator.pieces import split


def say(at, *texts, **more):
    at.simulator.script(*[{"answer": text, **more} for text in texts])


async def told(gate, conversation_id, principal=LOCAL_PRINCIPAL):
    history = await gate.application.talks.history(principal, conversation_id)
    return [(said.role, said.text) for said in history.messages]


async def rooms(gate):
    return (await gate.application.talks.rooms(LOCAL_PRINCIPAL)).rooms


@pytest.mark.parametrize("path", ["/", "/any/path", "/ws"])
async def test_any_text_is_the_prompt_of_a_new_conversation(gate, path):
    say(gate, "one two three", "four")
    async with await open_socket(gate, path) as socket:
        await socket.send("the price is $5")
        assert await socket.answer() == ("one two three", "<|end|>")
        await socket.send("again")
        assert await socket.answer() == ("four", "<|end|>")
    assert [room.title for room in await rooms(gate)] == ["again", "the price is $5"]
    assert {entry["surface"] for entry in (await gate.check_books()).values()} == {"websocket"}


async def test_the_pieces_come_as_they_are_made(gate):
    say(gate, "one two three", gate=True)
    async with await open_socket(gate) as socket:
        await socket.send("Hello")
        await gate.simulator.step(2, wait=SECONDS)
        assert await socket.frame() == split("one two three")[0]
        await gate.simulator.step(1000)
        assert (await socket.answer())[1] == "<|end|>"


@pytest.mark.parametrize("how", ["query", "setting"])
async def test_the_oldest_dialect_knows_no_end(open_gate, how):
    gate = await open_gate(websocket_end_mark=how == "query")
    say(gate, "one two", "three")
    async with await open_socket(gate, "/?dialect=v0" if how == "query" else "/") as socket:
        await socket.send("Hello")
        await socket.send("<|ask|>$c$and this?")
        text, end = await socket.answer()
        assert (text, end) == ("one twothree", "<|end|>")


async def test_a_conversation_goes_on_under_the_name_that_its_client_made(gate):
    say(gate, "It is $5.", "Six.")
    async with await open_socket(gate, "/ws", beside=False) as socket:
        await socket.send("<|ask|>$../my/talk$the price is $5, right?")
        assert await socket.answer() == ("It is $5.", "<|end|>")
        await socket.send("<|ask|>$../my/talk$and $6?")
        assert await socket.answer() == ("Six.", "<|end|>")
    said = [("user", "the price is $5, right?"), ("assistant", "It is $5."), ("user", "and $6?"), ("assistant", "Six.")]
    assert await told(gate, "../my/talk") == said
    assert [message["content"] for message in json.loads(gate.asked.body)["messages"]] == [text for _, text in said[:3]]


async def test_the_newest_dialect_is_told_ids_and_may_go_back(gate):
    say(gate, "A", "B", "C")
    async with await open_socket(gate) as socket:
        await socket.send("<|ask|>$new$new$one")
        _, conversation, first = (await socket.answer())[1].split("$")
        await socket.send(f"<|ask|>${conversation}$new$two")
        assert (await socket.answer())[1].split("$")[1] == conversation
        await socket.send(f"<|ask|>${conversation}${first}$other $2")
        text, end = await socket.answer()
    assert (text, end.split("$")[:2]) == ("C", ["<|end|>", conversation])
    assert await told(gate, conversation) == [
        ("user", "one"),
        ("assistant", "A"),
        ("user", "other $2"),
        ("assistant", "C"),
    ]
    await gate.check_books()


async def test_a_new_conversation_is_never_one_that_another_has_begun(gate):
    say(gate, "A", "B")
    async with await open_socket(gate) as one, await open_socket(gate) as two:
        await one.send("<|ask|>$new$mine")
        await one.answer()
        await two.send("<|ask|>$new$yours")
        await two.answer()
    assert [message["content"] for message in json.loads(gate.asked.body)["messages"]] == ["yours"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<|ask|>$$new$Hello", "<|ask|>$conversation_id$parent_id$prompt"),
        ("<|ask|>$c$msg_0123456789abcdefghjkmnpqrs$Hello", "no message"),
        ("<|ask|>$c$new$  ", "empty"),
        ("   ", "empty"),
    ],
)
async def test_what_cannot_be_asked_says_why_and_the_socket_goes_on(gate, text, said):
    say(gate, "fine")
    async with await open_socket(gate) as socket:
        await socket.send(text)
        _, end = await socket.answer()
        assert end.startswith("<|err|>$")
        assert said in end
        await socket.send("Hello")
        assert await socket.answer() == ("fine", "<|end|>")
    assert len(await gate.check_books()) == 1


@pytest.mark.parametrize("fault", ["500", "cut-0", "refuse"])
async def test_a_failure_before_the_first_word_is_tried_again(gate, fault):
    gate.simulator.script({"fault": fault, "times": 2}, {"answer": "at last"})
    async with await open_socket(gate) as socket:
        await socket.send("<|ask|>$c$Hello")
        assert await socket.answer() == ("at last", "<|end|>")
    assert await told(gate, "c") == [("user", "Hello"), ("assistant", "at last")]
    assert len(await gate.check_books(unknown=True)) == 3


async def test_no_failure_is_tried_again_for_ever(gate):
    gate.simulator.script({"fault": "503", "times": 9})
    async with await open_socket(gate) as socket:
        await socket.send("Hello")
        assert await socket.answer() == ("", "<|err|>")
    assert len(await gate.check_books()) == 3


async def test_what_asking_again_cannot_mend_is_not_tried_again(gate):
    gate.simulator.script({"fault": "401"})
    async with await open_socket(gate) as socket:
        await socket.send("Hello")
        assert await socket.answer() == ("", "<|err|>")
    assert len(await gate.check_books()) == 1


async def test_an_unknown_engine_is_told_with_the_models_that_there_are(open_gate):
    gate = await open_gate(default_model="text-chat-davinci-002-20221122")
    async with await open_socket(gate) as socket:
        await socket.send("Hello")
        said, end = await socket.answer()
    assert said == ""
    assert end.startswith("<|err|>$")
    assert "text-chat-davinci-002-20221122" in end
    english, korean = end.split(" / ")
    assert "There are: sim-fast, " in english
    assert "쓸 수 있는 모델: sim-fast, " in korean
    assert len(await gate.check_books(unknown=True)) == 1


async def test_nothing_is_said_twice_after_the_first_word(gate):
    gate.simulator.script(
        {"fault": "cut-1200", "answer": "one two three four five six seven eight nine ten"}, {"answer": "more"}
    )
    async with await open_socket(gate) as socket:
        await socket.send("Hello")
        text, end = await socket.answer()
        assert end == "<|err|>"
        assert "one two three four five six seven eight nine ten".startswith(text)
        assert text
    assert len(await gate.check_books()) == 1


async def test_a_budget_that_is_used_up_says_so(gate):
    await gate.budget("0.0000001 USD")
    async with await open_socket(gate) as socket:
        await socket.send("Hello")
        _, end = await socket.answer()
    assert end.startswith("<|err|>$")
    assert "a budget" in end
    assert gate.wire.sent == b""


async def test_questions_on_one_socket_wait_their_turn(gate):
    say(gate, "A", "B", "C")
    async with await open_socket(gate) as socket:
        for text in ("<|ask|>$a$1", "<|ask|>$b$2", "<|ask|>$a$new$3"):
            await socket.send(text)
        answers = [await socket.answer() for _ in range(3)]
    assert [text for text, _ in answers] == ["A", "B", "C"]
    assert [text for _, text in await told(gate, "a")] == ["1", "A", "3", "C"]


async def test_too_many_questions_at_once_are_not_asked(gate):
    say(gate, "A", gate=True)
    async with await open_socket(gate) as socket:
        for number in range(40):
            await socket.send(f"<|ask|>$c$new${number}")
        refused = await socket.until("<|err|>$")
        assert "wait" in refused[-1]
        await socket.drop()
    await gate.simulator.step(1000)
    assert len(await gate.check_books()) == 1


async def test_the_answer_is_made_whoever_listens(gate):
    say(gate, "one two three", gate=True)
    socket = await open_socket(gate)
    await socket.send("<|ask|>$c$new$Hello")
    await gate.simulator.step(2, wait=SECONDS)
    await socket.frame()
    await socket.drop()
    await gate.simulator.step(1000)
    ledger = await gate.check_books()
    assert [entry["outcome"] for entry in ledger.values()] == ["finished"]
    assert await told(gate, "c") == [("user", "Hello"), ("assistant", "one two three")]


async def test_a_question_is_kept_although_its_client_leaves_at_once(gate):
    say(gate, "fine")
    socket = await open_socket(gate)
    await socket.send("<|ask|>$c$new$Hello")
    await socket.drop()
    async with asyncio.timeout(SECONDS):
        while not gate.simulator.bill.rows:
            await asyncio.sleep(0.005)
    await gate.check_books()
    assert await told(gate, "c") == [("user", "Hello"), ("assistant", "fine")]


async def test_bytes_are_not_text(gate):
    socket = await open_socket(gate)
    await socket.send(b"Hello")
    assert (await socket.closed())[0] == 1003
    assert gate.wire.sent == b""
