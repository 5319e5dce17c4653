"""API keys: found from memory, refused with the very reason, changed, rotated and revoked."""

import asyncio
import hashlib

import pytest

from support.folders import content
from talkmeter.accounts.keys import Keys, allows_door, allows_model
from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.store import AddKey, ApiKey, StoredKey
from talkmeter.accounts.tokens import checksum, new_token
from talkmeter.accounts.users import Users
from talkmeter.errors import BadInput, Conflict, InvalidKey, NotFound

HOUR = 3600 * 1_000_000


def refused(keys, token):
    with pytest.raises(InvalidKey) as caught:
        keys.find(token)
    error = caught.value
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert all(any("가" <= letter <= "힣" for letter in text) for text in (error.message_ko, error.hint_ko))
    said = f"{error.message} {error.message_ko} {error.hint} {error.hint_ko}"
    assert len(token) < 13 or token[8:-4] not in said
    return error


async def test_a_key_is_found_by_its_token(keys, clock):
    key, token = await keys.issue(user_id="owner", name=" My  app ", models=["gpt-4o"], rpm=5)
    assert keys.find(token) == key
    assert (key.name, key.user_id, key.models, key.doors, key.rpm, key.tpm) == (
        "My app", "owner", ("gpt-4o",), None, 5, None,
    )  # fmt: skip
    assert key.hint == f"{token[:8]}…{token[-4:]}"
    assert (key.created_at, key.expires_at, key.revoked_at, key.disconnect) == (clock.at, None, None, "drain")
    who = keys.principal(token)
    assert (who.user_id, who.role, who.key) == ("owner", "owner", key)


@pytest.mark.parametrize(
    ("token", "says"),
    [
        ("", "it is empty"),
        ("sk-proj-0123456789", "does not begin with tm_"),
        ("TM_" + "a" * 36, "does not begin with tm_"),
        ("tm_" + "a" * 35, "38 characters"),
        ("tm_" + "a" * 1000, "1003 characters"),
        ("tm_" + "a" * 35 + "-", "characters that no key has"),
        ("tm_" + "a" * 35 + "é", "characters that no key has"),
        ("tm_" + "가" * 36, "characters that no key has"),
        ("tm_" + "a" * 35 + "\ud800", "characters that no key has"),
        ("tm_" + "a" * 35 + "\n", "characters that no key has"),
        ("tm_" + "a" * 35 + "٣", "characters that no key has"),
    ],
)
def test_what_is_no_token_is_told_apart(keys, token, says):
    error = refused(keys, token)
    assert error.details["reason"] == "malformed"
    assert says in error.message
    assert "a" * 8 not in error.message


def test_a_typing_error_is_told_apart_from_an_unknown_key(keys):
    token = new_token()
    assert refused(keys, token).details["reason"] == "unknown"
    wrong = token[:10] + ("a" if token[10] != "a" else "b") + token[11:]
    error = refused(keys, wrong)
    assert error.details["reason"] == "typo"
    assert f"{wrong[:8]}…{wrong[-4:]}" in error.message


async def test_an_expired_key_says_when(keys, clock):
    _, token = await keys.issue(user_id="owner", name="a", expires_at=clock.at + HOUR)
    clock.pass_seconds(3599)
    keys.find(token)
    clock.pass_seconds(1)
    error = refused(keys, token)
    assert error.details["reason"] == "expired"
    assert "2023-11-14 23:13 UTC" in error.message


async def test_a_revoked_key_stays_revoked(keys, clock, store, users):
    key, token = await keys.issue(user_id="owner", name="a")
    assert (await keys.revoke(key.id)).revoked_at == clock.at
    assert "2023-11-14 22:13 UTC" in refused(keys, token).message
    clock.pass_seconds(60)
    assert (await keys.revoke(key.id)).revoked_at == clock.at - 60_000_000
    with pytest.raises(Conflict, match="revoked"):
        await keys.update(key.id, expires_at=None)
    with pytest.raises(Conflict, match="revoked"):
        await keys.rotate(key.id)
    elsewhere = Keys(store, users, clock)
    await elsewhere.load()
    assert refused(elsewhere, token).details["reason"] == "revoked"
    with pytest.raises(NotFound):
        await keys.revoke("key_none")


