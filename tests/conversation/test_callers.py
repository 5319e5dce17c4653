"""Whose a call is."""

from types import SimpleNamespace

import pytest

from talkmeter.accounts.principals import LOCAL_PRINCIPAL, Principal
from talkmeter.accounts.store import ApiKey, User
from talkmeter.conversation.callers import Callers
from talkmeter.metering.admission import RateLimit, Whose

KEY = ApiKey(id="key_2", name="app", user_id="mina", hint="…", created_at=1, rpm=5, replaces="key_1")


@pytest.fixture
def callers():
    user = User(id="mina", name="Mina", role="member", created_at=1, tpm=900)
    users = SimpleNamespace(get={"mina": user}.__getitem__)
    return Callers(users, SimpleNamespace(first_id=lambda key: key.replaces))


def test_a_key_counts_as_the_one_that_it_was_made_from_and_with_its_user(callers):
    whose = callers.whose(Principal(user_id="mina", role="member", key=KEY), ("a",))
    rates = RateLimit("key_1", 5, None), RateLimit("mina", None, 900)
    assert whose == Whose(user_id="mina", key_id="key_1", tags=("a",), rates=rates)


def test_without_a_key_there_is_only_the_user(callers):
    assert callers.whose(LOCAL_PRINCIPAL) == Whose(user_id="local")
