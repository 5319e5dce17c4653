import pytest

from talkmeter.errors import BadInput
from talkmeter.metering.prices import PriceRow, normal_tier, own_row, price_provider, row_id, usd_to_picodollars
from talkmeter.metering.prices.names import candidates, without_date

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("usd", "picodollars"),
    [
        ("2.50", 2_500_000_000_000),
        ("0", 0),
        ("0.000000000001", 1),
        ("12.", 12_000_000_000_000),
        ("999999999.999999999999", 999_999_999_999_999_999_999),
    ],
)
def test_usd_becomes_integers_exactly(usd, picodollars):
    assert usd_to_picodollars(usd) == picodollars


@pytest.mark.parametrize(
    "usd", ["", "-1", "+1", "1e3", ".5", "1,5", "0.0000000000001", "1234567890", "２", "nan", " 1"]
)
def test_what_is_not_a_price(usd):
    with pytest.raises(BadInput, match="is not a price in USD") as error:
        usd_to_picodollars(usd)
    assert error.value.param == "usd"
    assert "달러" in error.value.message_ko


def test_an_own_row_is_in_lowest_terms_and_readable():
    assert own_row(model="Llama3:8B", unit="input", usd="0.10") == PriceRow(
        id="own/*/llama3:8b/input/standard/0/always",
        provider="*",
        model="llama3:8b",
        unit="input",
        tier="standard",
        band_from=0,
        effective_from=0,
        picodollars=100_000,
        per=1,
        source="own",
    )
    odd = own_row(model="x", unit="output", usd="1", per=3, provider="Openai", tier="fast", band_from=272_001)
    assert (odd.picodollars, odd.per, odd.provider, odd.tier) == (10**12, 3, "openai", "priority")
    assert own_row(model="dall-e-9", unit="image:hd:1024x1024", usd="0.08", per=1).picodollars == 80_000_000_000


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("unit", "tokens"),
        ("unit", "image:"),
        ("model", ""),
        ("model", " x"),
        ("model", "g*t"),
        ("model", "g**"),
        ("model", "x" * 201),
        ("provider", "a\nb"),
        ("tier", ""),
        ("per", 0),
        ("band_from", -1),
        ("effective_from", 2**63),
    ],
)
def test_a_bad_field_is_named(field, value):
    good = {"model": "x", "unit": "input", "usd": "1"}
    with pytest.raises(BadInput) as error:
        own_row(**{**good, field: value})
    assert error.value.param == field
    assert error.value.message_ko


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (0, "always"),
        (20_000 * DAY, "2024-10-04"),
        (20_000 * DAY + 3_600_000_000, "2024-10-04T01:00:00Z"),
        (20_000 * DAY + 1, "2024-10-04T00:00:00.000001Z"),
    ],
)
def test_ids_say_the_day(at, day):
    assert row_id("openai", "gpt-4o", "input", "standard", 0, at) == f"openai/gpt-4o/input/standard/0/{day}"


def test_tiers():
    standard = [None, "", "default", "auto", "standard", "Default"]
    assert {normal_tier(tier) for tier in standard} == {"standard"}
    assert normal_tier("fast") == normal_tier("priority") == "priority"
    assert normal_tier("scale") == "scale"


@pytest.mark.parametrize(
    ("url", "provider"),
    [
        ("https://api.openai.com/v1", "openai"),
        ("https://API.openai.com:443/v1/", "openai"),
        ("https://user:secret@api.openai.com/v1", "openai"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://generativelanguage.googleapis.com/v1beta/openai/", "google"),
        ("http://127.0.0.1:11434/v1", "127.0.0.1:11434"),
        ("https://api.openai.com.evil.example/v1", "api.openai.com.evil.example"),
        ("https://notapi.openai.com/v1", "notapi.openai.com"),
        ("nonsense", "nonsense"),
    ],
)
def test_whose_prices_an_address_has(url, provider):
    assert price_provider(url) == provider


@pytest.mark.parametrize(
    ("name", "undated"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o"),
        ("gpt-4-0613", "gpt-4"),
        ("claude-3-opus-20240229", "claude-3-opus"),
        ("gpt-5.2", None),
        ("gpt-4-1399", None),
        ("mistral-large-2411", None),
        ("gpt-4o-2024-13-06", None),
        ("gpt-4o-mini", None),
    ],
)
def test_only_true_dates_are_dropped(name, undated):
    assert without_date(name) == undated


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("GPT-4o", ("gpt-4o",)),
        ("openai/gpt-4o-2024-08-06", ("openai/gpt-4o-2024-08-06", "gpt-4o-2024-08-06", "gpt-4o")),
        ("models/gpt-4o", ("models/gpt-4o", "gpt-4o")),
        (
            "ft:gpt-4o-2024-08-06:org::abc",
            ("ft:gpt-4o-2024-08-06:org::abc", "ft:gpt-4o-2024-08-06", "ft:gpt-4o"),
        ),
        ("ft:gpt-4o", ("ft:gpt-4o",)),
    ],
)
def test_candidates(model, names):
    assert candidates("openai", model) == names
