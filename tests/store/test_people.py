"""Users, their API keys, and the revisions by which other processes hear of changes: on both databases."""

import asyncio

import pytest
from msgspec.structs import replace

from talkmeter.accounts.store import (
    AddKey,
    AddSession,
    AddSignInToken,
    AddUser,
    ApiKey,
    ChangeKey,
    ChangeUser,
    Credentials,
    DeleteProvider,
    NoteKeyUses,
    RevokeKey,
    SaveSettings,
    SetPassword,
    StoredKey,
    User,
    UseSignInToken,
)
from talkmeter.errors import Conflict
from talkmeter.metering.pricebook_store import AddPriceRow
from talkmeter.metering.prices import own_row
from talkmeter.store import open_store

KIM = User(id="user_1", name="Kim 민지", role="member", created_at=7, rpm=5, tpm=None)


def a_key(number=1, **given):
    fields = {"id": f"key_{number}", "name": "앱", "user_id": "owner", "hint": "tm_abcde…wxyz", "created_at": number}
    return StoredKey(bytes([number, 255, 0]), ApiKey(**fields | given))


async def test_users_come_back_in_order(store):
    await store.commit(AddUser(KIM))
    owner, kim = await store.users()
    assert (owner.id, owner.role, owner.has_password) == ("owner", "owner", False)
    assert kim == KIM


async def test_a_user_is_changed_field_by_field(store):
    await store.commit(AddUser(KIM), ChangeUser(KIM.id, {"name": "Lee", "role": "owner"}))
    await store.commit(ChangeUser(KIM.id, {"disabled_at": 9, "rpm": None, "tpm": 2**40}))
    changed = replace(KIM, name="Lee", role="owner", disabled_at=9, rpm=None, tpm=2**40)
    assert (await store.users())[1] == changed
    assert await store.credentials_by_name("lee") is None
    await store.commit(ChangeUser(KIM.id, {"disabled_at": None}))
    assert await store.credentials_by_name("lee") == Credentials(KIM.id, None)
    assert await store.credentials_by_name("kim 민지") is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (AddUser(replace(KIM, id="user_2", name="ｋｉｍ 민지")), "user_name_taken"),
        (ChangeUser("owner", {"name": "KIM 민지"}), "user_name_taken"),
        (ChangeUser("user_none", {"name": "x"}), "user_not_found"),
        (ChangeUser("user_none", {}), "user_not_found"),
        (SetPassword("user_none", "x"), "user_not_found"),
        (ChangeUser("owner", {"role": "member", "rpm": 1}), "last_owner"),
        (ChangeUser("owner", {"disabled_at": 5}), "last_owner"),
        (AddKey(a_key(user_id="user_none")), "user_not_found"),
        (ChangeKey("key_none", {"name": "x"}), "key_revoked"),
    ],
)
async def test_what_is_refused_changes_nothing(store, change, code):
    await store.commit(AddUser(KIM))
    before = await store.users(), await store.api_keys(), await store.revisions()
    with pytest.raises(Conflict) as refused:
        await store.commit(change)
    assert refused.value.code == code
    assert (await store.users(), await store.api_keys(), await store.revisions()) == before


async def test_passwords_belong_to_users(store):
    await store.commit(AddUser(KIM), SetPassword(KIM.id, "$argon2id$…"))
    assert await store.credentials(KIM.id) == Credentials(KIM.id, "$argon2id$…")
    assert await store.credentials("owner") == Credentials("owner", None)
    assert await store.roles_with_password() == ["member"]
    assert [user.has_password for user in await store.users()] == [False, True]
    await store.commit(ChangeUser(KIM.id, {"disabled_at": 5}))
    assert await store.credentials(KIM.id) is None
    assert await store.roles_with_password() == []
    await store.commit(SetPassword(KIM.id, None))
    assert [user.has_password for user in await store.users()] == [False, False]


