"""Accounts with providers: stored ones sealed, the environment's and the simulator beside them."""

import pytest

from support.folders import content
from talkmeter.accounts.base_urls import OPENAI
from talkmeter.accounts.provider_accounts import ENVIRONMENT_ID, SIMULATOR_ID, ProviderAccounts
from talkmeter.accounts.secrets import Sealer, load_key
from talkmeter.errors import BadInput, Conflict, NotFound, SettingError

CANARY = "sk-canary-0123456789abcdef"
ADMIN = "sk-admin-canary-0123456789wxyz"


@pytest.fixture
def make(store, resolved, tmp_path):
    async def making(**environment):
        file = tmp_path / "talkmeter.key"
        made = ProviderAccounts(store, Sealer(load_key(None, file), file), resolved(environment))
        await made.load()
        return made

    return making


async def test_add_and_find_again(make):
    accounts = await make()
    added = await accounts.add("  My   OpenAI ", key=f" {CANARY}\n")
    assert (added.name, added.base_url, added.key.hint, added.source) == ("My OpenAI", OPENAI, "cdef", "stored")
    later = await make()
    assert later.all() == (added,)
    assert later.reveal(added) == CANARY


async def test_a_key_is_nowhere_on_the_disk_in_clear(make, store, tmp_path):
    accounts = await make()
    await accounts.add("a", key=CANARY)
    await store.close()
    assert all(CANARY.encode() not in data for data in content(tmp_path).values())


async def test_a_start_with_another_key_is_refused(make, tmp_path):
    await (await make()).add("a", key=CANARY)
    (tmp_path / "talkmeter.key").unlink()
    with pytest.raises(SettingError, match="missing"):
        await make()


async def test_change_field_by_field(make):
    accounts = await make()
    added = await accounts.add("a", "http://localhost:11434/v1", CANARY)
    assert (await accounts.change(added.id, name="b")).name == "b"
    assert (await accounts.change(added.id, enabled=False)).enabled is False
    moved = await accounts.change(added.id, base_url="http://localhost:11434/v2")
    assert accounts.reveal(moved) == CANARY
    assert accounts.reveal(await accounts.change(added.id, key="")) is None
    assert (await make()).get(added.id) == accounts.get(added.id)


async def test_a_key_does_not_follow_to_another_server(make):
    accounts = await make()
    added = await accounts.add("a", key=CANARY)
    for url in ("https://evil.example/v1", "http://api.openai.com/v1", "https://api.openai.com:8443/v1"):
        with pytest.raises(BadInput) as caught:
            await accounts.change(added.id, base_url=url)
        assert caught.value.code == "key_needed"
    moved = await accounts.change(added.id, base_url="https://other.example/v1", key="sk-another-0123456789")
    assert accounts.reveal(moved) == "sk-another-0123456789"


async def test_an_admin_key_is_its_owners_too(make):
    accounts = await make()
    added = await accounts.add("a", key=CANARY, admin_key=ADMIN)
    assert (added.admin_key.hint, accounts.reveal_admin(added)) == (ADMIN[-4:], ADMIN)
    with pytest.raises(BadInput) as caught:
        await accounts.change(added.id, base_url="https://evil.example/v1", key=CANARY)
    assert (caught.value.code, caught.value.param) == ("key_needed", "admin_key")
    with pytest.raises(BadInput) as caught:
        await accounts.change(added.id, admin_key="two words")
    assert (caught.value.code, caught.value.param) == ("bad_key", "admin_key")
    bare = await accounts.change(added.id, admin_key="")
    assert (accounts.reveal_admin(bare), accounts.reveal(bare)) == (None, CANARY)


async def test_an_admin_key_of_the_environment_is_not_stored(make):
    accounts = await make(OPENAI_API_KEY=CANARY, OPENAI_ADMIN_KEY=ADMIN)
    (account,) = accounts.all()
    assert (account.admin_key.hint, accounts.reveal_admin(account)) == (ADMIN[-4:], ADMIN)
    assert (await make(OPENAI_ADMIN_KEY=ADMIN)).all()[0].source == "simulator"
    with pytest.raises(SettingError, match="OPENAI_ADMIN_KEY"):
        await make(OPENAI_ADMIN_KEY="two words")


