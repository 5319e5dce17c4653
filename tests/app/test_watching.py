"""What one process changes, another knows within a second: two applications on one database."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from talkmeter.accounts.store import SaveProvider, SealedKey
from talkmeter.app.wiring import WATCH_SECONDS, Application, open_application
from talkmeter.config import resolve
from talkmeter.errors import InvalidKey, StoreError


@asynccontextmanager
async def running(data_dir, **environment):
    application = await open_application(resolve({"data_dir": str(data_dir)}, environment))
    await application.recover()
    watching = asyncio.create_task(application.watch())
    try:
        yield application
    finally:
        watching.cancel()
        await application.end_runs(0)
        await application.close()


@pytest.fixture
async def pair(tmp_path):
    async with running(tmp_path) as first, running(tmp_path) as second:
        yield first, second


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


def test_every_process_looks_often_enough():
    """Within a second is promised: it must have looked by then, and have room for reading."""
    assert WATCH_SECONDS <= 0.5


def refusal(application: Application, token):
    try:
        application.accounts.keys.find(token)
    except InvalidKey as error:
        return error.details["reason"]
    return None


async def test_keys_and_users_are_known_everywhere_within_a_second(pair):
    here, there = (application.accounts for application in pair)
    kim = await here.users.add("Kim")
    key, token = await here.keys.issue(user_id=kim.id, name="a")
    assert refusal(pair[0], token) is None
    await until(lambda: refusal(pair[1], token) is None)
    await there.users.disable(kim.id)
    assert refusal(pair[1], token) == "user_disabled"
    await until(lambda: refusal(pair[0], token) == "user_disabled")
    await there.users.enable(kim.id)
    await until(lambda: refusal(pair[0], token) is None)
    await here.keys.revoke(key.id)
    assert refusal(pair[0], token) == "revoked"
    await until(lambda: refusal(pair[1], token) == "revoked")


async def test_settings_providers_and_prices_come_too(pair):
    from talkmeter.metering.prices import own_row

    here, there = pair
    await here.accounts.settings.change({"theme": "dark"})
    await here.accounts.providers.add("Local", "http://127.0.0.1:9/v1")
    await here.prices.add(own_row(model="llama-9", unit="input", usd="1"))
    await until(lambda: there.accounts.settings.get("theme") == "dark")
    await until(lambda: "Local" in [each.name for each in there.accounts.providers.all()])
    await until(lambda: bool(there.prices.rows("llama-9")))


async def test_what_changes_while_a_start_reads_is_read_once_more(tmp_path, monkeypatch):
    async with running(tmp_path) as first:
        _, token = await first.accounts.keys.issue(user_id="owner", name="a")
        key = first.accounts.keys.list()[0]
        second = await open_application(resolve({"data_dir": str(tmp_path)}, {}))
        real = type(second.accounts.settings).load

        async def load_after_a_revocation(settings):
            await first.accounts.keys.revoke(key.id)
            await real(settings)

        monkeypatch.setattr(type(second.accounts.settings), "load", load_after_a_revocation)
        await second.accounts.load()
        assert refusal(second, token) is None
        watching = asyncio.create_task(second.watch())
        await until(lambda: refusal(second, token) == "revoked")
        watching.cancel()
        await second.close()


async def test_a_provider_that_cannot_be_read_keeps_no_revocation_back(pair, caplog, monkeypatch):
    here, there = pair
    key, token = await here.accounts.keys.issue(user_id="owner", name="a")
    await until(lambda: refusal(there, token) is None)
    added = await here.accounts.providers.add("Local", "http://127.0.0.1:9/v1")
    broken = type(added)(**{
        **{name: getattr(added, name) for name in added.__struct_fields__},
        "key": SealedKey(bytes(12), bytes(32), "abcd"),
    })  # fmt: skip
    await here.store.commit(SaveProvider(broken))
    await here.accounts.keys.revoke(key.id)
    await until(lambda: refusal(there, token) == "revoked")
    looks = []
    real = there.store.revisions

    async def revisions():
        looks.append(1)
        return await real()

    monkeypatch.setattr(there.store, "revisions", revisions)
    await until(lambda: len(looks) == 4)
    failures = [record for record in caplog.records if record.message == "watching_failed"]
    assert 1 <= len(failures) <= 2, "each of the two says it once"


async def test_a_store_that_is_busy_for_a_while_ends_no_watching(pair, monkeypatch):
    here, there = pair
    key, token = await here.accounts.keys.issue(user_id="owner", name="a")
    await until(lambda: refusal(there, token) is None)
    real = there.store.revisions
    tries = []

    async def failing():
        tries.append(1)
        if len(tries) < 3:
            raise StoreError("busy", "바쁨")
        return await real()

    monkeypatch.setattr(there.store, "revisions", failing)
    await here.accounts.keys.revoke(key.id)
    await until(lambda: refusal(there, token) == "revoked")
    assert len(tries) >= 3


async def test_the_last_use_is_stored_at_the_end(tmp_path):
    async with running(tmp_path) as first:
        _, token = await first.accounts.keys.issue(user_id="owner", name="a")
        first.accounts.keys.find(token)
        used = first.accounts.keys.list()[0].last_used_at
    async with running(tmp_path) as second:
        assert second.accounts.keys.list()[0].last_used_at == used
