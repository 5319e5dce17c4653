"""Who is answered: keys in metadata, doors, this machine without a key, and keys that are revoked."""

import grpc
import pytest

from support.grpc_house import details_of, grpc_house, refusal
from talkmeter.surfaces.grpc.services import Limits

CALL = "talkmeter.v1.Conversations/{}".format
QUESTION = "say: 하나 둘"
PROXY = (("x-forwarded-for", "192.0.2.7"),)


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture
async def key(house):
    key, token = await house.desk.keys.issue(user_id="owner", name="one", doors=["grpc"])
    return key, token


@pytest.mark.parametrize("name", ["authorization", "x-api-key"])
async def test_a_key_is_its_users(house, client, key, name):
    value = f"Bearer {key[1]}" if name == "authorization" else key[1]
    await client.events("Ask", prompt=QUESTION, conversation_id="mine", metadata=((name, value),))
    (entry,) = await house.check_books()
    assert (entry["principal"], entry["key_id"]) == ("owner", key[0].id)
    error = await refusal(client.call(CALL("GetHistory"), conversation_id="mine"))
    assert error.code() is grpc.StatusCode.NOT_FOUND, "without the key it is somebody else"


@pytest.mark.parametrize("metadata", [bearer("tm_wrong"), (("x-api-key", "tm_wrong"),)])
async def test_a_wrong_key_is_refused_even_here(client, metadata):
    error = await refusal(client.ask(QUESTION, metadata=metadata))
    assert (error.code(), details_of(error)["ErrorInfo"].reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "invalid_api_key",
    )


async def test_a_key_for_another_door(house, client):
    _, token = await house.desk.keys.issue(user_id="owner", name="two", doors=["openai"])
    for call in (client.ask(QUESTION, metadata=bearer(token)), client.call(CALL("ListRooms"), metadata=bearer(token))):
        error = await refusal(call)
        assert (error.code(), details_of(error)["ErrorInfo"].reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "door_not_allowed",
        )


async def test_a_key_for_other_models(house, client):
    _, token = await house.desk.keys.issue(user_id="owner", name="three", models=["sim-slow"])
    error = await refusal(client.ask(QUESTION, model="sim-fast", metadata=bearer(token)))
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert await house.check_books() == []


async def test_who_comes_through_a_proxy_needs_a_key(client, key):
    error = await refusal(client.ask(QUESTION, metadata=PROXY))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert await client.text(QUESTION, metadata=PROXY + bearer(key[1]))


async def test_without_a_key_nobody_where_that_is_switched_off(tmp_path):
    async with grpc_house(tmp_path, local=False) as house:
        for call in (house.client().ask(QUESTION), house.client().call(CALL("ListRooms"))):
            assert (await refusal(call)).code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_revoked_key_is_let_go_at_once_and_its_answer_kept(house, client, key):
    house.desk.simulator.script({"gate": True})
    call = client.call(CALL("Ask"), prompt=QUESTION, conversation_id="mine", metadata=bearer(key[1]))
    await call.read()
    await house.desk.simulator.step(2)
    await house.desk.keys.revoke(key[0].id)
    error = await refusal(call)
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert details_of(error)["ErrorInfo"].metadata["reason"] == "revoked"
    await house.desk.simulator.step(1000)
    (entry,) = await house.check_books()
    assert entry["outcome"] == "finished"


@pytest.mark.parametrize(
    ("method", "disconnect", "cut"), [("chat.Chat/Ask", "cut", True), ("chat.Chat/Ask", "drain", False),
                                      (CALL("Ask"), "cut", False)]
)  # fmt: skip
async def test_who_is_let_go_is_told_what_becomes_of_the_answer(house, client, method, disconnect, cut):
    key, token = await house.desk.keys.issue(user_id="owner", name="two", disconnect=disconnect)
    house.desk.simulator.script({"gate": True})
    call = client.call(method, prompt=QUESTION, conversation_id="mine", metadata=bearer(token))
    await call.initial_metadata()
    await house.desk.simulator.step(3)
    await house.desk.keys.revoke(key.id)
    error = await refusal(call)
    assert ("disconnect: cut" in error.details()) is cut
    assert ("finished and kept" in error.details()) is not cut
    assert ("disconnect: cut" in details_of(error)["LocalizedMessage"].message) is cut
    if not cut:
        await house.desk.simulator.step(1000)
    (entry,) = await house.check_books(at_most=cut)
    assert entry["outcome"] == ("stopped" if cut else "finished")


async def test_a_call_that_takes_too_long_says_so_too(tmp_path):
    async with grpc_house(tmp_path, limits=Limits(answer_seconds=0.3)) as house:
        for disconnect in ("cut", "drain"):
            _, token = await house.desk.keys.issue(user_id="owner", name=disconnect, disconnect=disconnect)
            house.desk.simulator.script({"gate": True})
            error = await refusal(house.client().ask(QUESTION, metadata=bearer(token)))
            assert details_of(error)["ErrorInfo"].reason == "call_too_long"
            assert ("disconnect: cut" in error.details()) is (disconnect == "cut")
            assert ("Follow has the rest" in error.details()) is (disconnect == "drain")


async def test_tags_go_to_the_ledger_and_wrong_ones_are_refused(house, client):
    await client.pieces(QUESTION, metadata=(("x-talkmeter-tags", "team-a,batch"),))
    (entry,) = await house.check_books()
    assert entry["tags"] == '["team-a","batch"]'
    error = await refusal(client.ask(QUESTION, metadata=(("x-talkmeter-tags", "no spaces"),)))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_request_may_not_be_of_any_size(client):
    error = await refusal(client.ask("x" * (5 << 20)))
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_budget_that_is_spent(house, client):
    from talkmeter.metering.budget_making import new_budget

    await house.desk.budgets.add(new_budget(name="little", amount="5 tokens", period="day"))
    error = await refusal(client.ask(QUESTION))
    found = details_of(error)
    assert (error.code(), found["ErrorInfo"].reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "insufficient_quota")
    assert found["QuotaFailure"].violations[0].subject == "little"
    assert 0 <= found["RetryInfo"].retry_delay.seconds <= 86400
    assert await house.check_books() == []


async def test_each_call_has_a_line_in_the_log_without_what_is_said(house, client, key, caplog):
    caplog.set_level("INFO", "talkmeter.surfaces.grpc")
    call = client.ask(QUESTION, metadata=bearer(key[1]))
    run_id = dict(await call.initial_metadata())["x-run-id"]
    while await call.read() is not grpc.aio.EOF:
        pass
    await refusal(client.call(CALL("Follow"), run_id="run_nothing"))
    await refusal(client.ask(QUESTION, metadata=bearer("tm_wrong")))
    lines = [record.__dict__ for record in caplog.records if record.message == "request"]
    said = [(line["path"], line["grpc_status"], line.get("principal")) for line in lines]
    assert said == [
        ("/chat.Chat/Ask", "OK", "owner"),
        ("/talkmeter.v1.Conversations/Follow", "NOT_FOUND", "local"),
        ("/chat.Chat/Ask", "UNAUTHENTICATED", None),
    ]
    assert (lines[0]["run_id"], lines[0]["key_id"], lines[0]["surface"]) == (run_id, key[0].id, "grpc")
    assert not any("하나" in str(value) for line in lines for value in line.values())
