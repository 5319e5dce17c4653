"""Users over the page's API: made, invited, changed, disabled; passwords of their own."""

import asyncio
import re

import pytest

from support.web_house import House

USER = {"id", "name", "role", "created_at", "disabled_at", "has_password", "rpm", "tpm"}


async def sign_in(house: House, **body):
    answer = await house.send("POST", "/api/sign-in", body, cookie=None)
    return answer, answer.headers.get("set-cookie", "").split(";")[0]


async def add(house: House, name="Kim 민지", **more):
    answer = await house.send("POST", "/api/users", {"name": name, **more})
    assert answer.status == 201, answer.body
    return answer.json()


async def test_users_are_added_listed_and_changed(house: House):
    kim = await add(house, rpm=60)
    assert set(kim) == USER
    assert (kim["role"], kim["rpm"], kim["tpm"], kim["has_password"], kim["disabled_at"]) == (
        "member", 60, None, False, None,
    )  # fmt: skip
    owner, stranger, listed = (await house.get("/api/users"))["users"]
    assert (owner["id"], owner["role"], stranger["id"]) == ("owner", "owner", house.stranger_id)
    assert listed == kim
    where = f"/api/users/{kim['id']}"
    changed = (await house.send("PATCH", where, {"name": "Lee", "role": "owner", "rpm": None, "tpm": 9})).json()
    assert changed == {**kim, "name": "Lee", "role": "owner", "rpm": None, "tpm": 9}
    assert (await house.send("PATCH", where, {})).json() == changed
    assert (await house.send("PATCH", where, {"disabled": True})).json()["disabled_at"] > 0
    assert (await house.send("PATCH", where, {"disabled": False})).json()["disabled_at"] is None


async def test_what_cannot_be_is_refused_in_words(house: House):
    await add(house, "Kim")
    for method, path, body, status, code in (
        ("POST", "/api/users", {"name": "ｋｉｍ"}, 409, "user_name_taken"),
        ("PATCH", f"/api/users/{house.stranger_id}", {"name": "KIM"}, 409, "user_name_taken"),
        ("PATCH", "/api/users/owner", {"role": "member"}, 409, "last_owner"),
        ("PATCH", "/api/users/owner", {"disabled": True}, 409, "last_owner"),
        ("PATCH", "/api/users/user_none", {"name": "x"}, 404, "user_not_found"),
        ("POST", "/api/users/user_none/password", {"password": "long enough"}, 404, "user_not_found"),
        ("POST", "/api/users/user_none/invitation", {}, 404, "user_not_found"),
    ):
        answer = await house.send(method, path, body)
        assert (answer.status, answer.code) == (status, code), (method, path, answer.body)
        assert re.search("[가-힣]", answer.json()["error"]["message_ko"])


async def test_an_invitation_lets_its_user_in_once(house: House):
    kim = await add(house)
    answer = await house.send("POST", f"/api/users/{kim['id']}/invitation")
    assert answer.status == 201
    assert set(answer.json()) == {"path", "expires_at"}
    assert answer.json()["path"].startswith("/sign-in?token=")
    used = await house.send("GET", answer.json()["path"], cookie=None)
    assert (used.status, used.headers["location"]) == (303, "/")
    cookie = used.headers["set-cookie"].split(";")[0]
    seen = (await house.send("GET", "/api/bootstrap", cookie=cookie)).json()
    assert (seen["principal"], seen["name"], seen["role"]) == (kim["id"], "Kim 민지", "member")
    again = await house.send("GET", answer.json()["path"], cookie=None)
    assert again.headers["location"] == "/?sign_in=expired"
    await house.send("PATCH", f"/api/users/{kim['id']}", {"disabled": True})
    assert (await house.send("POST", f"/api/users/{kim['id']}/invitation")).code == "user_disabled"
    assert (await house.send("GET", "/api/bootstrap", cookie=cookie)).status == 401


