"""Lists of models as the many servers write them, and the registry that asks for them."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.upstreams import chat, collect, provider_at
from talkmeter.accounts.provider_accounts import ProviderAccounts
from talkmeter.accounts.secrets import Sealer
from talkmeter.completions import UpstreamModel
from talkmeter.config import resolve
from talkmeter.errors import BadInput, NotFound, UpstreamError
from talkmeter.providers.model_lists import NoModels, read_models, words_of_error
from talkmeter.providers.registry import Registry
from talkmeter.store import open_store


@pytest.mark.parametrize(
    ("row", "window"),
    [
        ({"id": "gpt-4o", "object": "model"}, None),
        ({"id": "vllm", "max_model_len": 32768}, 32768),
        ({"id": "llama.cpp", "meta": {"n_ctx_train": 131072, "n_params": 1}}, 131072),
        ({"id": "llama.cpp", "meta": {"n_ctx_train": 131072, "n_ctx": 4096}}, 4096),
        ({"id": "openrouter", "context_length": 200000}, 200000),
        ({"id": "groq", "context_window": 8192}, 8192),
        ({"id": "mistral", "max_context_length": 128000}, 128000),
        ({"id": "odd", "max_model_len": True, "context_length": "8192", "meta": 3}, None),
        ({"id": "odd", "max_model_len": -1}, None),
    ],
)
def test_the_size_of_the_context_where_the_server_says_it(row, window):
    assert read_models(json.dumps({"data": [row]}).encode()) == [UpstreamModel(row["id"], window)]


def test_other_shapes_and_odd_rows():
    rows = [
        {"id": "a"},
        {"id": "a"},
        {"id": ""},
        {"id": 3},
        "b",
        None,
        {"name": "c"},
        {"id": "x" * 400},
        {"id": "\x1b"},
    ]
    assert [model.id for model in read_models(json.dumps(rows).encode())] == ["a", "c"]
    assert [model.id for model in read_models(json.dumps({"models": rows}).encode())] == ["a", "c"]


@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"data": {}}', b"3", b"\xff"])
def test_what_is_no_list(body):
    with pytest.raises(NoModels):
        read_models(body)


@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda text: json.dumps({"data": [text]}).encode()))
def test_no_body_makes_it_fail_otherwise(body):
    words_of_error(body)
    try:
        models = read_models(body)
    except NoModels:
        return
    assert all(model.id for model in models)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"message": "no  such\\nmodel"}}', "no such model"),
        (b'{"error": "plain"}', "plain"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b"<h1>Bad  gateway</h1>", "Bad gateway"),
        (b"no <answer>", "no <answer>"),
        (b"{}", ""),
    ],
)
def test_the_providers_own_words(body, words):
    assert words_of_error(body) == words


async def test_the_simulators_list(provider):
    assert "sim-fast" in [model.id for model in await provider.models()]


async def test_a_refused_list_says_so_in_the_providers_words(simulator, client):
    with pytest.raises(UpstreamError) as caught:
        await provider_at(simulator.base_url, client, key="sk-bad-key-0123456789").models()
    assert caught.value.details["status"] == 401
    assert "401" in caught.value.message
    assert "sk-bad-key-0123456789" not in caught.value.message


@pytest.fixture
async def accounts(tmp_path):
    store = await open_store(tmp_path / "talkmeter.db", ballast=0)
    made = ProviderAccounts(store, Sealer(bytes(32), tmp_path / "k"), resolve({"data_dir": str(tmp_path)}, {}))
    await made.load()
    yield made
    await store.close()


@pytest.fixture
def registry(accounts, client, simulator):
    async def start():
        accounts.simulator_runs_at(simulator.base_url)
        return simulator.base_url

    return Registry(accounts, client, start)


async def test_with_no_provider_the_simulator_answers_once_started(registry, simulator):
    picked = registry.pick(None, "sim-fast")
    assert picked.name == "Simulator"
    assert (await collect(picked, chat())).head.status == 200
    assert len(simulator.bill.rows) == 1


async def test_the_named_one_else_the_first_that_lists_the_model_else_the_first(registry, accounts, simulator):
    first = await accounts.add("nowhere", "http://127.0.0.1:9/v1", "sk-first-0123456789")
    second = await accounts.add("simulated", simulator.base_url)
    assert registry.pick(None, "sim-fast").id == first.id
    assert registry.pick(second.id, "anything").id == second.id
    offers = await registry.offers()
    assert [offer.error is None for offer in offers] == [False, True]
    assert registry.pick(None, "sim-fast").id == second.id
    assert registry.pick(None, "gpt-unheard-of").id == first.id
    assert registry.pick(None, "sim-fast") is registry.pick(None, "sim-fast")
    await accounts.change(second.id, enabled=False)
    assert registry.pick(None, "sim-fast").id == first.id


async def test_lists_are_kept_until_refreshed_or_the_account_changes(registry, accounts, scripted):
    async def listing(_reader, writer, _request):
        body = b'{"data": [{"id": "m"}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return "stay"

    async with scripted.running(listing):
        account = await accounts.add("a", scripted.base_url)
        for expected, refresh in [(1, False), (1, False), (2, True)]:
            await registry.offers(refresh=refresh)
            assert len(scripted.requests) == expected
        await accounts.change(account.id, key="sk-new-0123456789")
        await registry.offers()
    assert scripted.requests[2]["headers"]["authorization"] == "Bearer sk-new-0123456789"


async def test_what_a_list_says_of_the_context_is_read_meanwhile_and_remembered(registry, accounts, scripted):
    read = asyncio.Event()

    async def listing(_reader, writer, _request):
        body = b'{"data": [{"id": "local", "max_model_len": 8192}, {"id": "other"}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        read.set()

    assert registry.context_window("provider_simulator", "sim-fast") is None
    async with scripted.running(listing):
        account = await accounts.add("a", scripted.base_url)
        assert registry.context_window(account.id, "local") is None
        assert registry.context_window(account.id, "local") is None
        await asyncio.wait_for(read.wait(), 60)
        await registry.offers()
        assert registry.context_window(account.id, "local") == 8192
        assert registry.context_window(account.id, "other") is registry.context_window(account.id, "unheard") is None
        assert registry.context_window("provider_gone", "local") is None
        assert len(scripted.requests) <= 2  # `offers` may have come before the first had been answered


async def test_gone_and_switched_off_providers_are_not_picked(registry, accounts, simulator):
    account = await accounts.add("a", simulator.base_url)
    await accounts.change(account.id, enabled=False)
    with pytest.raises(NotFound) as caught:
        registry.pick(account.id, "m")
    assert caught.value.code == "provider_disabled"
    await accounts.delete(account.id)
    with pytest.raises(NotFound) as caught:
        registry.pick(account.id, "m")
    assert caught.value.code == "provider_not_found"


async def test_a_change_of_key_counts_from_the_next_call(registry, accounts, simulator):
    account = await accounts.add("a", simulator.base_url, "sk-bad-key-0123456789")
    assert not (await registry.test_stored(account.id)).ok
    await accounts.change(account.id, key="sk-good-key-0123456789")
    assert (await registry.test_stored(account.id)).ok


async def test_trying_a_provider_stores_nothing(registry, accounts, simulator):
    good = await registry.test(simulator.base_url, "sk-x-0123456789")
    assert good.ok
    assert good.status == 200
    assert "sim-fast" in good.models
    refused = await registry.test(simulator.base_url, "sk-bad-key-0123456789")
    assert (refused.ok, refused.status) == (False, 401)
    absent = await registry.test("http://127.0.0.1:9/v1", None)
    assert (absent.ok, absent.status, absent.error.code) == (False, None, "upstream_not_reached")
    with pytest.raises(BadInput):
        await registry.test("ftp://x", None)
    assert [account.source for account in accounts.all()] == ["simulator"]
