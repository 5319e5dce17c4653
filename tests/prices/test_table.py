from datetime import UTC, datetime

import pytest

from talkmeter.metering.prices import PriceTable, own_row
from talkmeter.metering.prices.builtin import Sheet

AT = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp()) * 1_000_000


def at(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


def price(table, model, unit="input", *, provider="openai", tier="standard", prompt=0, when=AT):
    """USD per million, as a float small enough to be read; None if unpriced."""
    row = table.find(provider, model, unit, tier, prompt, when)
    return None if row is None else row.picodollars / row.per / 1_000_000


@pytest.mark.parametrize(
    "model", ["gpt-4o", "GPT-4o", "openai/gpt-4o", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "gpt-4o-2026-01-31"]
)
def test_names_of_one_model(table, model):
    assert price(table, model) == 2.5


@pytest.mark.parametrize(
    "model",
    [
        "gpt-5.9",
        "gpt-7",
        "gpt-4o-turbo",
        "gpt-4o-mini-next",
        "gpt-4oo",
        "o9",
        "",
        "text-davinci-004",
        "ft:gpt-5:org::id",
        "ft:gpt-4-0613:org::id",
        "anthropic/gpt-4o",
        "../openai",
    ],
)
def test_no_name_takes_the_price_of_one_it_begins_with(table, model):
    assert table.find("openai", model, "input", "standard", 0, AT) is None


def test_a_newer_model_has_its_own_price(table):
    assert [price(table, f"gpt-5{minor}") for minor in ("", ".1", ".2", ".4", ".5")] == [1.25, 1.25, 1.75, 2.5, 5]


def test_fine_tuned_models_have_their_own_rows(table):
    assert price(table, "ft:gpt-4o-2024-08-06:acme::x") == 3.75
    assert price(table, "ft:gpt-4o-mini-2024-07-18:acme::x") == 0.3
    assert price(table, "ft:gpt-4.1-nano-2025-04-14:acme::x", "cached_input") == 0.05


def test_a_snapshot_with_its_own_price_does_not_fall_back(table):
    assert price(table, "gpt-4o-2024-05-13") == 5
    assert price(table, "gpt-4o-2024-05-13", "cached_input") is None
    assert price(table, "gpt-4o", "cached_input") == 1.25


@pytest.mark.parametrize(
    ("model", "when", "usd"),
    [
        ("gpt-3.5-turbo", "2023-03-15", (2, 2)),
        ("gpt-3.5-turbo", "2023-06-12T23:59:59", (2, 2)),
        ("gpt-3.5-turbo", "2023-06-13", (1.5, 2)),
        ("gpt-3.5-turbo", "2024-01-09", (1.5, 2)),
        ("gpt-3.5-turbo", "2024-02-16", (0.5, 1.5)),
        ("gpt-3.5-turbo-0125", "2024-02-01", (0.5, 1.5)),
        ("gpt-3.5-turbo-0301", "2023-05-14", (2, 2)),
        ("gpt-3.5-turbo-0301", "2023-07-01", (1.5, 2)),
        ("gpt-4o", "2024-10-01T23:59:59", (5, 15)),
        ("gpt-4o", "2024-10-02", (2.5, 10)),
        ("o3", "2025-06-09", (10, 40)),
        ("o3", "2025-06-10", (2, 8)),
        ("gpt-5.6-sol", "2026-08-20", (5, 30)),
        ("gpt-5.6-sol", "2026-08-21", (4, 20)),
        ("gpt-5.6-luna", "2026-07-29", (1, 6)),
        ("gpt-5.6-luna", "2026-07-30", (0.2, 1.2)),
        ("text-embedding-ada-002", "2023-06-12", (0.4, None)),
        ("text-embedding-ada-002", "2023-06-13", (0.1, None)),
    ],
)
def test_the_price_of_the_day(table, model, when, usd):
    found = tuple(price(table, model, unit, when=at(when)) for unit in ("input", "output"))
    assert found == usd


def test_tiers_have_their_own_rows_and_never_the_standard_ones(table):
    tiers = ("standard", "batch", "flex", "priority", "fast", "default", "scale")
    assert [price(table, "gpt-5", tier=tier) for tier in tiers] == [1.25, 0.625, 0.625, 2.5, 2.5, 1.25, None]
    assert price(table, "gpt-4o", tier="flex") is None
    assert price(table, "gpt-5", tier="flex", when=at("2026-10-11")) is None
    assert price(table, "gpt-4.1", "cached_input", tier="batch") == 0.5  # its batch list names no cached rate


def test_long_context_reprices_the_whole_request(table):
    assert [price(table, "gpt-5.4", prompt=n) for n in (0, 272_000, 272_001, 10**6)] == [2.5, 2.5, 5, 5]
    assert price(table, "gpt-5.4", "output", prompt=272_001) == 22.5
    assert price(table, "gpt-5.4", tier="flex", prompt=272_001) == 2.5
    row = table.find("openai", "gpt-5.4", "input", "standard", 300_000, AT)
    assert row is not None
    assert row.id == "openai/gpt-5.4/input/standard/272001/always"


def test_prices_by_the_hour(table):
    day = at("2026-11-20")
    hour = 3_600_000_000
    found = [
        price(table, "deepseek-v4-pro", provider="deepseek", when=day + int(h * hour))
        for h in (0.99, 1, 3.99, 4, 6, 10)
    ]
    assert found == [0.66, 1.32, 1.32, 0.66, 1.32, 0.66]
    row = table.find("deepseek", "deepseek-v4-pro", "input", "standard", 0, day + hour)
    assert row is not None
    assert row.id == "deepseek/deepseek-v4-pro/input/standard/0/2026-08-17@01:00-04:00@06:00-10:00"


def test_hours_may_span_midnight():
    night = Sheet(tier="standard", prices={}, hours=((22 * 60, 60),))
    assert [night.holds(minute * 60_000_000) for minute in (0, 59, 60, 1319, 1320)] == [True, True, False, False, True]


def test_the_simulator_has_play_prices_wherever_it_answers(table):
    for provider in ("simulator", "127.0.0.1:40123"):
        assert price(table, "sim-fast", provider=provider) == 1
        assert price(table, "sim-fast", "cached_input", provider=provider) == 0.25
        assert price(table, "sim-hang-mid-stream", "output", provider=provider) == 4
        assert price(table, "sim-reasoning@0", "output", provider=provider) == 8
        assert price(table, "sim-fault-429@5", "audio_input", provider=provider) == 6
        assert price(table, "sim-reasoning", "output", provider=provider) == 8
        row = table.find(provider, "sim-fast", "input", "default", 0, AT)
        assert row is not None
        assert row.source == "simulator"
    assert price(table, "sim-fast", provider="openai") is None
    assert price(table, "fast", provider="simulator") is None


def test_own_rows_come_first_for_what_they_say():
    table = PriceTable([own_row(model="gpt-4o", unit="input", usd="2", provider="openai")])
    assert price(table, "gpt-4o") == 2
    assert price(table, "gpt-4o-2024-11-20") == 2.5  # a snapshot has a list of its own
    assert price(table, "gpt-4o", "output") == 10
    assert price(table, "gpt-4o", tier="priority") == 4.25
    assert price(table, "gpt-4o", provider="groq") is None


def test_own_rows_of_the_canonical_name_count_for_its_aliases():
    table = PriceTable([own_row(model="gpt-4.1", unit="input", usd="1.5")])
    assert price(table, "gpt-4.1-2025-04-14") == 1.5
    assert price(table, "gpt-4.1-mini") == 0.4
    assert price(PriceTable([own_row(model="gpt-4.1-2025-04-14", unit="input", usd="7")]), "gpt-4.1") == 2


def test_own_rows_are_dated_too():
    table = PriceTable(
        [
            own_row(model="gpt-4o", unit="input", usd="2", effective_from=at("2026-01-01")),
            own_row(model="gpt-4o", unit="input", usd="1", effective_from=at("2026-06-01")),
        ]
    )
    days = ("2025-12-31T23:59:59", "2026-01-01", "2026-05-31", "2026-06-01")
    assert [price(table, "gpt-4o", when=at(day)) for day in days] == [2.5, 2, 2, 1]


def test_each_band_of_own_rows_has_its_own_time_line():
    table = PriceTable(
        [
            own_row(model="m", unit="input", usd="1"),
            own_row(model="m", unit="input", usd="9", band_from=1001, effective_from=at("2026-06-01")),
            own_row(model="m", unit="input", usd="2", effective_from=at("2026-07-01")),
        ]
    )
    assert [price(table, "m", prompt=n) for n in (1000, 1001)] == [2, 9]
    assert [price(table, "m", prompt=1001, when=at(day)) for day in ("2026-05-31", "2026-06-01")] == [1, 9]


def test_the_provider_before_any_and_the_name_before_a_pattern():
    table = PriceTable(
        [
            own_row(model="*", unit="input", usd="1"),
            own_row(model="llama*", unit="input", usd="2"),
            own_row(model="llama3*", unit="input", usd="3"),
            own_row(model="llama3:8b", unit="input", usd="4"),
            own_row(model="*", unit="input", usd="0", provider="127.0.0.1:11434"),
        ]
    )
    names = ("phi", "llama2", "llama3:70b", "llama3:8b", "llama3:8b-2024-01-01")
    assert [price(table, name, provider="host") for name in names] == [1, 2, 3, 4, 4]
    assert [price(table, name, provider="127.0.0.1:11434") for name in names] == [0, 0, 0, 0, 0]
    assert price(table, "gpt-4o") == 1


def test_an_unknown_model_takes_own_rows_of_its_undated_name():
    table = PriceTable([own_row(model="local", unit="input", usd="4", provider="host")])
    assert price(table, "local-2026-01-01", provider="HOST") == 4


def test_has_prices(table):
    assert table.has_prices("openai", "gpt-4o", tier="standard", at=AT)
    assert not table.has_prices("openai", "text-embedding-3-small", tier="standard", at=AT)
    assert not table.has_prices("openai", "gpt-4o", tier="flex", at=AT)
    assert not table.has_prices("host", "gpt-4o", tier="standard", at=AT)


def test_listing_rows():
    mine = own_row(model="gpt-4o", unit="input", usd="2")
    other = own_row(model="llama*", unit="input", usd="2")
    local = own_row(model="x", unit="input", usd="1", provider="host")
    table = PriceTable([mine, other, local])
    listed = list(table.rows("openai", "gpt-4o"))
    assert listed[0] == mine
    assert {row.model for row in listed} == {"gpt-4o"}
    assert {row.tier for row in listed} == {"standard", "batch", "priority"}
    assert [row for row in table.rows("openai", "llama9") if row.source == "own"] == [other]
    assert list(table.rows("host", "x")) == [local]
    assert set(table.rows("host")) == {mine, other, local}
    assert local not in set(table.rows("openai"))
    assert local in set(table.rows(model="x"))
    everything = list(table.rows())
    assert len({row.id for row in everything}) == len(everything)
    assert {"openai", "anthropic", "simulator", "openrouter"} <= {row.provider for row in everything}


def test_listing_models():
    table = PriceTable([own_row(model="mine", unit="input", usd="1", provider="openai")])
    names = table.models("openai")
    assert {"mine", "gpt-4o", "dall-e-3", "whisper-1", "tts-1", "davinci"} <= set(names)
    assert list(names) == sorted(names)
    assert PriceTable().models("nowhere") == ()


def test_names_from_outside_do_not_fill_the_memory():
    table = PriceTable()
    for number in range(5000):
        assert table.find("openai", f"made-up-{number}", "input", "standard", 0, AT) is None
    assert len(table._models) <= 4097
