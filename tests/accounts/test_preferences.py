"""Language and theme, each user's own; everybody's where nothing is chosen."""

import asyncio
import logging

import pytest

from talkmeter.accounts.preferences import Preferences
from talkmeter.accounts.settings import Settings
from talkmeter.accounts.store import SaveSettings
from talkmeter.errors import BadInput


async def opened(store, resolved, **environment):
    settings = Settings(resolved(environment), store)
    await settings.load()
    preferences = Preferences(settings, store)
    await preferences.load()
    return settings, preferences


def seen(preferences, user):
    values = preferences.page_values(user)
    return values["language"], values["theme"]


async def test_what_one_chooses_is_theirs_alone_and_stays(store, resolved):
    settings, preferences = await opened(store, resolved)
    await preferences.change("kim", {"language": "ko", "theme": "dark"})
    await settings.change({"theme": "light"})
    assert seen(preferences, "kim") == ("ko", "dark")
    assert seen(preferences, "lee") == ("auto", "light")
    settings, preferences = await opened(store, resolved)
    assert seen(preferences, "kim") == ("ko", "dark")
    assert settings.page_values()["language"] == "auto"


async def test_none_goes_back_to_everybody_s(store, resolved):
    settings, preferences = await opened(store, resolved)
    await settings.change({"language": "en"})
    await preferences.change("kim", {"language": "ko", "theme": "dark"})
    await preferences.change("kim", {"language": None})
    assert seen(preferences, "kim") == ("en", "dark")
    await preferences.forget("kim", ["theme", "default_window"])
    await preferences.forget("kim", ["theme"])
    assert seen((await opened(store, resolved))[1], "kim") == ("en", "auto")


async def test_what_is_chosen_holds_while_it_is_read_again_and_what_is_chosen_meanwhile_stays(
    store, resolved, monkeypatch
):
    _, preferences = await opened(store, resolved)
    await preferences.change("kim", {"language": "ko", "theme": "dark"})
    seen_meanwhile, begun, read = [], asyncio.Event(), store.settings

    async def slowly():
        stored = await read()
        seen_meanwhile.append(seen(preferences, "kim"))
        begun.set()
        await asyncio.sleep(0.05)
        return stored

    monkeypatch.setattr(store, "settings", slowly)
    reading = asyncio.create_task(preferences.load())
    await begun.wait()
    await preferences.change("kim", {"theme": "light"})
    await reading
    assert seen_meanwhile == [("ko", "dark")]
    assert seen(preferences, "kim") == ("ko", "light")


async def test_also_where_everybody_s_is_fixed_elsewhere(store, resolved):
    _, preferences = await opened(store, resolved, TALKMETER_LANGUAGE="en")
    await preferences.change("kim", {"language": "ko"})
    assert seen(preferences, "kim")[0] == "ko"
    assert seen(preferences, "lee")[0] == "en"


@pytest.mark.parametrize(("values", "code", "param"), [
    ({"language": "ko", "theme": "blue"}, "bad_setting", "theme"),
    ({"language": 7}, "bad_setting", "language"),
    ({"default_window": 3}, "unknown_setting", "default_window"),
    ({"language@lee": "ko"}, "unknown_setting", "language@lee"),
])  # fmt: skip
async def test_all_or_none(store, resolved, values, code, param):
    _, preferences = await opened(store, resolved)
    with pytest.raises(BadInput) as caught:
        await preferences.change("kim", values)
    assert (caught.value.code, caught.value.param) == (code, param)
    assert caught.value.message_ko != caught.value.message
    assert seen(preferences, "kim") == ("auto", "auto")
    assert await store.settings() == {}


async def test_what_does_not_fit_any_more_is_left_out(store, resolved, caplog):
    await store.commit(SaveSettings({"theme@kim": "sepia", "language@kim": "ko", "port@kim": 80}))
    with caplog.at_level(logging.WARNING):
        _, preferences = await opened(store, resolved)
    assert seen(preferences, "kim") == ("ko", "auto")
    assert [record.message for record in caplog.records] == ["stored_preference_ignored"]
