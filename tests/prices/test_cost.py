"""Every figure here was worked out by hand: tokens × USD per million = tokens × millions of picodollars."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from talkmeter.errors import BadInput
from talkmeter.metering.cost import (
    MOST,
    Cost,
    CostLine,
    PriceRange,
    convert,
    format_usd,
    image_unit,
    price_quantities,
    price_range,
    price_usage,
)
from talkmeter.metering.prices import PriceTable, own_row
from talkmeter.metering.usage import Usage

AT = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 1_000_000


def cost(table, usage, model, *, tier=None, provider="openai", at=AT):
    return price_usage(usage, table, provider=provider, model=model, tier=tier, at=at)


def tokens(prompt, completion, **parts):
    return Usage(prompt_tokens=prompt, completion_tokens=completion, **parts)


def test_plain_text(table):
    # 41 × 2.50 + 909 × 10
    assert cost(table, tokens(41, 909), "gpt-4o") == Cost(
        41 * 2_500_000 + 909 * 10_000_000,
        (
            CostLine("input", 41, 2_500_000, 1, "openai/gpt-4o/input/standard/0/2024-10-02", 102_500_000),
            CostLine("output", 909, 10_000_000, 1, "openai/gpt-4o/output/standard/0/2024-10-02", 9_090_000_000),
        ),
    )


@pytest.mark.parametrize(
    ("model", "usage", "tier", "picodollars"),
    [
        # cached: (2006 − 1920) × 0.15 + 1920 × 0.075 + 300 × 0.6; reasoning is inside the 300
        ("gpt-4o-mini", tokens(2006, 300, cached_tokens=1920, reasoning_tokens=100), None, 336_900_000),
        # cache write: 100 × 4 + 700 × 0.4 + 200 × 5 + 50 × 20
        ("gpt-5.6-sol", tokens(1000, 50, cached_tokens=700, cache_write_tokens=200), None, 2_680_000_000),
        # batch: 1000 × 0.625 + 1000 × 5
        ("gpt-5", tokens(1000, 1000), "batch", 5_625_000_000),
        # flex with a cached rate of 0.0625: 400 × 0.625 + 600 × 0.0625 + 10 × 5
        ("gpt-5", tokens(1000, 10, cached_tokens=600), "flex", 337_500_000),
        # priority, by both of its names: 1000 × 2.5 + 1000 × 20
        ("gpt-5", tokens(1000, 1000), "priority", 22_500_000_000),
        ("gpt-5", tokens(1000, 1000), "fast", 22_500_000_000),
        # long context, cached tokens count towards the band: 272,001 prompt tokens are all repriced
        ("gpt-5.4", tokens(272_000, 1000), None, 272_000 * 2_500_000 + 1000 * 15_000_000),
        ("gpt-5.4", tokens(272_001, 1000), None, 272_001 * 5_000_000 + 1000 * 22_500_000),
        ("gpt-5.4", tokens(272_001, 0, cached_tokens=272_000), None, 5_000_000 + 272_000 * 500_000),
        ("gpt-5.4", tokens(272_001, 1, cached_tokens=0), "batch", 272_001 * 2_500_000 + 11_250_000),
        # audio: 100 × 2.5 + 200 × 32 + 30 × 10 + 400 × 64
        ("gpt-audio", tokens(300, 430, prompt_audio_tokens=200, completion_audio_tokens=400), None, 32_550_000_000),
        # image tokens with rates of their own: 10 × 5 + 40 × 10 + 4160 × 40
        (
            "gpt-image-1",
            tokens(50, 4160, prompt_image_tokens=40, completion_image_tokens=4160),
            None,
            10 * 5_000_000 + 40 * 10_000_000 + 4160 * 40_000_000,
        ),
        ("gpt-image-1.5", tokens(0, 110, completion_image_tokens=100), None, 100 * 32_000_000 + 10 * 10_000_000),
        # image tokens of a chat model are input like any other: 783 × 2.5
        ("gpt-4o", tokens(783, 0, prompt_image_tokens=765), None, 1_957_500_000),
        # no cached rate: the full one. 1000 × 150
        ("o1-pro", tokens(1000, 0, cached_tokens=600), None, 150_000_000_000),
        # no rate for cache writes: they are input. 100 × 2.5
        ("gpt-4o", tokens(100, 0, cache_write_tokens=60), None, 250_000_000),
        # legacy, per 1K: 1000 × 0.02 / 1K + 500 × 0.02 / 1K
        ("text-davinci-003", tokens(1000, 500), None, 30_000_000_000),
        # embeddings
        ("text-embedding-3-small", tokens(8, 0), None, 160_000),
        # nothing used costs nothing, priced or not
        ("no-such-model", tokens(0, 0), None, 0),
        # free of charge
        ("text-chat-davinci-002-20221122", tokens(14, 12), None, 0),
    ],
)
def test_worked_out_by_hand(table, model, usage, tier, picodollars):
    result = cost(table, usage, model, tier=tier)
    assert result.picodollars == picodollars
    assert result.unpriced == ()
    assert sum(line.picodollars for line in result.lines) == picodollars
    assert result.input_picodollars + result.output_picodollars == picodollars


def test_realtime_prices_each_kind_of_cached_token(table):
    usage = tokens(
        1000,
        0,
        prompt_audio_tokens=400,
        prompt_image_tokens=100,
        cached_tokens=600,
        cached_audio_tokens=300,
        cached_image_tokens=50,
    )
    result = cost(table, usage, "gpt-realtime")
    # text 500 of which 250 cached; audio 400 of which 300; image 100 of which 50
    assert [(line.unit, line.quantity, line.picodollars) for line in result.lines] == [
        ("input", 250, 1_000_000_000),
        ("cached_input", 250, 100_000_000),
        ("audio_input", 100, 3_200_000_000),
        ("cached_audio_input", 300, 120_000_000),
        ("image_input", 50, 250_000_000),
        ("cached_image_input", 50, 25_000_000),
    ]
    assert result.picodollars == 4_695_000_000


def test_cached_tokens_that_could_be_audio_or_text_are_unpriced(table):
    result = cost(table, tokens(1000, 10, prompt_audio_tokens=400, cached_tokens=600), "gpt-realtime")
    assert result.picodollars is None
    assert result.input_picodollars is None
    assert result.output_picodollars == 160_000_000
    assert result.unpriced == (
        "gpt-realtime: cached_input was not split between text, audio and images, which cost differently",
    )


def test_anthropic_cache_writes_of_both_kinds(table):
    usage = tokens(1250, 10, cached_tokens=1000, cache_write_tokens=200, cache_write_1h_tokens=50)
    result = cost(table, usage, "claude-3-5-haiku-20241022", provider="anthropic")
    # 50 × 0.8 + 1000 × 0.08 + 150 × 1 + 50 × 1.6 + 10 × 4
    assert result.picodollars == 390_000_000


def test_usage_that_is_not_known_costs_nothing_known(table):
    assert cost(table, None, "gpt-4o") == Cost(None, (), ("gpt-4o: usage is not known",))
    assert cost(table, None, "gpt-4o").input_picodollars is None
    assert cost(table, None, "gpt-4o").output_picodollars is None


def test_half_known_usage_keeps_the_half(table):
    result = cost(table, Usage(prompt_tokens=10), "gpt-4o")
    assert (result.picodollars, result.unpriced) == (None, ("gpt-4o: output was not reported",))
    assert (result.input_picodollars, result.output_picodollars) == (25_000_000, None)
    result = cost(table, Usage(completion_tokens=10), "gpt-4o")
    assert (result.picodollars, result.unpriced) == (None, ("gpt-4o: input was not reported",))
    assert (result.input_picodollars, result.output_picodollars) == (None, 100_000_000)


def test_an_unknown_model_is_unpriced_and_never_zero(table):
    result = cost(table, tokens(10, 5), "gpt-9")
    assert result == Cost(None, (), ("gpt-9: input has no price", "gpt-9: output has no price"))


def test_an_unknown_tier_is_unpriced_and_never_standard(table):
    assert cost(table, tokens(10, 0), "gpt-4o", tier="flex").unpriced == ("gpt-4o: input has no price in tier flex",)
    assert cost(table, tokens(10, 0), "gpt-4o", tier="scale").picodollars is None


def test_audio_without_a_rate_is_not_taken_for_text(table):
    result = cost(table, tokens(10, 5, prompt_audio_tokens=4), "gpt-4o")
    assert result.unpriced == ("gpt-4o: audio_input has no price",)
    assert [line.unit for line in result.lines] == ["input", "output"]
    assert result.picodollars is None


def test_parts_larger_than_the_whole_are_unpriced(table):
    result = cost(table, tokens(10, 5, cached_tokens=8, cache_write_tokens=8), "gpt-4o")
    assert result.picodollars is None
    assert result.unpriced == ("gpt-4o: input would be -6, because its parts add up to more than the whole",)
    assert result.input_picodollars is None


def test_a_cost_that_the_ledger_could_not_hold_is_refused(table):
    result = cost(table, tokens(10**12, 0), "o1-pro")
    assert result == Cost(None, (), ("o1-pro: usage is too large to be true",))
    assert cost(table, tokens(MOST // 150_000_000, 0), "o1-pro").picodollars == MOST // 150_000_000 * 150_000_000


def test_pictures_characters_and_seconds(table):
    def of(model, **quantities):
        return price_quantities(
            {unit.replace("__", ":"): n for unit, n in quantities.items()},
            table,
            provider="openai",
            model=model,
            tier=None,
            at=AT,
        ).picodollars

    assert of("tts-1", character=1000) == 15_000_000_000
    assert of("whisper-1", second=60) == 6_000_000_000
    assert of("gpt-live-transcribe", second=1) == 283_333_333  # 1.02 USD an hour: 283,333,333⅓

    def picture(model, size, quality=None, n=1):
        unit = image_unit(size=size, quality=quality)
        return price_quantities([(unit, n)], table, provider="openai", model=model, tier=None, at=AT)

    assert picture("dall-e-2", "256x256", n=10).picodollars == 160_000_000_000
    assert picture("dall-e-3", "1024x1024").picodollars == 40_000_000_000
    assert picture("dall-e-3", "1024x1024", "hd").picodollars == 80_000_000_000
    assert picture("dall-e-3", "1792x1024", "hd").picodollars == 120_000_000_000
    assert picture("dall-e-3", "1024x1792", "standard").picodollars == 80_000_000_000
    assert picture("dall-e-3", "512x512").unpriced == ("dall-e-3: image:standard:512x512 has no price",)


@pytest.mark.parametrize(
    ("quantity", "picodollars"),
    [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 2), (6, 3), (7, 4), (10, 5)],
)
def test_a_line_is_rounded_half_to_even(quantity, picodollars):
    table = PriceTable([own_row(model="half", unit="input", usd="0.000000000001", per=2)])
    result = cost(table, tokens(quantity, 0), "half")
    assert result.picodollars == picodollars


def test_thirds_are_rounded_to_the_nearest():
    table = PriceTable([own_row(model="third", unit="input", usd="0.000000000001", per=3)])
    assert [cost(table, tokens(n, 0), "third").picodollars for n in (1, 2, 3, 4, 5)] == [0, 1, 1, 1, 2]


RANGE = {"provider": "openai", "tier": None, "at": AT}


def test_from_to(table):
    # low: 600 × 2.5 + 400 × 1.25; high: 1000 × 2.5 + 500 × 10
    found = price_range(table, model="gpt-4o", prompt_tokens=1000, max_output_tokens=500, cached_tokens=400, **RANGE)
    assert found == PriceRange(2_000_000_000, 7_500_000_000)
    found = price_range(table, model="gpt-4o", prompt_tokens=1000, max_output_tokens=500, choices=3, **RANGE)
    assert found == PriceRange(2_500_000_000, 17_500_000_000)
    # cache writes cost more than input here: 1000 × 2.5 + 100 × 10
    found = price_range(table, model="gpt-6-sol", prompt_tokens=1000, max_output_tokens=100, **RANGE)
    assert found == PriceRange(2_000_000_000, 3_500_000_000)
    # the answer may be spoken: 10 × 32 + 90 × 2.5 + 100 × 64
    found = price_range(
        table, model="gpt-audio", prompt_tokens=100, prompt_audio_tokens=10, max_output_tokens=100, **RANGE
    )
    assert found == PriceRange(545_000_000, 6_945_000_000)
    # long context
    found = price_range(table, model="gpt-5.4", prompt_tokens=272_001, max_output_tokens=0, **RANGE)
    assert found == PriceRange(272_001 * 5_000_000, 272_001 * 5_000_000)


def test_from_to_without_limits_or_prices(table):
    def of(model, **more):
        return price_range(table, model=model, **{"prompt_tokens": 10, "max_output_tokens": 10, **RANGE, **more})

    assert of("gpt-4o", max_output_tokens=None) == PriceRange(25_000_000, None)
    assert of("gpt-9") == PriceRange(None, None)
    assert of("text-embedding-3-small") == PriceRange(200_000, None)
    assert of("text-embedding-3-small", max_output_tokens=0) == PriceRange(200_000, 200_000)
    assert of("gpt-4o", cached_tokens=99) == PriceRange(12_500_000, 125_000_000)
    assert of("gpt-4o", tier="scale") == PriceRange(None, None)


@pytest.mark.parametrize(
    ("picodollars", "digits", "text"),
    [
        (0, None, "$0.00"),
        (0, 2, "$0.00"),
        (1, None, "$0.000000000001"),
        (1, 1, "$0.000000000001"),
        (1_200_000, None, "$0.0000012"),
        (9_192_500_000, None, "$0.0091925"),
        (9_192_500_000, 3, "$0.00919"),
        (9_195_000_000, 3, "$0.0092"),
        (999_999_999_999, 3, "$1.00"),
        (1_500_000_000_000, None, "$1.50"),
        (123_456_789_000_000_000_000, 3, "$123456789.00"),
        (1_234_567_000_000, 3, "$1.23"),
        (12_345_600_000_000, 1, "$12.35"),
        (-1_200_000, 2, "-$0.0000012"),
        (MOST, None, "$9223372.036854775807"),
    ],
)
def test_money_as_text(picodollars, digits, text):
    assert format_usd(picodollars, digits=digits) == text


def test_other_currencies():
    assert convert(9_192_500_000, "1380.5") == Decimal("12.69024625")
    assert convert(1, "1") == Decimal("0.000000000001")
    assert str(convert(MOST, "1234567.891")).replace(".", "") == str(MOST * 1_234_567_891)


@pytest.mark.parametrize("rate", ["", "0", "-1", "nan", "inf", "1e13", "1e-13", "1,380", "1380원"])
def test_what_is_not_a_rate(rate):
    with pytest.raises(BadInput, match="is not an exchange rate"):
        convert(1, rate)
