"""`chat.Chat/Ask`: pieces, ids and figures; conversations of connections; retries of the first clients; who leaves."""

import asyncio

import grpc
import pytest

from support.grpc_house import details_of, grpc_house, refusal, trailers_of
from support.grpc_wire import asked, raw_ask, response_of
from support.workspace import ME
from talkmeter.accounts.principals import LOCAL_PRINCIPAL
from talkmeter.surfaces.grpc.services import Limits

ANSWER = "하나 둘 셋 넷 다섯"
QUESTION = f"say: {ANSWER}"


async def read_text(call, length):
    """Reads pieces until so many code points have come."""
    text = ""
    while len(text) < length:
        text += (await call.read()).response
    return text


async def gated(house, client, steps=3, **more):
    """A call in whose middle the answer is held back, and the text so far."""
    house.desk.simulator.script({"gate": True})
    call = client.ask(QUESTION, **more)
    await call.initial_metadata()
    await house.desk.simulator.step(steps)
    (row,) = [row for row in house.bill().values() if row["outcome"] == "running"]
    return call, await read_text(call, row["sent_text"])


async def test_an_answer_with_its_ids_and_figures(house, client):
    call = client.ask(QUESTION, model="sim-fast")
    begun = dict(await call.initial_metadata())
    pieces = [piece async for piece in call]
    last = pieces[-1]
    assert "".join(piece.response for piece in pieces) == ANSWER
    assert (last.usage.provenance, last.finish_reason) == ("reported", "stop")
    (entry,) = await house.check_books()
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (
        entry["prompt_tokens"],
        entry["completion_tokens"],
    )
    assert last.cost.picodollars == entry["cost_picodollars"] > 0
    ended = await trailers_of(call)
    ids = {"x-conversation-id": last.conversation_id, "x-run-id": last.run_id, "x-message-id": last.message_id}
    assert begun.items() >= ids.items()
    assert ended.items() >= ids.items()
    assert ended["x-usage-prompt-tokens"] == str(entry["prompt_tokens"])
    assert ended["x-usage-completion-tokens"] == str(entry["completion_tokens"])
    assert (ended["x-usage-provenance"], ended["x-call-id"]) == ("reported", entry["id"])
    assert ended["x-cost"] == last.cost.usd
    assert entry["surface"] == "grpc"


async def test_the_first_clients_bytes(house):
    """Two turns without ids on one connection, as they come and go on the wire."""
    channel = house.client().channel

    async def printed(prompt):
        return "".join([response_of(data) async for data in raw_ask(channel)(asked(prompt))])

    first, second = (await printed(QUESTION)).split("<|end|>$"), (await printed("say: and then")).split("<|end|>$")
    assert (first[0], second[0]) == (ANSWER, "and then")
    conversation, message = second[1].split("$")
    assert first[1].split("$")[0] == conversation
    entries = await house.check_books()
    assert [entry["messages_sent"] for entry in entries] == [1, 3]
    assert entries[1]["answer_id"] == message


async def test_a_connection_of_its_own_is_a_conversation_of_its_own(house):
    rooms = [(await house.client().pieces(QUESTION))[-1].conversation_id for _ in range(2)]
    assert len(set(rooms)) == 2


@pytest.mark.parametrize("fresh", ["new"])
async def test_new_begins_another_conversation_and_the_connection_goes_on_with_it(house, client, fresh):
    first = (await client.pieces(QUESTION))[-1]
    second = (await client.pieces(QUESTION, conversation_id=fresh))[-1]
    third = (await client.pieces(QUESTION))[-1]
    assert first.conversation_id != second.conversation_id == third.conversation_id


@pytest.mark.parametrize(
    ("request_", "marked"),
    [
        ({}, True),
        ({"conversation_id": "mine"}, True),
        ({"conversation_id": "grpc_1a2b3c4d"}, False),  # from before there was a mark
        ({"model": "sim-fast"}, False),
        ({"idempotency_key": "k"}, False),
    ],
)
async def test_the_end_mark_is_for_those_who_know_it(client, request_, marked):
    pieces = await client.pieces(QUESTION, **request_)
    last = pieces[-1]
    mark = f"<|end|>${last.conversation_id}${last.message_id}"
    assert last.response == (mark if marked else "")
    assert "".join(piece.response for piece in pieces[:-1]) == ANSWER


async def test_a_parent_is_followed_and_one_that_is_not_there_is_refused(house, client):
    first = (await client.pieces("say: one", conversation_id="c"))[-1]
    await client.pieces("say: two", conversation_id="c")
    again = (await client.pieces("say: other two", conversation_id="c", parent_id=first.message_id))[-1]
    told = await house.desk.talks.history(LOCAL_PRINCIPAL, "c")
    assert [said.id for said in told.messages][1] == first.message_id
    assert told.messages[-1].id == again.message_id
    error = await refusal(client.ask("say: x", conversation_id="c", parent_id="msg_nothing"))
    assert (error.code(), details_of(error)["ErrorInfo"].reason) == (grpc.StatusCode.NOT_FOUND, "message_not_found")


