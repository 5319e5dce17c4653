"""API keys over the page's API: a token is shown once, what bounds a key is the owner's, one's own keys a member's."""

import json

import pytest

from support.folders import content
from support.web_house import House
from talkmeter.clock import now
from talkmeter.errors import InvalidKey
from talkmeter.logs import redact, redact_fields

KEY = {
    "id", "name", "user_id", "user_name", "hint", "state", "models", "doors", "created_at", "expires_at", "revoked_at",
    "last_used_at", "disconnect", "rpm", "tpm", "replaces",
}  # fmt: skip


async def make(house: House, cookie=None, **body):
    answer = await house.send("POST", "/api/keys", {"name": "app", **body}, cookie=cookie or house.cookie)
    assert answer.status == 201, answer.body
    assert set(answer.json()) == {"key", "token"}
    return answer.json()["key"], answer.json()["token"]


def usable(house: House, token: str) -> bool:
    try:
        house.application.accounts.keys.find(token)
    except InvalidKey:
        return False
    return True


async def test_a_key_is_made_changed_and_revoked(house: House):
    expires_at = now() + 3_600_000_000
    key, token = await make(
        house, user_id=house.stranger_id, models=["gpt-4o*"], doors=["openai"], expires_at=expires_at, rpm=5, tpm=6
    )
    assert set(key) == KEY
    assert (key["user_id"], key["user_name"], key["state"]) == (house.stranger_id, "stranger", "active")
    assert (key["models"], key["doors"], key["rpm"], key["tpm"]) == (["gpt-4o*"], ["openai"], 5, 6)
    assert key["hint"] == f"{token[:8]}…{token[-4:]}"
    assert usable(house, token)
    where = f"/api/keys/{key['id']}"
    change = {"name": "other", "models": None, "doors": None, "expires_at": None, "disconnect": "cut", "rpm": None}
    changed = (await house.send("PATCH", where, change)).json()
    (listed,) = (await house.get("/api/keys"))["keys"]
    assert listed["last_used_at"] is not None
    assert changed == {**key, **change, "last_used_at": changed["last_used_at"]}
    revoked = await house.send("POST", f"{where}/revoke")
    assert (revoked.status, revoked.json()["state"]) == (200, "revoked")
    assert not usable(house, token)
    assert (await house.send("POST", f"{where}/revoke")).json() == revoked.json()
    assert (await house.send("PATCH", where, {"name": "x"})).code == "key_revoked"
    assert (await house.send("POST", f"{where}/rotate")).code == "key_revoked"
    for method, path in (("PATCH", ""), ("POST", "/revoke"), ("POST", "/rotate")):
        assert (await house.send(method, f"/api/keys/key_none{path}")).code == "key_not_found"


async def test_a_key_is_rotated(house: House):
    key, token = await make(house, models=["a"])
    answer = await house.send("POST", f"/api/keys/{key['id']}/rotate", {"overlap_seconds": 0})
    assert answer.status == 201
    new = answer.json()
    assert (new["key"]["replaces"], new["key"]["models"]) == (key["id"], ["a"])
    assert (usable(house, token), usable(house, new["token"])) == (False, True)
    assert [each["state"] for each in (await house.get("/api/keys"))["keys"]] == ["expired", "active"]
    assert (await house.send("POST", f"/api/keys/{key['id']}/rotate")).code == "key_rotated"
    late = await house.send("POST", f"/api/keys/{new['key']['id']}/rotate")
    assert late.status == 201
    assert usable(house, new["token"]), "an hour, if nothing is said"
    wrong = await house.send("POST", f"/api/keys/{late.json()['key']['id']}/rotate", {"overlap_seconds": -1})
    assert (wrong.status, wrong.code) == (400, "bad_overlap")


async def test_an_owner_sees_all_keys_and_a_member_their_own(house: House):
    mine, _ = await make(house)
    theirs, token = await make(house, cookie=house.stranger, models=["gpt-4o"], expires_at=now() + 10**12)
    assert theirs["user_id"] == house.stranger_id
    assert house.application.accounts.keys.principal(token).role == "member"

    async def listed(path, cookie):
        return [key["id"] for key in (await house.send("GET", path, cookie=cookie)).json()["keys"]]

    assert await listed("/api/keys", house.cookie) == [mine["id"], theirs["id"]]
    assert await listed(f"/api/keys?user_id={house.stranger_id}", house.cookie) == [theirs["id"]]
    for path in ("/api/keys", "/api/keys?user_id=owner"):
        assert await listed(path, house.stranger) == [theirs["id"]]