async def test_a_key_revoked_elsewhere_is_not_brought_back_by_a_change_here(keys, store, users, clock):
    key, token = await keys.issue(user_id="owner", name="a")
    elsewhere = Keys(store, users, clock)
    await elsewhere.load()
    await elsewhere.revoke(key.id)
    with pytest.raises(Conflict) as caught:
        await keys.update(key.id, name="b")  # has not heard of it yet
    assert caught.value.code == "key_revoked"
    await keys.load()
    assert refused(keys, token).details["reason"] == "revoked"


async def test_the_keys_of_a_disabled_user_stop_and_come_back(keys, users):
    member = await users.add("Kim")
    _, token = await keys.issue(user_id=member.id, name="a")
    assert keys.principal(token).role == "member"
    await users.disable(member.id)
    assert refused(keys, token).details["reason"] == "user_disabled"
    with pytest.raises(Conflict, match="disabled"):
        await keys.issue(user_id=member.id, name="b")
    await users.enable(member.id)
    keys.find(token)


async def test_a_key_is_changed_field_by_field(keys, store, users, clock):
    key, token = await keys.issue(user_id="owner", name="a", models=["x"], tpm=7)
    elsewhere = Keys(store, users, clock)
    await elsewhere.load()
    await elsewhere.update(key.id, rpm=3, expires_at=clock.at + HOUR)
    changed = await keys.update(key.id, name="b", models=None, doors=["grpc", "openai", "grpc"], disconnect="cut")
    assert (changed.name, changed.models, changed.doors, changed.disconnect) == ("b", None, ("openai", "grpc"), "cut")
    assert (changed.rpm, changed.tpm, changed.expires_at) == (3, 7, clock.at + HOUR)
    unlimited = await keys.update(key.id, rpm=None, tpm=None, expires_at=None)
    assert (unlimited.rpm, unlimited.tpm, unlimited.expires_at) == (None, None, None)
    assert await keys.update(key.id) == unlimited
    assert keys.find(token) == unlimited
    with pytest.raises(NotFound):
        await keys.update("key_none", name="x")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", " \n"), ("name", "x" * 81), ("name", "a\u202eb"), ("name", "a\ud800"),
        ("models", []), ("models", [""]), ("models", ["a*b"]), ("models", ["**"]), ("models", ["a b"]),
        ("models", ["x" * 201]), ("models", [f"m{number}" for number in range(201)]), ("models", ["a\0"]),
        ("doors", []), ("doors", ["web"]), ("doors", ["openai", "slack"]),
        ("expires_at", 0), ("expires_at", -1), ("expires_at", 1_700_000_000_000_000), ("expires_at", 2**62),
        ("disconnect", "wait"), ("rpm", 0), ("rpm", -1), ("tpm", 10**12 + 1),
    ],
)  # fmt: skip
async def test_what_a_key_cannot_be(keys, field, value):
    with pytest.raises(BadInput) as caught:
        await keys.issue(**{"user_id": "owner", "name": "a", field: value})
    assert caught.value.param == field
    key, _ = await keys.issue(user_id="owner", name="a")
    with pytest.raises(BadInput):
        await keys.update(key.id, **{field: value})
    assert keys.list() == (key,)


async def test_where_another_key_is_made(keys):
    with pytest.raises(InvalidKey) as caught:
        keys.find("x")
    assert "Gateway → Keys" in caught.value.hint
    assert "게이트웨이 → 키" in caught.value.hint_ko


async def test_rotation_overlaps_and_then_ends_the_old_one(keys, clock):
    old, old_token = await keys.issue(user_id="owner", name="a", models=["x*"], rpm=9, disconnect="cut")
    clock.pass_seconds(10)
    new, token = await keys.rotate(old.id, 3600)
    assert token != old_token
    assert (new.replaces, new.created_at, new.expires_at) == (old.id, clock.at, None)
    assert (new.name, new.models, new.rpm, new.disconnect) == ("a", ("x*",), 9, "cut")
    keys.find(old_token)
    assert keys.first_id(new) == keys.first_id(old) == old.id
    clock.pass_seconds(3600)
    assert refused(keys, old_token).details["reason"] == "expired"
    assert keys.find(token) == new
    with pytest.raises(Conflict, match="rotated before"):
        await keys.rotate(old.id)
    third, _ = await keys.rotate(new.id)
    assert refused(keys, token).details["reason"] == "expired"
    assert keys.first_id(third) == old.id