async def test_signing_in_by_name_and_without(house: House):
    kim = await add(house)
    for who, password in (("owner", "the owner's own"), (kim["id"], "what kim chose")):
        assert (await house.send("POST", f"/api/users/{who}/password", {"password": password})).status == 204
    for body, principal in (
        ({"password": "the owner's own"}, "owner"),
        ({"password": "the owner's own", "name": None}, "owner"),
        ({"password": "the owner's own", "name": "Owner"}, "owner"),
        ({"password": "what kim chose", "name": " kim 민지 "}, kim["id"]),
    ):
        answer, cookie = await sign_in(house, **body)
        assert answer.status == 204, body
        assert (await house.send("GET", "/api/bootstrap", cookie=cookie)).json()["principal"] == principal
    wrong = [
        (await sign_in(house, **body))[0]
        for body in (
            {"password": "what kim chose"},
            {"password": "the owner's own", "name": "kim 민지"},
            {"password": "the owner's own", "name": "nobody"},
        )
    ]
    assert [(answer.status, answer.code) for answer in wrong] == [(401, "wrong_password")] * 3
    assert wrong[1].json()["error"]["message"] == wrong[2].json()["error"]["message"]


async def test_a_member_changes_their_own_password_with_the_present_one(house: House):
    where = f"/api/users/{house.stranger_id}/password"

    async def change(body, cookie=house.stranger):
        return await house.send("POST", where, body, cookie=cookie)

    assert (await change({"password": "the first one"})).status == 204, "none was set, so none is asked for"
    _, elsewhere = await sign_in(house, name="stranger", password="the first one")
    for body in ({"password": "the second one"}, {"password": "the second one", "current": "guessed"}):
        answer = await change(body)
        assert (answer.status, answer.code, answer.json()["error"]["param"]) == (403, "wrong_password", "current")
    assert (await change({"password": "short", "current": "the first one"})).code == "bad_password"
    assert (await change({"password": "the second one", "current": "the first one"})).status == 204
    assert (await house.send("GET", "/api/bootstrap", cookie=elsewhere)).status == 401
    assert (await house.send("GET", "/api/bootstrap", cookie=house.stranger)).status == 200
    assert (await sign_in(house, name="stranger", password="the second one"))[0].status == 204
    assert (await change({"password": "by the owner"}, house.cookie)).status == 204
    assert (await house.send("GET", "/api/bootstrap", cookie=house.stranger)).status == 401
    assert (await change({"password": None}, house.cookie)).status == 204
    assert (await house.get("/api/users"))["users"][1]["has_password"] is False


async def test_a_member_sees_little_of_the_providers(house: House):
    body = {"name": "Inner", "base_url": "http://10.0.0.7/v1", "key": "sk-0123456789abcdef"}
    assert (await house.send("POST", "/api/providers", body)).status == 201
    seen = (await house.send("GET", "/api/bootstrap", cookie=house.stranger)).json()
    (provider,) = seen["providers"]
    assert (provider["name"], provider["base_url"], provider["key_hint"]) == ("Inner", None, None)
    assert (seen["name"], seen["role"]) == ("stranger", "member")
    assert (await house.get("/api/bootstrap"))["providers"][0]["key_hint"] == "…cdef"


@pytest.mark.parametrize("role", ["owner", "member"])
async def test_a_new_role_counts_from_the_next_request(house: House, role):
    await house.send("PATCH", f"/api/users/{house.stranger_id}", {"role": role})
    expected = {"owner": 200, "member": 403}[role]
    assert (await house.send("GET", "/api/users", cookie=house.stranger)).status == expected


async def test_an_open_stream_ends_with_its_user(open_house):
    """The answer itself goes on: it is paid for, and an owner may enable the user again."""
    house = await open_house()
    step = await house.gate()
    body = {"room_id": None, "client_id": "c1", "text": "say: one two three four five"}
    asked = (await house.send("POST", "/api/ask", body, cookie=house.stranger)).json()
    reader, writer = await house.served.open()
    head = f"GET /api/runs/{asked['run_id']}/events HTTP/1.1\r\nHost: {house.served.host}\r\nCookie: {house.stranger}\r\n\r\n"
    writer.write(head.encode())
    await step(3)
    async with asyncio.timeout(60):
        await reader.readuntil(b"event: delta")
        await house.send("PATCH", f"/api/users/{house.stranger_id}", {"disabled": True})
        rest = await reader.readuntil(b"0\r\n\r\n")
    assert b"event: finished" not in rest
    assert house.application.runs.running() == 1
    await step(1000)
    writer.close()
