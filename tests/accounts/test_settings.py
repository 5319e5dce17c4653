"""Settings on the page: stored below flag, environment and file; locked where those speak."""

import pytest

from talkmeter.accounts.settings import Settings
from talkmeter.accounts.store import SaveSettings
from talkmeter.errors import BadInput, Conflict


@pytest.fixture
async def settings(store, resolved):
    made = Settings(resolved({"TALKMETER_THEME": "dark"}), store, lambda: "sim-fast")
    await made.load()
    return made


async def again(store, resolved, **environment):
    made = Settings(resolved(environment), store)
    await made.load()
    return made


async def test_a_change_is_stored_and_read_again(settings, store, resolved):
    await settings.change({"default_window": 0, "currency_rate": "1350.5", "default_temperature": 0.7})
    assert settings.get("default_window") == 0
    assert settings.source("default_window") == "stored"
    later = await again(store, resolved)
    assert later.get("default_window") == 0
    assert later.page_values()["currency_rate"] == "1350.5"
    assert later.get("default_temperature") == 0.7


async def test_none_goes_back_to_the_default(settings, store, resolved):
    await settings.change({"default_window": 9, "language": "ko"})
    await settings.change({"default_window": None})
    assert settings.get("default_window") == 5
    later = await again(store, resolved)
    assert later.source("default_window") == "default"
    assert later.get("language") == "ko"


async def test_what_is_stored_holds_while_it_is_read_again(settings, store, monkeypatch):
    await settings.change({"default_window": 9})
    seen = []
    read = store.settings

    async def slowly():
        seen.append(settings.get("default_window"))
        return await read()

    monkeypatch.setattr(store, "settings", slowly)
    await settings.load()
    assert (seen, settings.get("default_window")) == ([9], 9)


async def test_a_rate_is_that_of_one_currency(settings, store, resolved):
    await settings.change({"currency": "KRW", "currency_rate": "1380.5"})
    await settings.change({"currency": "KRW", "language": "ko"})
    assert settings.page_values()["currency_rate"] == "1380.5"
    await settings.change({"currency": "EUR"})
    assert settings.get("currency_rate") is None
    assert (await again(store, resolved)).get("currency_rate") is None
    await settings.change({"currency_rate": "0.92"})
    await settings.change({"currency": None})
    assert (settings.get("currency"), settings.get("currency_rate")) == ("USD", None)


async def test_flag_environment_and_file_beat_what_is_stored(settings, store, resolved):
    await settings.change({"default_window": 9})
    later = await again(store, resolved, TALKMETER_DEFAULT_WINDOW="2")
    assert later.get("default_window") == 2
    assert later.locked() == {"default_window": "environment"}


async def test_a_locked_setting_says_who_locks_it(settings):
    assert settings.locked() == {"theme": "environment"}
    with pytest.raises(Conflict) as caught:
        await settings.change({"theme": "light", "default_window": 3})
    assert caught.value.code == "setting_locked"
    assert "TALKMETER_THEME" in caught.value.message
    assert settings.get("default_window") == 5, "all or none"


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"default_window": -1}, "bad_setting"),
        ({"default_window": "many"}, "bad_setting"),
        ({"default_temperature": float("nan")}, "bad_setting"),
        ({"currency": "won"}, "bad_setting"),
        ({"port": 80}, "unknown_setting"),
        ({"openai_api_key": "sk-x"}, "unknown_setting"),
        ({"owner_password": "x"}, "unknown_setting"),
        ({"nonsense": 1}, "unknown_setting"),
    ],
)
async def test_what_cannot_be_is_refused(settings, store, values, code):
    with pytest.raises(BadInput) as caught:
        await settings.change({"language": "ko", **values})
    assert caught.value.code == code
    assert caught.value.status == 400
    assert await store.settings() == {}


async def test_a_stored_value_that_no_longer_fits_is_left_out(store, resolved, caplog):
    await store.commit(SaveSettings({"default_window": "all", "language": "ko", "gone": 1}))
    settings = await again(store, resolved)
    assert settings.get("default_window") == 5
    assert settings.get("language") == "ko"
    assert "stored_setting_ignored" in caplog.text


async def test_the_page_sees_its_own_settings_only(settings):
    values = settings.page_values()
    assert set(values) == {setting.name for setting in settings.described()}
    assert values["default_model"] == "sim-fast"
    assert values["currency_rate"] is None
    assert not {"port", "encryption_key", "owner_password"} & set(values)


async def test_a_chosen_model_goes_before_the_usual_one(settings):
    await settings.change({"default_model": "gpt-4o"})
    assert settings.get("default_model") == "gpt-4o"