@pytest.mark.parametrize(
    ("body", "param"), [({"rpm": 5}, "rpm"), ({"tpm": 5}, "tpm"), ({"user_id": "owner"}, "user_id")]
)
async def test_what_a_member_cannot_give_a_key(house: House, body, param):
    answer = await house.send("POST", "/api/keys", {"name": "app", **body}, cookie=house.stranger)
    assert (answer.status, answer.code, answer.json()["error"]["param"]) == (403, "owner_only", param)
    assert (await house.get("/api/keys"))["keys"] == []


async def test_a_member_cannot_loosen_a_key(house: House):
    key, _ = await make(house, user_id=house.stranger_id, models=["cheap"], rpm=1)
    where = f"/api/keys/{key['id']}"
    for change in ({"models": None}, {"doors": None}, {"expires_at": None}, {"rpm": None}, {"tpm": None}):
        answer = await house.send("PATCH", where, change, cookie=house.stranger)
        assert (answer.status, answer.code) == (403, "owner_only"), change
    answer = await house.send("PATCH", where, {"name": "mine", "disconnect": "cut"}, cookie=house.stranger)
    assert (answer.json()["name"], answer.json()["disconnect"], answer.json()["models"]) == ("mine", "cut", ["cheap"])
    new = (await house.send("POST", f"{where}/rotate", cookie=house.stranger)).json()["key"]
    assert (new["models"], new["rpm"], new["user_id"]) == (["cheap"], 1, house.stranger_id)
    assert (await house.send("POST", f"/api/keys/{new['id']}/revoke", cookie=house.stranger)).status == 200


async def test_a_disabled_users_keys_stop_at_once(house: House):
    _, token = await make(house, cookie=house.stranger)
    await house.send("PATCH", f"/api/users/{house.stranger_id}", {"disabled": True})
    assert not usable(house, token)
    await house.send("PATCH", f"/api/users/{house.stranger_id}", {"disabled": False})
    assert usable(house, token)


async def test_tokens_links_and_passwords_come_out_nowhere(house: House, caplog):
    """Each secret is in the one answer that shows it, and then in no answer, no log line and no file."""
    caplog.set_level("DEBUG")
    key, token = await make(house)
    rotated = (await house.send("POST", f"/api/keys/{key['id']}/rotate", {"overlap_seconds": 0})).json()
    link = (await house.send("POST", f"/api/users/{house.stranger_id}/invitation")).json()["path"].split("=")[1]
    password = "canary horse battery"
    secrets = [token, rotated["token"], link, password]
    seen = []
    for method, path, body in (
        ("POST", f"/api/users/{house.stranger_id}/password", {"password": password}),
        ("POST", "/api/sign-in", {"name": "stranger", "password": password}),
        ("POST", "/api/sign-in", {"name": token, "password": token}),
        ("POST", "/api/sign-in", {"password": password, token: 1}),
        ("GET", "/api/keys", None),
        ("GET", f"/api/keys?user_id={token}", None),
        ("PATCH", f"/api/keys/{rotated['key']['id']}", {"name": "new name"}),
        ("POST", f"/api/keys/{rotated['key']['id']}/revoke", {}),
        ("POST", f"/api/keys/{token}/revoke", {}),
        ("GET", "/api/users", None),
        ("GET", "/api/bootstrap", None),
        ("GET", "/api/settings", None),
        ("GET", "/metrics", None),
        ("GET", "/readyz", None),
    ):
        answer = await house.send(method, path, body, headers={"Authorization": f"Bearer {token}"})
        if token not in (body or {}):
            seen.append(answer)
    for each in (token, rotated["token"], token[:-1] + "!"):
        with pytest.raises(InvalidKey) as caught:
            house.application.accounts.keys.find(each)
        assert each[8:-4] not in f"{caught.value} {vars(caught.value)}"
    await house.application.accounts.keys.write_uses(all_of_them=True)
    places = {str(number): answer.body + json.dumps(answer.headers).encode() for number, answer in enumerate(seen)}
    ours = [record for record in caplog.records if record.name != "uvicorn.access"]  # which `serve` switches off
    places["log"] = "\n".join(
        f"{redact(record.getMessage())} {redact_fields(vars(record))}" for record in ours
    ).encode()
    places |= content(house.application.resolved.data_dir)
    assert "talkmeter.db" in places
    found = [(place, secret) for place, data in places.items() for secret in secrets if secret[8:-4].encode() in data]
    assert found == []
