"""Users: named once, owners and members, disabled but never deleted, never without an owner."""

import asyncio

import pytest

from talkmeter.accounts.passwords import Passwords
from talkmeter.accounts.sessions import INVITATION_SECONDS, Sessions
from talkmeter.accounts.store import ChangeUser
from talkmeter.accounts.users import Users
from talkmeter.errors import BadInput, Conflict, NotFound, NotSignedIn


@pytest.fixture
def sessions(store, clock):
    return Sessions(store, clock)


async def test_a_new_database_has_one_owner_without_a_password(users):
    (owner,) = users.list()
    assert (owner.id, owner.name, owner.role, owner.disabled_at, owner.has_password) == (
        "owner", "owner", "owner", None, False,
    )  # fmt: skip
    assert users.enabled == {"owner"}


async def test_users_are_added_and_changed(users, clock, store):
    kim = await users.add("  Kim  민지 ", rpm=10)
    assert (kim.name, kim.role, kim.rpm, kim.tpm, kim.created_at) == ("Kim 민지", "member", 10, None, clock.at)
    assert kim.id.startswith("user_")
    assert users.by_name("KIM 민지") == users.by_name(kim.id) == users.get(kim.id) == kim
    changed = await users.change(kim.id, name="Lee", role="owner", rpm=None, tpm=500)
    assert (changed.name, changed.role, changed.rpm, changed.tpm) == ("Lee", "owner", None, 500)
    assert (await users.rename(kim.id, "Park")).name == "Park"
    assert (await users.set_role(kim.id, "member")).role == "member"
    elsewhere = Users(store, Passwords(store))
    await elsewhere.load()
    assert elsewhere.list() == users.list()
    for call in (users.get, users.by_name):
        with pytest.raises(NotFound):
            call("nobody")
    with pytest.raises(NotFound):
        await users.change("user_none", name="x")


@pytest.mark.parametrize("name", ["kim", "KIM", "Ｋｉｍ", " kim ", "Kım".replace("ı", "i")])
async def test_two_users_cannot_have_names_that_look_the_same(users, name):
    kim = await users.add("Kim")
    with pytest.raises(Conflict) as caught:
        await users.add(name)
    assert caught.value.code == "user_name_taken"
    with pytest.raises(Conflict):
        await users.rename("owner", name)
    assert (await users.rename(kim.id, name)).name == " ".join(name.split()), "one's own name is free"


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "x" * 81}, {"name": "a\0b"}, {"role": "admin"}, {"rpm": 0}, {"tpm": -5}]
)
async def test_what_a_user_cannot_be(users, wrong):
    with pytest.raises(BadInput) as caught:
        await users.add(**{"name": "Kim", **wrong})
    assert caught.value.param in wrong
    with pytest.raises(BadInput):
        await users.change("owner", **wrong)
    assert len(users.list()) == 1


async def test_the_last_owner_stays(users):
    member = await users.add("Kim")
    for change in ({"role": "member"}, {"disabled": True}):
        with pytest.raises(Conflict) as caught:
            await users.change("owner", **change)
        assert caught.value.code == "last_owner"
    await users.set_role(member.id, "owner")
    await users.disable("owner")
    with pytest.raises(Conflict):
        await users.set_role(member.id, "member")
    await users.enable("owner")
    await users.set_role(member.id, "member")
    assert users.enabled == {"owner", member.id}


async def test_of_two_owners_who_disable_each_other_one_stays(users, store):
    other = await users.add("Kim", "owner")
    for _ in range(20):
        changes = [store.commit(ChangeUser(each, {"disabled_at": 5})) for each in ("owner", other.id)]
        done = await asyncio.gather(*changes, return_exceptions=True)
        assert sorted(type(each).__name__ for each in done) == ["Conflict", "tuple"]
        await store.commit(*(ChangeUser(each, {"disabled_at": None}) for each in ("owner", other.id)))


async def test_who_is_disabled_is_signed_out_at_once(users, sessions, clock, store):
    kim = await users.add("Kim")
    cookie, owners = await sessions.start(kim.id), await sessions.start()
    assert (await sessions.find(cookie)).role == "member"
    link = await sessions.new_link_token(user_id=kim.id)
    disabled = await users.disable(kim.id)
    assert disabled.disabled_at == clock.at
    assert await sessions.find(cookie) is None
    assert await sessions.find(owners) is not None
    clock.pass_seconds(5)
    assert (await users.disable(kim.id)).disabled_at == disabled.disabled_at
    await users.enable(kim.id)
    assert await sessions.find(cookie) is None, "enabling signs nobody in"
    with pytest.raises(NotSignedIn):
        await sessions.use_link_token(link)


async def test_a_disabled_user_cannot_sign_in(users, sessions):
    kim = await users.add("Kim")
    await users.set_password(kim.id, "correct horse")
    await users.disable(kim.id)
    passwords = users._passwords
    assert await passwords.verify("correct horse", "here", "Kim") is None
    link = await sessions.new_link_token(user_id=kim.id)  # of a moment before
    with pytest.raises(NotSignedIn):
        await sessions.use_link_token(link)
    assert await sessions.find(await sessions.start(kim.id)) is None


async def test_an_invitation_signs_its_user_in(users, sessions, clock):
    kim = await users.add("Kim")
    token, ends = await sessions.invite(kim.id)
    assert ends == clock.at + INVITATION_SECONDS * 1_000_000
    session = await sessions.find(await sessions.use_link_token(token))
    assert (session.principal, session.role) == (kim.id, "member")


async def test_everybody_has_a_password_of_their_own(users):
    passwords = users._passwords
    kim = await users.add("Kim")
    await users.set_password("owner", "the owner's one")
    assert (await users.set_password(kim.id, "the password of kim")).has_password
    assert await passwords.verify("the owner's one", "here") == "owner"
    assert await passwords.verify("the owner's one", "here", "OWNER ") == "owner"
    assert await passwords.verify("the password of kim", "here", "kim") == kim.id
    assert await passwords.verify("the password of kim", "here") is None
    assert await passwords.verify("the owner's one", "here", "Kim") is None
    assert await passwords.verify("the owner's one", "there", "nobody") is None
    assert await passwords.verify_of(kim.id, "the password of kim", "there")
    assert not (await users.set_password(kim.id, None)).has_password
    assert await passwords.owner_has_one()
    await users.set_password("owner", None)
    assert not await passwords.is_set()
    with pytest.raises(NotFound):
        await users.set_password("user_none", "long enough")


async def test_a_role_changes_what_an_open_session_may(users, sessions):
    kim = await users.add("Kim")
    cookie = await sessions.start(kim.id)
    await users.set_role(kim.id, "owner")
    assert (await sessions.find(cookie)).role == "owner"


async def test_ending_all_sessions_may_keep_one(users, sessions):
    first, second = await sessions.start(), await sessions.start()
    await sessions.end_all(but=second)
    assert await sessions.find(first) is None
    assert await sessions.find(second) is not None