async def test_rotation_keeps_how_long_a_key_lasts(keys, clock):
    old, _ = await keys.issue(user_id="owner", name="a", expires_at=clock.at + 10 * HOUR)
    clock.pass_seconds(9 * 3600)
    new, _ = await keys.rotate(old.id, 7200)
    assert new.expires_at == clock.at + 10 * HOUR
    assert keys.get(old.id).expires_at == clock.at + HOUR, "an overlap lengthens nothing"
    for overlap in (-1, 91 * 24 * 3600):
        with pytest.raises(BadInput):
            await keys.rotate(new.id, overlap)


async def test_of_two_rotations_at_once_one_is_made(keys, store, users, clock):
    old, _ = await keys.issue(user_id="owner", name="a")
    elsewhere = Keys(store, users, clock)
    await elsewhere.load()
    made = await asyncio.gather(*(each.rotate(old.id) for each in (keys, elsewhere)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in made) == ["Conflict", "tuple"]
    await keys.load()
    assert len(keys.list()) == 2


async def test_what_is_open_for_a_key_hears_of_its_end(keys, users):
    kim = await users.add("Kim")
    made = [(await keys.issue(user_id=user_id, name="a"))[0] for user_id in ("owner", kim.id, kim.id)]
    ends = [keys.end_of(key) for key in made]
    assert keys.end_of(made[0]) is ends[0]
    gone = users.end_of(kim.id)
    await keys.revoke(made[1].id)
    assert [end.done() for end in (*ends, gone)] == [False, True, False, False]
    await users.disable(kim.id)
    await asyncio.sleep(0)
    assert [end.done() for end in (*ends, gone)] == [False, True, True, True]
    assert keys.end_of(made[1]).done()
    assert users.end_of(kim.id).done()
    await users.enable(kim.id)
    assert not users.end_of(kim.id).done()
    assert not keys.end_of(made[2]).done()


async def test_keys_are_listed_by_user(keys, users):
    member = await users.add("Kim")
    first, _ = await keys.issue(user_id="owner", name="a")
    second, _ = await keys.issue(user_id=member.id, name="b")
    assert keys.list() == (first, second)
    assert keys.list(member.id) == (second,)
    assert keys.get(second.id) == second
    for wrong in ("user_none", ""):
        with pytest.raises(NotFound):
            await keys.issue(user_id=wrong, name="a")


async def test_a_key_of_nobody_is_not_stored(store):
    key = ApiKey(id="key_1", name="a", user_id="user_none", hint="", created_at=1)
    with pytest.raises(Conflict) as caught:
        await store.commit(AddKey(StoredKey(b"d", key)))
    assert caught.value.code == "user_not_found"


@pytest.mark.parametrize(
    ("models", "model", "allowed"),
    [
        (None, "anything", True),
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "gpt-4o-mini", False),
        (("gpt-4o*",), "gpt-4o", True),
        (("gpt-4o*",), "gpt-4o-mini", True),
        (("gpt-4o*",), "GPT-4O", False),
        (("*",), "", True),
        (("a", "b*"), "bc", True),
        (("a", "b*"), "ab", False),
    ],
)
def test_models(models, model, allowed):
    key = ApiKey(id="k", name="a", user_id="owner", hint="", created_at=1, models=models)
    assert allows_model(key, model) is allowed


def test_doors():
    key = ApiKey(id="k", name="a", user_id="owner", hint="", created_at=1)
    assert allows_door(key, "openai")
    only = ApiKey(id="k", name="a", user_id="owner", hint="", created_at=1, doors=("ask",))
    assert (allows_door(only, "ask"), allows_door(only, "openai")) == (True, False)