async def test_names_are_unique_whatever_their_case(make):
    accounts = await make(OPENAI_API_KEY=CANARY)
    added = await accounts.add("Ollama")
    for name in ("ollama", "OpenAI", "SIMULATOR"):
        with pytest.raises(Conflict) as caught:
            await accounts.add(name)
        assert caught.value.code == "name_taken"
    assert (await accounts.change(added.id, name="OLLAMA")).name == "OLLAMA"


@pytest.mark.parametrize("name", ["", "   ", "x" * 81, "a\x1bb"])
async def test_bad_names(make, name):
    with pytest.raises(BadInput):
        await (await make()).add(name)


@pytest.mark.parametrize("key", ["sk canary", "sk-canary\nmore", "열쇠", "x" * 8193])
async def test_a_bad_key_is_refused_without_being_shown(make, key):
    with pytest.raises(BadInput) as caught:
        await (await make()).add("a", key=key)
    assert key not in caught.value.message
    assert (await make()).all()[0].source == "simulator"


async def test_delete(make):
    accounts = await make()
    added = await accounts.add("a")
    await accounts.delete(added.id)
    with pytest.raises(NotFound):
        accounts.get(added.id)
    with pytest.raises(NotFound):
        await accounts.delete(added.id)


async def test_the_environment_makes_a_provider(make):
    accounts = await make(OPENAI_API_KEY=CANARY)
    (account,) = accounts.all()
    assert (account.id, account.name, account.base_url, account.source) == (
        ENVIRONMENT_ID,
        "OpenAI",
        OPENAI,
        "environment",
    )
    assert account.key.hint == "cdef"
    assert accounts.reveal(account) == CANARY
    assert CANARY not in repr(accounts.all())
    for change in (accounts.change(ENVIRONMENT_ID, name="x"), accounts.delete(ENVIRONMENT_ID)):
        with pytest.raises(Conflict) as caught:
            await change
        assert caught.value.code == "provider_locked"


async def test_a_base_url_alone_makes_one_too(make):
    (account,) = (await make(OPENAI_BASE_URL="http://localhost:11434/v1/")).all()
    assert (account.name, account.base_url, account.key) == ("localhost:11434", "http://localhost:11434/v1", None)


async def test_what_the_environment_says_wrong_is_a_setting_that_cannot_be(make):
    with pytest.raises(SettingError, match=r"openai_base_url.*OPENAI_BASE_URL.*https://\.$") as caught:
        await make(OPENAI_BASE_URL="nonsense")
    assert "http://localhost:11434/v1" in caught.value.hint
    assert "http://localhost:11434/v1" in caught.value.hint_ko
    with pytest.raises(SettingError, match="OPENAI_API_KEY") as caught:
        await make(OPENAI_API_KEY="sk canary")
    assert "canary" not in f"{caught.value.message} {caught.value.message_ko} {caught.value.hint}"


async def test_the_simulator_stands_in_while_there_is_nothing_else(make):
    accounts = await make()
    assert [account.id for account in accounts.all()] == [SIMULATOR_ID]
    assert accounts.only_simulator
    assert accounts.usual_model == "sim-fast"
    added = await accounts.add("a")
    assert accounts.all() == (added,)
    assert not accounts.simulator_in_use
    assert accounts.usual_model == "gpt-4o-mini"
    await accounts.change(added.id, enabled=False)
    assert accounts.enabled()[0].id == SIMULATOR_ID
    await accounts.delete(added.id)
    assert accounts.only_simulator


async def test_the_simulator_can_be_asked_for_or_ruled_out(make):
    on = await make(TALKMETER_SIMULATOR="on", OPENAI_API_KEY=CANARY)
    assert [account.source for account in on.all()] == ["environment", "simulator"]
    assert not on.only_simulator
    off = await make(TALKMETER_SIMULATOR="off")
    assert off.all() == ()


async def test_the_simulator_is_where_it_was_started(make):
    accounts = await make()
    accounts.simulator_runs_at("http://127.0.0.1:9/v1")
    assert accounts.get(SIMULATOR_ID).base_url == "http://127.0.0.1:9/v1"
