"""`POST /ask/{conversation_id}` over real sockets: the reply of every generation, ids, options, history, keys, limits."""

import asyncio
import json
import logging

import pytest

from support.asking import Asker, path_of, problem_of

SLOW = {"model": "sim-fast@60", "max_tokens": 30}


@pytest.fixture
def asker(gate):
    return Asker(gate)


async def test_the_reply_is_that_of_every_generation_at_once(gate, asker):
    reply = await asker.reply("say: hello there", "grpc_1a2b3c4d")
    assert reply["message"] == reply["choices"][0]["text"] == "hello there"
    assert reply["conversation_id"] == "grpc_1a2b3c4d"
    assert reply["parent_id"] == reply["id"]
    assert reply["object"] == "text_completion"
    assert reply["choices"] == [{"text": "hello there", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    usage = reply["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    entry = (await gate.check_books())[reply["entry_id"]]
    assert (entry["surface"], entry["principal"], entry["key_id"]) == ("ask", "local", None)
    assert (entry["run_id"], entry["prompt_tokens"]) == (reply["run_id"], usage["prompt_tokens"])
    assert reply["cost"]["picodollars"] == str(entry["cost_picodollars"])
    assert reply["cost"]["provenance"] == "reported"
    assert reply["status"] == "complete"


@pytest.mark.parametrize("name", ["{conversation_id}", "우리 대화", "a/b", "..%2F..", "x" * 200, "?&#%"])
async def test_the_context_is_kept_under_any_name(gate, asker, name):
    first = await asker.reply("one", name)
    second = await asker.reply("two", name, parent_id=first["parent_id"])
    assert second["conversation_id"] == name
    history = await asker.history(name)
    assert [message["text"] for message in history["messages"] if message["role"] == "user"] == ["one", "two"]
    assert history["messages"][1]["usage"] == first["usage"]
    assert (await gate.check_books())[second["entry_id"]]["messages_sent"] == 3


@pytest.mark.parametrize("nothing", [None, "", "new"])
async def test_without_a_parent_the_newest_is_followed(asker, nothing):
    await asker.reply("one", "trip")
    await asker.reply("two", "trip", parent_id=nothing)
    assert len((await asker.history("trip"))["messages"]) == 4


@pytest.mark.parametrize("path", ["/ask/new", "/ask", "/ask/"])
async def test_new_begins_another_conversation_each_time(asker, path):
    ids = {(await asker.call("POST", path, {"prompt": "hi"})).json()["conversation_id"] for _ in range(2)}
    assert len(ids) == 2
    listed = (await asker.call("GET", "/ask")).json()
    assert {each["conversation_id"] for each in listed["conversations"]} == ids
    assert listed["total"] == 2


async def test_the_list_goes_page_by_page(asker):
    for number in range(3):
        await asker.reply("hi", f"c{number}")
    first = (await asker.call("GET", "/ask?limit=2")).json()
    second = (await asker.call("GET", f"/ask?limit=2&cursor={first['next']}")).json()
    names = [each["conversation_id"] for page in (first, second) for each in page["conversations"]]
    assert names == ["c2", "c1", "c0"]
    problem_of(await asker.call("GET", "/ask?cursor=mine"), 400, "bad_cursor")
    problem_of(await asker.call("GET", "/ask?limit=0"), 400, "bad_field")


async def test_history_goes_page_by_page(asker):
    for text in ("one", "two"):
        await asker.reply(text, "trip")
    newest = await asker.history("trip", "?limit=2")
    older = await asker.history("trip", f"?limit=2&before={newest['older']}")
    assert [page["messages"][0]["text"] for page in (older, newest)] == ["one", "two"]
    assert older["older"] is None


async def test_options_hold_for_the_answer_or_for_the_conversation_that_it_makes(gate, asker):
    made = await asker.reply("one", "trip", model="sim-korean", system_prompt="Be brief.")
    once = await asker.reply("two", "trip", model="sim-fast", temperature=0.5, top_p=1, max_tokens=3, window=1)
    windowed = await asker.reply("three", "trip", window={"tokens": 30})
    assert [made["model"], once["model"], windowed["model"]] == ["sim-korean", "sim-fast", "sim-korean"]
    assert once["usage"]["completion_tokens"] == 3
    assert once["choices"][0]["finish_reason"] == "length"
    assert windowed["usage"]["prompt_tokens"] <= 30
    asked = json.loads(gate.wire.requests[1].body)
    assert (asked["temperature"], asked["top_p"], len(asked["messages"])) == (0.5, 1, 2)


async def test_deleted_means_gone_and_the_ledger_stays(gate, asker):
    reply = await asker.reply("one", "trip")
    gone = await asker.call("DELETE", "/ask/trip")
    assert (gone.status, gone.json()) == (200, {"conversation_id": "trip", "deleted": True})
    problem_of(await asker.call("GET", "/ask/trip"), 404, "conversation_not_found")
    problem_of(await asker.call("DELETE", "/ask/trip"), 404, "conversation_not_found")
    assert reply["entry_id"] in await gate.check_books()


async def test_an_idempotency_key_never_bills_twice(gate, asker):
    headers = {"Idempotency-Key": "order-66"}
    both = await asyncio.gather(*[asker.ask("hi", headers=headers) for _ in range(2)])
    assert both[0].json() == both[1].json()
    assert (await asker.ask("hi", headers=headers)).json() == both[0].json()
    assert len(await gate.check_books()) == 1
    problem_of(await asker.ask("other", headers=headers), 422, "idempotency_key_reused")
    problem_of(await asker.ask("hi", headers={"Idempotency-Key": "k" * 256}), 400, "bad_idempotency_key")


async def test_a_busy_conversation_queues_refuses_or_is_interrupted(gate, asker):
    first = asyncio.create_task(asker.ask("one", "trip", **SLOW))
    await under_way(asker, "trip", 1)
    second = asyncio.create_task(asker.ask("two", "trip"))
    await under_way(asker, "trip", 2)
    refused = problem_of(await asker.ask("three", "trip", multitask="reject"), 409, "room_busy")
    assert refused["error"]["run_id"] == (await asker.history("trip"))["under_way"][0]
    now = await asker.reply("four", "trip", multitask="interrupt")
    stopped = [(await one).json() for one in (first, second)]
    assert [one["status"] for one in stopped] == ["stopped", "stopped"]
    assert stopped[0]["cost"]["provenance"] == "drained"
    assert (stopped[1]["usage"], stopped[1]["cost"], stopped[1]["entry_id"]) == (None, None, None)
    assert now["status"] == "complete"
    assert len(await gate.check_books()) == 2


async def under_way(asker, conversation_id, count):
    async with asyncio.timeout(60):
        while True:
            answer = await asker.call("GET", path_of(conversation_id))
            if answer.status == 200 and len(answer.json()["under_way"]) == count:
                return answer.json()["under_way"]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("named", [True, False])
async def test_stop_ends_what_is_under_way(gate, asker, named):
    asking = asyncio.create_task(asker.ask("one", "trip", **SLOW))
    (run_id,) = await under_way(asker, "trip", 1)
    body = {"run_id": run_id, "mode": "cut"} if named else None
    stopped = await asker.call("POST", "/ask/trip/stop", body)
    assert (stopped.status, stopped.json()) == (200, {"stopping": [run_id]})
    assert (await asking).json()["status"] == "stopped"
    problem_of(await asker.call("POST", "/ask/trip/stop", {"run_id": "run_none"}), 404, "run_not_found")
    other = (await asker.reply("elsewhere", "another trip"))["run_id"]
    problem_of(await asker.call("POST", "/ask/trip/stop", {"run_id": other}), 404, "run_not_found")
    problem_of(await asker.call("POST", "/ask/none/stop"), 404, "conversation_not_found")
    await gate.check_books(at_most=True, unknown=True, unseen=True)


async def test_a_client_that_leaves_changes_nothing(gate, asker):
    connection = await asker.open("say: hello there", "trip", headers={"Accept": "application/json"}, **SLOW)
    async with asyncio.timeout(60):
        while not gate.simulator.bill.rows:
            await asyncio.sleep(0.01)
    await connection.close()
    await gate.check_books()
    assert (await asker.history("trip"))["messages"][-1]["text"] == "hello there"


async def test_keys_open_the_door_that_they_name(gate, open_gate):
    _, token = await gate.key(doors=["ask"])
    _, elsewhere = await gate.key(doors=["openai"])
    reply = await Asker(gate, token).reply("hi")
    assert (await gate.ledger())[reply["entry_id"]]["key_id"] is not None
    problem_of(await Asker(gate, elsewhere).ask("hi"), 403, "door_not_allowed")
    problem_of(await Asker(gate, "tm_wrong").ask("hi"), 401, "invalid_api_key")
    closed = await open_gate(gateway_local=False)
    problem_of(await Asker(closed).ask("hi"), 401, "invalid_api_key")


async def test_conversations_belong_to_their_user(gate):
    accounts = gate.application.accounts
    users = [await accounts.users.add(name, role="member") for name in ("Mina", "Jun")]
    mina, jun = [Asker(gate, (await gate.key(user=user.id))[1]) for user in users]
    mine = await mina.reply("mine", "trip")
    for name in ("trip", (await mina.history("trip"))["room_id"]):
        for method in ("GET", "DELETE"):
            problem_of(await jun.call(method, path_of(name)), 404, "conversation_not_found")
    theirs = await jun.reply("theirs", "trip")
    assert (await jun.history("trip"))["messages"][0]["text"] == "theirs"
    problem_of(await jun.ask("more", "trip", parent_id=mine["parent_id"]), 404, "message_not_found")
    assert theirs["run_id"] != mine["run_id"]
    assert (await jun.call("GET", "/ask")).json()["total"] == 1


async def test_budgets_and_rate_limits_hold_as_on_v1(gate):
    key, token = await gate.key(rpm=2)
    asker = Asker(gate, token)
    budget = await gate.budget("1 tokens", scope="key", scope_id=key.id)
    spent = await asker.ask("hi", "trip")
    refused = problem_of(spent, 429, "insufficient_quota")
    assert refused["error"]["budget"] == "a budget"
    assert (refused["conversation_id"], refused["status"], refused["entry_id"]) == ("trip", "failed", None)
    assert "retry-after" not in spent.headers, "it never begins anew"
    await gate.application.budgets.delete(budget.id)
    budget = await gate.budget("1 tokens", period="week", scope="key", scope_id=key.id)
    for headers in ({}, {"Accept": "text/event-stream"}):
        spent = await asker.ask("hi", "trip", headers=headers)
        problem_of(spent, 429, "insufficient_quota")
        assert 0 < int(spent.headers["retry-after"]) <= 7 * 86400
    await gate.application.budgets.delete(budget.id)
    for _ in range(2):
        await asker.reply("hi", "trip")
    limited = await asker.ask("hi", "trip")
    problem_of(limited, 429, "rate_limit_exceeded")
    assert int(limited.headers["retry-after"]) > 0
    assert limited.headers["x-ratelimit-limit-requests"] == "2"
    await gate.budget("1 tokens", scope="tag", scope_id="team-a", name="tagged")
    tagged = await Asker(gate).ask("hi", headers={"X-Talkmeter-Tags": "team-a"})
    problem_of(tagged, 429, "insufficient_quota")
    assert len(await gate.check_books()) == 2


async def test_the_lines_of_the_log_can_be_joined(gate, caplog):
    caplog.set_level(logging.INFO, "talkmeter")
    key, token = await gate.key()
    asker = Asker(gate, token)
    run_id = (await asker.reply("say: one", "trip"))["run_id"]
    await asker.ask("say: one", "trip", headers={"Accept": "text/event-stream", "Last-Event-ID": "1"})
    await asker.call("GET", "/ask/trip", accept="text/event-stream")
    await asker.call("POST", "/ask/trip/stop", {"run_id": run_id})
    await asker.call("GET", "/ask/trip")
    found = [record.__dict__ for record in caplog.records if record.message == "request"]
    assert [(line["run_id"], line["key_id"]) for line in found[:4]] == [(run_id, key.id)] * 4
    assert "run_id" not in found[4]
    (run,) = [record.__dict__ for record in caplog.records if record.message == "run"]
    assert (run["run_id"], run["key_id"]) == (run_id, key.id)


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_every_answer_says_how_the_rate_limits_stand_as_on_v1(gate, accept):
    _, token = await gate.key(rpm=5, tpm=100_000)
    asker = Asker(gate, token)
    for left in (4, 3):
        answer = await asker.ask("say: hi", "trip", max_tokens=50, headers={"Accept": accept})
        assert answer.status == 200
        told = {name: value for name, value in answer.headers.items() if name.startswith("x-ratelimit-")}
        assert set(told) == {f"x-ratelimit-{what}-{kind}" for what in ("limit", "remaining", "reset")
                             for kind in ("requests", "tokens")}  # fmt: skip
        assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("5", str(left))
        assert 0 < int(told["x-ratelimit-remaining-tokens"]) < int(told["x-ratelimit-limit-tokens"]) == 100_000
    followed = await asker.call("GET", "/ask/trip", headers={"Accept": "application/json"})
    assert not any(name.startswith("x-ratelimit-") for name in followed.headers), "that has sent nothing"
    unlimited = await Asker(gate).ask("say: hi", headers={"Accept": accept})
    assert not any(name.startswith("x-ratelimit-") for name in unlimited.headers)
    exposed = answer.headers["access-control-expose-headers"].lower().split(", ")
    assert set(told) <= set(exposed)


@pytest.mark.parametrize(("fault", "status"), [
    ("401", 502), ("429", 429), ("500", 502), ("503", 503), ("error-in-200", 502), ("cut-200", 502),
])  # fmt: skip
async def test_what_goes_wrong_upstream_is_an_error_with_what_there_is(gate, asker, fault, status):
    answer = await asker.ask("say: one two three four", "trip", model=f"sim-fault-{fault}")
    assert answer.status == status, answer.body
    body = problem_of(answer, status, answer.json()["error"]["code"])
    assert (body["conversation_id"], body["status"]) == ("trip", "failed")
    assert body["entry_id"] in await gate.check_books(at_most=True)


async def test_korean_is_answered_in_korean(asker):
    body = problem_of(await asker.ask(" ", headers={"Accept-Language": "ko-KR,ko;q=0.9"}), 400, "empty_question")
    assert body["response"] == "질문이 비어 있습니다."
    assert body["error"]["param"] == "prompt"


async def test_any_page_may_ask_with_a_key_and_none_without(gate, asker):
    origin = {"Origin": "https://page.example", "Sec-Fetch-Site": "cross-site"}
    problem_of(await asker.ask("hi", headers=origin), 403, "foreign_origin")
    problem_of(await asker.ask("hi", headers={"Host": "rebound.example"}), 421, "unknown_host")
    _, token = await gate.key()
    allowed = await Asker(gate, token).ask("hi", headers=origin)
    assert allowed.status == 200
    assert allowed.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in allowed.headers
    preflight = await asker.call("OPTIONS", "/ask/new", Access_Control_Request_Method="POST", Origin="https://x")
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "Idempotency-Key" in preflight.headers["access-control-allow-headers"]


async def test_health(asker):
    answer = await asker.call("GET", "/health")
    assert (answer.status, answer.json()) == (200, {"status": "ok"})
    assert "access-control-allow-origin" not in answer.headers
    problem_of(await asker.call("POST", "/health", {}), 405, "wrong_method")
