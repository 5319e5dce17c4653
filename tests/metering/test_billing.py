"""What a call is billed by, and what that costs."""

import pytest

from talkmeter.metering.billing import CHARACTERS, NOTHING, SECONDS, TOKENS, cost_of, is_priced
from talkmeter.metering.prices import PriceTable
from talkmeter.metering.usage import Usage

TABLE = PriceTable()
AT = 1_780_000_000_000_000
HD = "image:hd:1024x1024"


def cost(usage, billing, model):
    return cost_of(usage, billing, TABLE, provider="openai", model=model, tier=None, at=AT)


@pytest.mark.parametrize(("usage", "billing", "model", "amount"), [
    (None, NOTHING, "omni-moderation-latest", 0),
    (Usage(prompt_tokens=10, completion_tokens=0), NOTHING, "gpt-4o", 0),
    (Usage(prompt_tokens=10, completion_tokens=1), TOKENS, "gpt-4o", 35_000_000),
    (Usage(characters=3), CHARACTERS, "tts-1", 45_000_000),
    (Usage(seconds=2), SECONDS, "whisper-1", 200_000_000),
    (Usage(seconds=2), TOKENS, "whisper-1", 200_000_000),
    (Usage(images=2), HD, "dall-e-3", 160_000_000_000),
    (Usage(prompt_tokens=10, completion_tokens=1), SECONDS, "gpt-4o", 35_000_000),
    (Usage(prompt_tokens=10, completion_tokens=1), HD, "gpt-4o", 35_000_000),
])  # fmt: skip
def test_what_it_costs(usage, billing, model, amount):
    assert cost(usage, billing, model).picodollars == amount


@pytest.mark.parametrize("billing", [CHARACTERS, SECONDS, HD])
def test_figures_that_are_missing(billing):
    assert cost(Usage(), billing, "tts-1").unpriced == ("tts-1: usage is not known",)
    assert cost(None, TOKENS, "gpt-4o").unpriced == ("gpt-4o: usage is not known",)
    assert cost(None, billing, "gpt-4o").picodollars is None


@pytest.mark.parametrize(("billing", "model", "priced"), [
    (TOKENS, "gpt-4o", True), (TOKENS, "tts-1", False), (CHARACTERS, "tts-1", True), (CHARACTERS, "gpt-4o-mini-tts", True),
    (SECONDS, "whisper-1", True), (SECONDS, "gpt-4o-transcribe", True), (HD, "dall-e-3", True),
    ("image:standard:17x17", "dall-e-3", False), (HD, "gpt-image-1", True), (TOKENS, "gpt-99", False),
    (TOKENS, "text-embedding-3-small", True), (NOTHING, "gpt-4o", True),
])  # fmt: skip
def test_what_has_a_price(billing, model, priced):
    assert is_priced(TABLE, "openai", model, billing, AT) is priced
