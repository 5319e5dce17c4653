"""Our arithmetic against genai-prices' own, over every model that both know: two implementations, one bill."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices.data import providers

from talkmeter.metering.cost import price_usage
from talkmeter.metering.prices import builtin
from talkmeter.metering.prices.hosts import HOSTS
from talkmeter.metering.usage import Usage

WHEN = datetime(2026, 11, 20, 12, tzinfo=UTC)
AT = int(WHEN.timestamp()) * 1_000_000
CONTEXT = {
    "standard": {},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
}
# Where we differ on purpose: prices_own.toml says why.
OURS = {
    "gpt-4o-audio-preview",
    "gpt-4o-mini-audio-preview",
    "gpt-4o-audio-preview-2024-10-01",
    "omni-moderation-latest",
}


def usages(seed, units):
    """Usage in our words and in theirs; only kinds that the model has prices for."""
    chance = random.Random(seed)
    for most in (1000, 200_000, 300_000, 2_000_000):
        prompt, completion = chance.randint(1, most), chance.randint(0, 20_000)
        cached = chance.randint(0, prompt) if "cached_input" in units else 0
        written = chance.randint(0, prompt - cached) if "cache_write" in units else 0
        audio = chance.randint(0, completion) if "audio_output" in units else 0
        if "output" not in units:
            completion = 0
        ours = Usage(
            prompt_tokens=prompt,
            cached_tokens=cached,
            cache_write_tokens=written,
            completion_tokens=completion,
            completion_audio_tokens=audio,
        )
        theirs = {"input_tokens": prompt, "output_tokens": completion}
        theirs |= {"cache_read_tokens": cached} if cached else {}
        theirs |= {"cache_write_tokens": written} if written else {}
        theirs |= {"output_audio_tokens": audio} if audio else {}
        yield ours, TheirUsage(**theirs)


def cases():
    for provider in providers:
        if provider.id in set(HOSTS.values()):
            yield pytest.param(provider, id=provider.id)


@pytest.mark.parametrize("provider", list(cases()))
def test_same_bill(table, provider):
    book = builtin.book(provider.id)
    compared = 0
    for model in book.models:
        theirs = provider.find_model(model.model)
        for tier, context in CONTEXT.items():
            sheet = model.sheet(tier, AT)
            if sheet is None or theirs is None or model.model in OURS or "input" not in sheet.prices:
                continue
            for ours, usage in usages(f"{model.model}/{tier}", sheet.prices):
                cost = price_usage(ours, table, provider=provider.id, model=model.model, tier=tier, at=AT)
                bill = theirs.calc_price(usage, provider, genai_request_timestamp=WHEN, price_context=context)
                difference = Decimal(cost.picodollars) / 10**12 - bill.total_price
                # Their Decimals carry 28 digits, and one list has recurring decimals.
                assert abs(difference) < Decimal("1e-11"), (model.model, tier, ours, cost)
                compared += 1
    assert compared >= 4 * len([m for m in book.models if any("input" in s.prices for s in m.sheets)]) * 0.9


def test_no_name_of_ours_means_another_model_to_them():
    for provider in providers:
        book = builtin.book(provider.id)
        for model in book.models if book else ():
            theirs = provider.find_model(model.model)
            for alias in model.aliases:
                other = provider.find_model(alias)
                assert theirs is None or other is None or other is theirs, (provider.id, model.model, alias)


def test_every_openai_model_they_price_is_priced_here(table):
    openai = next(provider for provider in providers if provider.id == "openai")
    missing = [
        info.id
        for info in openai.models
        if vars(info.get_prices(WHEN)) and builtin.find_model("openai", info.id.rstrip("-")) is None
    ]
    assert missing == ["gpt-4o-mini-2024-07-18.ft"] or missing == []
