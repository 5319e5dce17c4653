"""Who may come in, for what, and what is never let through: keys, hosts, origins, doors, models."""

import asyncio
import json

import pytest

from support.gate import UPSTREAM_KEY, chat
from support.raw_http import RawConnection
from talkmeter.accounts import tokens
from talkmeter.errors import InvalidKey


def check_error(answer, status, code, *, param=None, kind="invalid_request_error"):
    """An OpenAI error object that says what to do."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["x-request-id"].startswith("req_")
    error = answer.json()["error"]
    assert (error["code"], error["param"], error["type"]) == (code, param, kind)
    assert error["message"]
    return error["message"]


async def test_a_key_opens_and_is_on_the_ledger(gate):
    key, token = await gate.key("an app")
    answer = await gate.call("chat/completions", chat(), key=token)
    entry = await gate.entry(answer)
    assert answer.status == 200
    assert (entry["principal"], entry["key_id"]) == (key.user_id, key.id)


@pytest.mark.parametrize("scheme", ["bearer ", "BEARER  ", "Bearer \t"])
async def test_the_scheme_is_read_generously(open_gate, scheme):
    gate = await open_gate(gateway_local=False)
    _, token = await gate.key()
    assert (await gate.call("chat/completions", chat(), Authorization=scheme + token)).status == 200


async def test_wrong_keys_are_told_what_is_wrong(gate):
    _, token = await gate.key()
    swapped = token[:-1] + ("a" if token[-1] != "a" else "b")
    for wrong, word in ((swapped, "typ"), ("tm_x", "key"), (token + "x", "key")):
        message = check_error(await gate.call("chat/completions", chat(), key=wrong), 401, "invalid_api_key")
        assert word in message.lower()
        assert token not in message
    assert await gate.ledger() == {}
    assert gate.wire.sent == b""


async def test_without_a_key_only_where_that_is_wanted(open_gate):
    gate = await open_gate(gateway_local=False)
    for headers in ({}, {"Authorization": "Basic abc"}, {"Authorization": "Bearer"}, {"Authorization": "Bearer sk-1"}):
        message = check_error(await gate.call("chat/completions", chat(), **headers), 401, "invalid_api_key")
        assert "keys create" in message or "tm_" in message
    assert gate.wire.sent == b""


async def test_a_foreign_key_on_this_machine_is_nobody_s(gate):
    """Programs that insist on a key send any; it counts for nothing, and it goes nowhere."""
    answer = await gate.call("chat/completions", chat(), key="sk-proj-somebodys-own", Openai_Organization="org-mine",
                             Openai_Project="proj-mine", Cookie="a=b", X_Api_Key="x", Api_Key="y")  # fmt: skip
    assert answer.status == 200
    assert (await gate.entry(answer))["principal"] == "local"
    for secret in (b"somebodys", b"org-mine", b"proj-mine", b"a=b", b"x-api-key", b"api-key: y"):
        assert secret not in gate.wire.sent.lower()
    assert gate.asked.header("authorization") == f"Bearer {UPSTREAM_KEY}"


async def test_our_key_goes_nowhere(gate):
    _, token = await gate.key()
    await gate.call("chat/completions", chat(), key=token)
    assert token.encode() not in gate.wire.sent
    assert gate.asked.header("authorization") == f"Bearer {UPSTREAM_KEY}"


async def test_a_client_cannot_choose_where_it_goes(gate):
    for name in ("X-Base-Url", "X-Talkmeter-Base-Url", "X-Portkey-Custom-Host", "Forwarded", "X-Forwarded-Host"):
        _, token = await gate.key()
        answer = await gate.call("chat/completions", chat(base_url="http://evil.example/"), key=token,
                                 **{name: "http://evil.example/v1"})  # fmt: skip
        assert answer.status in (200, 400), answer.body
    assert all(one.header("host") in gate.wire.base_url for one in gate.wire.requests)


@pytest.mark.parametrize("path", [
    "../models", "responses/../chat/completions", "responses/%2e%2e/x", "files/..%2fx", "//evil.example/x",
    "organization/usage/completions", "organization/costs", "chat", "unknown",
])  # fmt: skip
async def test_paths_that_do_not_exist(gate, path):
    check_error(await gate.call(path), 404, "unknown_url")
    assert gate.wire.sent == b""


async def test_two_keys_at_once(gate):
    _, token = await gate.key()
    connection = await RawConnection.open(gate.base_url)
    body = json.dumps(chat()).encode()
    lines = ["POST /v1/chat/completions HTTP/1.1", "Host: localhost", "Content-Type: application/json",
             f"Content-Length: {len(body)}", "Authorization: Bearer sk-x", f"Authorization: Bearer {token}"]  # fmt: skip
    for _ in range(2):  # also once the head could be known
        await connection.write("\r\n".join([*lines, "", ""]).encode() + body)
        message = check_error(await connection.next(), 400, "two_authorizations", param="Authorization")
        assert "Send one" in message
    await connection.close()
    assert gate.wire.sent == b""


async def test_a_key_that_another_process_has_just_made(gate):
    """Whoever is handed a token can use it at once: here nobody watches for changes."""
    from talkmeter.app.wiring import Accounts
    from talkmeter.config import resolve
    from talkmeter.store import open_store

    _, strange = await gate.key()
    await gate.application.accounts.keys.revoke(gate.application.accounts.keys.list()[0].id)
    store = await open_store(gate.data_dir / "talkmeter.db")
    try:
        accounts = Accounts(store, resolve({"data_dir": str(gate.data_dir)}, {}))
        await accounts.load()
        for path, body in (("chat/completions", chat()), ("models", None)):
            _, token = await accounts.keys.issue(user_id="owner", name=path)
            answers = await asyncio.gather(*[gate.call(path, body, key=token) for _ in range(3)])
            assert [answer.status for answer in answers] == [200, 200, 200]
        assert "revoked" in check_error(await gate.call("models", key=strange), 401, "invalid_api_key")
        other = tokens.new_token()
        assert "no API key" in check_error(await gate.call("models", key=other), 401, "invalid_api_key")
        with pytest.raises(InvalidKey):
            accounts.keys.find(other)
    finally:
        await store.close()


async def test_a_revoked_key_is_of_no_more_use_within_a_second(gate):
    """Also where another process revokes it: here one that shares nothing but the database."""
    from talkmeter.app.wiring import Accounts
    from talkmeter.config import resolve
    from talkmeter.store import open_store

    key, token = await gate.key()
    assert (await gate.call("models", key=token)).status == 200
    watching = asyncio.create_task(gate.application.watch())
    store = await open_store(gate.data_dir / "talkmeter.db")
    try:
        accounts = Accounts(store, resolve({"data_dir": str(gate.data_dir)}, {}))
        await accounts.load()
        await accounts.keys.revoke(key.id)
        async with asyncio.timeout(60):
            while (answer := await gate.call("models", key=token)).status == 200:
                await asyncio.sleep(0.02)
        assert "revoked" in check_error(answer, 401, "invalid_api_key")
    finally:
        watching.cancel()
        await store.close()


async def test_a_key_revoked_here_stops_at_once(gate):
    key, token = await gate.key()
    await gate.application.accounts.keys.revoke(key.id)
    assert "revoked" in check_error(await gate.call("models", key=token), 401, "invalid_api_key")


async def test_an_expired_key(gate):
    from talkmeter.clock import SECOND, now

    keys = gate.application.accounts.keys
    _, token = await gate.key(expires_at=now() + 3600 * SECOND)
    assert (await gate.call("models", key=token)).status == 200
    keys._clock = lambda: now() + 7200 * SECOND
    assert "expired" in check_error(await gate.call("models", key=token), 401, "invalid_api_key")


async def test_models_that_a_key_may_use(gate):
    _, token = await gate.key(models=["sim-f*", "sim-embedding"])
    assert (await gate.call("chat/completions", chat(), key=token)).status == 200
    message = check_error(
        await gate.call("chat/completions", chat(model="sim-slow"), key=token), 403, "model_not_allowed", param="model"
    )
    assert "sim-f*" in message
    listed = {one["id"] for one in (await gate.call("models", key=token)).json()["data"]}
    assert "sim-embedding" in listed
    assert all(name.startswith("sim-f") or name == "sim-embedding" for name in listed)
    assert (await gate.call("models/sim-fast", key=token)).json()["id"] == "sim-fast"
    check_error(await gate.call("models/sim-slow", key=token), 404, "model_not_found", param="model")


async def test_a_second_model_does_not_slip_through(gate):
    _, token = await gate.key(models=["sim-fast"])
    for body in (
        b'{"model":"sim-fast","messages":[{"role":"user","content":"x"}],"model":"sim-slow"}',
        b'{"model":"sim-slow","messages":[{"role":"user","content":"x"}],"model":"sim-fast"}',
        b'{"model":"sim-fast","messages":[{"role":"user","content":"x"}],"mod\\u0065l":"sim-slow"}',
        b'{"mod\\u0065l":"sim-slow","messages":[{"role":"user","content":"x"}],"model":"sim-fast"}',
    ):
        answer = await gate.call("chat/completions", body, key=token)
        check_error(answer, 400, "invalid_json", param="model")
    assert gate.wire.sent == b""


async def test_doors_that_a_key_is_for(gate):
    _, token = await gate.key(doors=["ask"])
    check_error(await gate.call("models", key=token), 403, "door_not_allowed")


async def test_the_list_of_models(gate):

    await gate.application.accounts.routes.add("fast", [_target("sim-fast")])
    listed = (await gate.call("models")).json()
    assert listed["object"] == "list"
    names = {one["id"]: one for one in listed["data"]}
    assert names["fast"]["owned_by"] == "talkmeter"
    assert set(names["sim-fast"]) == {"id", "object", "created", "owned_by"}
    assert (await gate.call("models/fast")).json()["id"] == "fast"
    check_error(await gate.call("models/none"), 404, "model_not_found", param="model")
    answer = await gate.call("models", {}, method="POST")
    check_error(answer, 405, "wrong_method")
    assert answer.headers["allow"] == "GET, HEAD"


def _target(model):
    from talkmeter.accounts.routes import RouteTarget

    return RouteTarget(None, model)


@pytest.mark.parametrize(("headers", "status", "code"), [
    ({"Host": "evil.example"}, 421, "unknown_host"),
    ({"Host": "evil.example:8080"}, 421, "unknown_host"),
    ({"Origin": "http://evil.example"}, 403, "foreign_origin"),
    ({"Origin": "null"}, 403, "foreign_origin"),
    ({"Origin": "http://["}, 403, "foreign_origin"),
    ({"Sec-Fetch-Site": "cross-site"}, 403, "foreign_origin"),
    ({"Sec-Fetch-Site": "same-site"}, 403, "foreign_origin"),
])  # fmt: skip
async def test_foreign_pages_need_a_key(gate, headers, status, code):
    check_error(await gate.call("chat/completions", chat(), **headers), status, code)
    assert gate.wire.sent == b""
    _, token = await gate.key()
    assert (await gate.call("chat/completions", chat(), key=token, **headers)).status == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
async def test_behind_a_proxy_nobody_is_this_machine(gate, header):
    check_error(await gate.call("chat/completions", chat(), **{header: "127.0.0.1"}), 401, "invalid_api_key")


async def test_endpoints_that_are_switched_off(open_gate):
    gate = await open_gate(gateway_endpoints="chat,embeddings")
    assert (await gate.call("chat/completions", chat())).status == 200
    check_error(await gate.call("responses", {"model": "sim-fast", "input": "x"}), 404, "endpoint_switched_off")
    check_error(await gate.call("files"), 404, "endpoint_switched_off")


async def test_members_do_not_reach_what_all_keys_share(open_gate):
    gate = await open_gate()
    member = await gate.application.accounts.users.add("member")
    _, token = await gate.key(user=member.id)
    for method, path in (("GET", "files"), ("GET", "batches"), ("GET", "responses/resp_x"), ("DELETE", "files/x"),
                         ("GET", "chat/completions/x"), ("POST", "batches"), ("GET", "vector_stores")):  # fmt: skip
        check_error(await gate.call(path, method=method, key=token), 403, "shared_endpoint")
    assert gate.wire.sent == b""
    shared = await open_gate(gateway_members_share=True)
    member = await shared.application.accounts.users.add("member")
    _, token = await shared.key(user=member.id)
    assert (await shared.call("files", key=token)).status == 200


async def test_nobody_sees_another_s_response(gate):
    tokens, keys = [], []
    for name in ("one", "two"):
        user = await gate.application.accounts.users.add(name)
        key, token = await gate.key(user=user.id)
        keys.append(key)
        tokens.append(token)
    mine = {"model": "sim-fast", "input": "say: a secret"}
    made = (await gate.call("responses", mine, key=tokens[0])).json()["id"]
    assert (await gate.call(f"responses/{made}", key=tokens[0])).json()["id"] == made
    gate.wire.forget()
    continued = {"model": "sim-fast", "input": "what did I say?", "previous_response_id": made}
    _, owners = await gate.key()
    for other in (tokens[1], owners, None):  # a member, the owner, and any program on this machine
        for method, path in (
            ("GET", f"responses/{made}"),
            ("DELETE", f"responses/{made}"),
            ("GET", f"responses/{made}/input_items"),
            ("POST", f"responses/{made}/cancel"),
        ):
            check_error(await gate.call(path, method=method, key=other), 404, "not_found")
        for path in ("responses", "responses/input_tokens"):
            check_error(await gate.call(path, continued, key=other), 404, "previous_response_not_found",
                        param="previous_response_id")  # fmt: skip
    assert gate.wire.sent == b""
    assert (await gate.call("responses", continued, key=tokens[0])).status == 200
