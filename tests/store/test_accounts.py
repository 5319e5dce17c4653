"""Providers, settings, sign-in tokens, sessions and own price rows."""

import asyncio

import pytest

from talkmeter.accounts.store import (
    AddSession,
    AddSignInToken,
    AddUser,
    DeleteProvider,
    EndAllSessions,
    EndSession,
    OwnTimeouts,
    ProviderAccount,
    SaveProvider,
    SaveSettings,
    SealedKey,
    Session,
    User,
    UseSignInToken,
)
from talkmeter.errors import Conflict
from talkmeter.metering.pricebook_store import AddPriceRow, DeletePriceRow
from talkmeter.metering.prices import own_row


def a_provider(**given):
    fields = {
        "id": "provider_1",
        "name": "OpenAI",
        "base_url": "https://api.openai.com/v1",
        "key": SealedKey(bytes(range(12)), bytes(range(256)), "-abc"),
        "enabled": True,
        "created_at": 10,
    }
    return ProviderAccount(**fields | given)


async def test_providers_come_back_in_order_of_creation(store):
    second = a_provider(id="b", name="B", created_at=2, key=None, enabled=False, source="environment")
    first = a_provider(id="a", name="A", created_at=1)
    await store.commit(SaveProvider(second), SaveProvider(first))
    assert await store.providers() == [first, second]


async def test_a_provider_keeps_its_time_outs(store):
    own = OwnTimeouts(connect=0.5, first_token=600.25)
    await store.commit(SaveProvider(a_provider(timeouts=own)))
    assert [one.timeouts for one in await store.providers()] == [own]
    await store.commit(SaveProvider(a_provider()))
    assert [one.timeouts for one in await store.providers()] == [OwnTimeouts()]


async def test_a_provider_is_replaced_by_id(store):
    await store.commit(SaveProvider(a_provider()))
    changed = a_provider(name="Ours", base_url="http://localhost:11434/v1", key=None, enabled=False, created_at=99)
    await store.commit(SaveProvider(changed))
    assert await store.providers() == [changed]


@pytest.mark.parametrize("known", [False, True])
async def test_two_providers_cannot_have_one_name(store, known):
    await store.commit(SaveProvider(a_provider()))
    if known:
        await store.commit(SaveProvider(a_provider(id="provider_2", name="Other")))
    with pytest.raises(Conflict) as refused:
        await store.commit(SaveProvider(a_provider(id="provider_2")))
    assert refused.value.code == "provider_name_taken"
    assert [each.name for each in await store.providers()] == ["OpenAI", "Other"][: 1 + known]


async def test_a_provider_is_deleted_and_its_name_is_free_again(store):
    await store.commit(SaveProvider(a_provider()))
    await store.commit(DeleteProvider("provider_1"), DeleteProvider("provider_none"))
    await store.commit(SaveProvider(a_provider(id="provider_2")))
    assert [each.id for each in await store.providers()] == ["provider_2"]


async def test_settings_are_added_changed_and_removed(store):
    values = {"window": 5, "rate": 1_380.5, "language": "한국어", "list": [1, None, {"a": True}], "off": False}
    await store.commit(SaveSettings(values))
    assert await store.settings() == values
    await store.commit(SaveSettings({"window": 0, "language": None, "never_there": None}))
    assert await store.settings() == {"window": 0, "rate": 1_380.5, "list": [1, None, {"a": True}], "off": False}


async def test_a_sign_in_token_works_once_under_50_attempts_at_once(store):
    await store.commit(AddSignInToken(b"\x00\xff", created_at=1, expires_at=100, user_id="owner"))
    attempts = (store.commit(UseSignInToken(b"\x00\xff", used_at=50)) for _ in range(50))
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    assert outcomes.count(()) == 1
    assert {type(each) for each in outcomes} == {tuple, Conflict}


@pytest.mark.parametrize(("token", "at"), [(b"a", 100), (b"a", 101), (b"b", 50)])
async def test_a_sign_in_token_that_is_expired_or_unknown_is_refused(store, token, at):
    await store.commit(AddSignInToken(b"a", created_at=1, expires_at=100, user_id="owner"))
    with pytest.raises(Conflict) as refused:
        await store.commit(UseSignInToken(token, used_at=at))
    assert refused.value.code == "token_not_usable"


async def test_a_sign_in_token_is_added_once(store):
    await store.commit(AddSignInToken(b"a", created_at=1, expires_at=100, user_id="owner"))
    with pytest.raises(Conflict):
        await store.commit(AddSignInToken(b"a", created_at=2, expires_at=200, user_id="owner"))


async def test_a_refused_token_makes_no_session(store):
    session = AddSession(session_hash=b"s", principal="owner", created_at=1, expires_at=100)
    with pytest.raises(Conflict):
        await store.commit(session, UseSignInToken(b"none", used_at=1))
    assert await store.session(b"s", 1) is None


async def test_a_session_lasts_until_it_expires_or_is_ended(store):
    await store.commit(AddUser(User(id="guest", name="Guest", role="member", created_at=1)))
    for name, principal in ((b"1", "owner"), (b"2", "owner"), (b"3", "guest"), (b"4", "owner")):
        await store.commit(AddSession(session_hash=name, principal=principal, created_at=1, expires_at=100))
    assert await store.session(b"1", 99) == Session("owner", "owner", 1, 100)
    assert await store.session(b"1", 100) is None
    assert await store.session(b"9", 1) is None
    await store.commit(EndSession(b"1"), EndSession(b"9"))
    assert await store.session(b"1", 1) is None
    await store.commit(EndAllSessions("owner"))
    assert [await store.session(name, 1) is None for name in (b"2", b"3", b"4")] == [True, False, True]


async def test_a_session_is_added_once(store):
    session = AddSession(session_hash=b"s", principal="owner", created_at=1, expires_at=100)
    await store.commit(session)
    with pytest.raises(Conflict):
        await store.commit(session)


async def test_expired_sessions_and_tokens_are_swept_when_new_ones_come(store):
    await store.commit(
        AddSession(session_hash=b"old", principal="owner", created_at=1, expires_at=100),
        AddSignInToken(b"old", created_at=1, expires_at=100, user_id="owner"),
    )
    await store.commit(
        AddSession(session_hash=b"new", principal="owner", created_at=500, expires_at=600),
        AddSignInToken(b"new", created_at=500, expires_at=600, user_id="owner"),
    )
    # Their hashes are free again, so they are gone and not only hidden.
    await store.commit(
        AddSession(session_hash=b"old", principal="owner", created_at=1, expires_at=700),
        AddSignInToken(b"old", created_at=1, expires_at=700, user_id="owner"),
    )
    assert await store.session(b"old", 1) == Session("owner", "owner", 1, 700)


async def test_price_rows_are_added_listed_and_deleted_and_never_overwritten(store):
    first = own_row(model="llama-3", unit="input", usd="0.05")
    second = own_row(model="gpt-9*", unit="image:hd:1024x1024", usd="0.08", per=1, band_from=200_000, effective_from=7)
    await store.commit(AddPriceRow(first, created_at=2))
    await store.commit(AddPriceRow(second, created_at=1))
    assert await store.price_rows() == [first, second]
    with pytest.raises(Conflict) as refused:
        await store.commit(AddPriceRow(first, created_at=3))
    assert refused.value.code == "price_row_exists"
    await store.commit(DeletePriceRow(first.id))
    assert await store.price_rows() == [second]
    with pytest.raises(Conflict) as refused:
        await store.commit(DeletePriceRow(first.id))
    assert refused.value.code == "no_such_price_row"
