"""A default model that nobody lists is told of in the log of the start; where nobody can know, nothing is said."""

import logging

import pytest

from support.gate import gate_open
from talkmeter.accounts.settings import Settings
from talkmeter.accounts.store import ProviderAccount
from talkmeter.app import default_model
from talkmeter.app.default_model import unless_listed
from talkmeter.app.wiring import open_application
from talkmeter.completions import UpstreamModel
from talkmeter.config import resolve
from talkmeter.errors import UpstreamError
from talkmeter.providers.registry import Offer

ACCOUNT = ProviderAccount(id="p", name="P", base_url="http://localhost/v1", key=None, enabled=True, created_at=0)
ENGINE = "text-chat-davinci-002-20221122"


def offer(*names, error=None):
    return Offer(ACCOUNT, tuple(UpstreamModel(name, None) for name in names), error)


@pytest.mark.parametrize(
    ("model", "names", "missing"),
    [
        ("a", ["a", "b"], False),
        ("c", ["a", "b"], True),
        ("llama3.1", ["llama3.1:8b"], False),
        ("sim-fast@60", ["sim-fast"], False),
        ("vendor/model:free", ["vendor/model"], False),
        ("vendor/other", ["vendor/model"], True),
        ("c", [], False),
    ],
)
def test_what_is_not_listed(model, names, missing):
    assert unless_listed(model, [offer(*names)]) == (names if missing else [])


def test_a_list_that_could_not_be_read_may_have_it():
    assert unless_listed("c", [offer("a"), offer(error=UpstreamError("…", "…"))]) == []
    assert unless_listed("c", [offer("a"), offer("b", "a")]) == ["a", "b"]


async def begun(application, caplog):
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="talkmeter.app.default_model"):
        await default_model.begin(application)
    return [record for record in caplog.records if record.message == "default_model_unknown"]


async def test_an_unknown_engine_is_told_of_with_what_there_is(tmp_path, caplog):
    async with gate_open(tmp_path, {"GPT_ENGINE": ENGINE}) as gate:
        (told,) = await begun(gate.application, caplog)
        assert (told.model, told.set_by) == (ENGINE, "GPT_ENGINE")
        assert told.hint.startswith("There are: sim-fast, ")
        provider = gate.application.accounts.providers.enabled()[0].id
    async with gate_open(tmp_path, default_model=ENGINE, default_provider_id=provider) as gate:
        assert len(await begun(gate.application, caplog)) == 1


async def test_one_that_was_chosen_on_the_page(tmp_path, caplog):
    async with gate_open(tmp_path) as gate:
        settings: Settings = gate.application.accounts.settings
        assert await begun(gate.application, caplog) == []
        await settings.change({"default_model": ENGINE})
        (told,) = await begun(gate.application, caplog)
        assert told.set_by == "the page"
        await settings.change({"default_model": "sim-fast"})
        assert await begun(gate.application, caplog) == []


async def test_without_a_network_nothing_is_claimed_and_nothing_fails(tmp_path, caplog):
    nowhere = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": "sk-none", "GPT_ENGINE": ENGINE}
    application = await open_application(resolve({"data_dir": str(tmp_path)}, nowhere))
    try:
        assert await begun(application, caplog) == []
    finally:
        await application.close()