async def test_options_hold_for_this_answer(house, client):
    await client.pieces(QUESTION, conversation_id="c")
    await client.pieces(
        QUESTION, conversation_id="c", model="sim-korean", system_prompt="Be brief.", window=1, max_tokens=50
    )
    first, second = await house.check_books()
    assert (first["model_requested"], second["model_requested"]) == ("sim-fast", "sim-korean")
    assert (second["messages_sent"], second["max_output_tokens"]) == (2, 50)  # with the system prompt


async def test_the_same_key_is_the_same_answer(house, client):
    asking = {"conversation_id": "c", "idempotency_key": "once"}
    runs = {(await client.pieces(QUESTION, **asking))[-1].run_id for _ in range(3)}
    assert len(runs) == 1
    assert len(await house.check_books()) == 1
    error = await refusal(client.ask("something else", **asking))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_long_answer_comes_in_pieces_that_any_client_takes(client):
    texts = []
    for _ in range(2):  # as it is written, and as it is kept
        pieces = [piece.response for piece in await client.pieces("long 200000", idempotency_key="long")]
        assert max(map(len, pieces)) <= 64_000
        texts.append("".join(pieces))
    assert len(texts[0]) == 200_000
    assert texts[0] == texts[1]


# Retries of the first clients


async def test_asking_again_after_output_is_not_billed_again(house, client):
    house.desk.simulator.script({"fault": "cut", "after_bytes": 700})
    call = client.ask(QUESTION)
    error = await refusal(call)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    again = client.ask(QUESTION)
    said = (await again.read()).response
    assert said
    assert ANSWER.startswith(said)
    with pytest.raises(grpc.aio.AioRpcError) as broken:
        await again.read()
    assert broken.value.code() is grpc.StatusCode.UNAVAILABLE
    assert dict(await call.trailing_metadata())["x-run-id"] == dict(await again.trailing_metadata())["x-run-id"]
    assert len(await house.check_books()) == 1
    assert (await client.text(QUESTION)).startswith(ANSWER), "asked a third time, it is a question of its own"
    assert len(await house.check_books()) == 2


async def test_asking_again_before_any_output_is_another_try(house, client):
    house.desk.simulator.script({"fault": "503"})
    error = await refusal(client.ask(QUESTION))
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert (await client.text(QUESTION)).startswith(ANSWER)
    entries = await house.check_books()
    assert [entry["outcome"] for entry in entries] == ["refused", "finished"]
    assert entries[1]["messages_sent"] == 1, "the one that failed is not sent along"


async def test_who_left_in_the_middle_and_asks_again_gets_the_same_answer(house, client):
    call, text = await gated(house, client, conversation_id="c")
    call.cancel()
    async with asyncio.timeout(60):
        while house.server._answering:
            await asyncio.sleep(0.005)
    other = house.client()  # a new connection, as after a broken one
    again = asyncio.create_task(other.text(QUESTION, conversation_id="c"))
    await house.desk.simulator.step(1000)
    assert (await again).startswith(ANSWER)
    assert ANSWER.startswith(text)
    assert len(await house.check_books()) == 1


# Clients that leave, and deadlines


async def test_an_answer_goes_on_without_its_client(house, client):
    call, _ = await gated(house, client)
    call.cancel()
    await house.desk.simulator.step(1000)
    (entry,) = await house.check_books()
    assert (entry["outcome"], entry["provenance"]) == ("finished", "reported")


async def test_a_key_may_say_that_leaving_cuts(house, client):
    _, token = await house.desk.keys.issue(user_id=ME, name="cuts", disconnect="cut")
    call, _ = await gated(house, client, metadata=(("authorization", f"Bearer {token}"),))
    call.cancel()
    await house.idle()
    (entry,) = await house.check_books(at_most=True)
    assert (entry["outcome"], entry["provenance"]) == ("stopped", "counted")


@pytest.mark.slow
async def test_a_deadline_is_the_upstreams_too(house, client):
    house.desk.simulator.script({"gate": True})
    call = client.ask(QUESTION, timeout=10)
    await call.initial_metadata()
    await house.desk.simulator.step(3)
    error = await refusal(call)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    (entry,) = await house.check_books(at_most=True)
    assert entry["outcome"] == "stopped"


async def test_no_call_is_longer_than_the_server_allows(tmp_path):
    async with grpc_house(tmp_path, limits=Limits(answer_seconds=0.5)) as house:
        house.desk.simulator.script({"gate": True})
        error = await refusal(house.client().ask(QUESTION))
        assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert details_of(error)["ErrorInfo"].reason == "call_too_long"
        await house.desk.simulator.step(1000)
        (entry,) = await house.check_books()
        assert entry["outcome"] == "finished", "the answer goes on"


async def test_a_reader_that_does_not_read_is_let_go(tmp_path):
    """A small window, so that little is on its way; the answer is finished all the same."""
    async with grpc_house(tmp_path, limits=Limits(write_seconds=0.3)) as house:
        client = house.client(options=[("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1024)])
        call = client.ask("long 200000")
        await call.read()
        await house.idle()
        async with asyncio.timeout(60):
            while house.server._answering:
                await asyncio.sleep(0.01)
        error = await refusal(call)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        (entry,) = await house.check_books()
        assert entry["outcome"] == "finished"
