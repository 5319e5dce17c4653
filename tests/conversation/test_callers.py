"""Whose a call is."""

from types import SimpleNamespace

import pytest
from msgspec import structs

from talkmeter.accounts.principals import LOCAL_PRINCIPAL, Principal
from talkmeter.accounts.store import ApiKey, User
from talkmeter.conversation.callers import Callers
from talkmeter.metering.admission import RateLimit, Whose

KEY = ApiKey(id="key_2", name="app", user_id="mina", hint="…", created_at=1, rpm=5, replaces="key_1")


@pytest.fixture
def people():
    return {"mina": User(id="mina", name="Mina", role="member", created_at=1, tpm=900)}


@pytest.fixture
def callers(people):
    return Callers(SimpleNamespace(get=people.__getitem__), SimpleNamespace(first_id=lambda key: key.replaces))


def test_a_key_counts_as_the_one_that_it_was_made_from_and_with_its_user(callers):
    whose = callers.whose(Principal(user_id="mina", role="member", key=KEY), ("a",))
    rates = RateLimit("key_1", 5, None), RateLimit("mina", None, 900)
    assert whose == Whose(user_id="mina", key_id="key_1", tags=("a",), rates=rates)


def test_without_a_key_there_is_only_the_user(callers):
    assert callers.whose(LOCAL_PRINCIPAL) == Whose(user_id="local")


def test_it_is_worked_out_once_for_a_principal_and_its_tags(callers, people, monkeypatch):
    monkeypatch.setattr("talkmeter.conversation.callers.MOST_KNOWN", 2)
    mina = Principal(user_id="mina", role="member", key=KEY)
    first = callers.whose(mina, ("a",))
    assert callers.whose(mina, ("a",)) is first
    assert callers.whose(mina, ("b",)).tags == ("b",)
    assert callers.whose(mina, ("c",)).tags == ("c",)
    again = callers.whose(mina, ("a",))
    assert again == first, "also when it had to be forgotten"

    people["mina"] = structs.replace(people["mina"], tpm=10)  # then the keys have another principal for her
    changed = callers.whose(Principal(user_id="mina", role="member", key=KEY), ("a",))
    assert [rate.tokens for rate in changed.rates] == [None, 10]