async def test_who_is_disabled_has_no_sessions_and_no_links(store):
    await store.commit(
        AddUser(KIM),
        AddSession(session_hash=b"k", principal=KIM.id, created_at=1, expires_at=100),
        AddSession(session_hash=b"o", principal="owner", created_at=1, expires_at=100),
        AddSignInToken(b"t", 1, 100, KIM.id),
    )
    assert await store.sign_in_user(b"t") == KIM.id
    await store.commit(ChangeUser(KIM.id, {"disabled_at": 5}))
    assert (await store.session(b"o", 5)).role == "owner"
    assert await store.sign_in_user(b"t") is None
    await store.commit(AddSession(session_hash=b"l", principal=KIM.id, created_at=1, expires_at=100))
    await store.commit(AddSignInToken(b"u", 1, 100, KIM.id))
    assert await store.session(b"l", 5) is None
    with pytest.raises(Conflict):
        await store.commit(UseSignInToken(b"u", used_at=5))
    await store.commit(ChangeUser(KIM.id, {"disabled_at": None}))
    assert await store.session(b"k", 5) is None


async def test_keys_come_back_as_they_were(store):
    full = a_key(
        2, models=("gpt-4o*", "모델"), doors=("openai",), expires_at=2**50, disconnect="cut", rpm=1, tpm=2,
        replaces="key_1",
    )  # fmt: skip
    await store.commit(AddKey(a_key()), AddKey(full))
    assert await store.api_keys() == [a_key(), full]
    await store.commit(ChangeKey("key_2", {"models": None, "doors": ("ask", "grpc"), "disconnect": "drain"}))
    await store.commit(ChangeKey("key_1", {"name": "x", "models": ("a",), "expires_at": 5, "rpm": 6, "tpm": 7}))
    first, second = [each.key for each in await store.api_keys()]
    assert second == replace(full.key, models=None, doors=("ask", "grpc"), disconnect="drain")
    assert first == replace(a_key().key, name="x", models=("a",), expires_at=5, rpm=6, tpm=7)
    with pytest.raises(Conflict) as refused:
        await store.commit(AddKey(a_key(3, replaces="key_1")))
    assert refused.value.code == "key_rotated"


async def test_a_key_is_revoked_once_and_for_ever(store):
    await store.commit(AddKey(a_key()), RevokeKey("key_1", 5), RevokeKey("key_1", 9), RevokeKey("key_none", 9))
    assert (await store.api_keys())[0].key.revoked_at == 5
    with pytest.raises(Conflict):
        await store.commit(ChangeKey("key_1", {"expires_at": None}))


async def test_the_last_use_only_moves_on_and_is_no_revision(store):
    await store.commit(AddKey(a_key()), AddKey(a_key(2)))
    before = await store.revisions()
    await store.commit(NoteKeyUses({"key_1": 10, "key_none": 10}))
    await store.commit(NoteKeyUses({"key_1": 9, "key_2": 9}))
    assert [each.key.last_used_at for each in await store.api_keys()] == [10, 9]
    assert await store.revisions() == before


async def test_each_change_that_others_must_hear_of_raises_the_revision(store):
    changes = [
        AddUser(KIM), ChangeUser(KIM.id, {"rpm": 1}), SetPassword(KIM.id, None), AddKey(a_key()),
        ChangeKey("key_1", {"rpm": 1}), RevokeKey("key_1", 1), SaveSettings({"theme": "dark"}),
        DeleteProvider("provider_none"), AddPriceRow(own_row(model="m", unit="input", usd="1"), created_at=1),
    ]  # fmt: skip
    assert await store.revisions() == {"accounts": 0}
    for number, change in enumerate(changes, 1):
        await store.commit(change)
        assert await store.revisions() == {"accounts": number}, change


async def test_two_processes_cannot_leave_nobody_in_charge(url, store):
    """Each would see the other's owner still there, if such changes did not wait for one another."""
    await store.commit(AddUser(replace(KIM, role="owner")))
    other = await open_store(url, ballast=0)
    try:
        for _ in range(30):
            done = await asyncio.gather(
                store.commit(ChangeUser("owner", {"disabled_at": 5})),
                other.commit(ChangeUser(KIM.id, {"role": "member"})),
                return_exceptions=True,
            )
            assert sorted(type(each).__name__ for each in done) == ["Conflict", "tuple"], done
            await store.commit(
                ChangeUser(KIM.id, {"role": "owner"}),
                ChangeUser("owner", {"disabled_at": None}),
            )
    finally:
        await other.close()