async def test_the_last_use_is_written_once_a_minute(keys, clock, store):
    key, token = await keys.issue(user_id="owner", name="a")
    other, _ = await keys.issue(user_id="owner", name="never used")

    async def stored():
        return {each.key.id: each.key.last_used_at for each in await store.api_keys()}

    await keys.write_uses()
    assert await stored() == {key.id: None, other.id: None}
    keys.find(token)
    first = clock.at
    assert keys.list()[0].last_used_at == first
    commits = store.written.commits
    await keys.write_uses()
    await keys.write_uses()
    assert store.written.commits == commits + 1
    clock.pass_seconds(59)
    keys.find(token)
    await keys.write_uses()
    assert (await stored())[key.id] == first
    assert keys.get(key.id).last_used_at == clock.at
    clock.pass_seconds(1)
    keys.find(token)
    await keys.write_uses()
    assert (await stored())[key.id] == clock.at
    clock.pass_seconds(1)
    keys.find(token)
    await keys.write_uses(all_of_them=True)
    assert (await stored())[key.id] == clock.at
    revisions = await store.revisions()
    clock.at = first
    keys.find(token)
    await keys.write_uses(all_of_them=True)
    assert (await stored())[key.id] == first + 61_000_000, "a clock that was set back takes nothing back"
    assert await store.revisions() == revisions


async def test_only_the_hash_is_on_the_disk(keys, store, tmp_path):
    key, token = await keys.issue(user_id="owner", name="a")
    _, second = await keys.rotate(key.id)
    keys.find(second)
    await keys.write_uses()
    await store.close()
    written = b"".join(content(tmp_path).values())
    for each in (token, second):
        assert each[8:-4].encode() not in written
        assert hashlib.sha256(each.encode()).digest() in written


async def test_every_change_raises_the_revision(keys, users, store):
    async def revision():
        return (await store.revisions())["accounts"]

    before = await revision()
    member = await users.add("Kim")
    await users.change(member.id, role="owner", rpm=4)
    await users.set_password(member.id, "correct horse")
    await users.disable(member.id)
    key, _ = await keys.issue(user_id="owner", name="a")
    await keys.update(key.id, name="b")
    await keys.rotate(key.id)
    await keys.revoke(key.id)
    assert await revision() >= before + 8


async def test_a_key_is_found_from_memory_among_many(store, monkeypatch):
    users = Users(store, Passwords(store))
    await users.load()
    keys = Keys(store, users)
    made = [(new_token(), number) for number in range(2000)]
    await store.commit(*(
        AddKey(StoredKey(
            hashlib.sha256(token.encode()).digest(),
            ApiKey(id=f"key_{number}", name="a", user_id="owner", hint="", created_at=1),
        ))
        for token, number in made
    ))  # fmt: skip
    await keys.load()
    monkeypatch.setattr(keys, "_store", None)  # from here on it has no store to ask
    assert [keys.find(token).id for token, _ in made] == [f"key_{number}" for _, number in made]
    assert checksum(made[0][0][:-6]) == made[0][0][-6:]


async def test_who_asks_is_remembered_only_while_key_and_user_are_the_same(keys, users, clock):
    mina = await users.add("mina")
    _, token = await keys.issue(user_id=mina.id, name="app")
    known = keys.principal(token)
    assert keys.principal(token) is known
    clock.pass_seconds(5)
    keys.principal(token)
    assert keys.get(known.key.id).last_used_at == clock.at, "each use is noted"

    await users.set_role(mina.id, "owner")
    assert keys.principal(token).role == "owner"
    await keys.update(known.key.id, rpm=7)
    assert keys.principal(token).key.rpm == 7
    await users.disable(mina.id)
    with pytest.raises(InvalidKey):
        keys.principal(token)
    await users.enable(mina.id)
    assert keys.principal(token).user_id == mina.id

    await keys.update(known.key.id, expires_at=clock.at + HOUR)
    keys.principal(token)
    clock.pass_seconds(3600)
    with pytest.raises(InvalidKey):
        keys.principal(token)
    await keys.update(known.key.id, expires_at=None)
    keys.principal(token)
    await keys.revoke(known.key.id)
    with pytest.raises(InvalidKey):
        keys.principal(token)
