"""What a lookup has found is remembered for the days and prompt sizes for which it holds, and for no others."""

from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.prices import PriceRow, PriceTable, normal_tier, own_row
from talkmeter.metering.prices.table import MOST, TEXT
from talkmeter.metering.usage import Usage

DAY = 86_400_000_000
NOW = 1_795_000_000_000_000
MODELS = (
    "gpt-4o",
    "gpt-5.4",
    "gpt-3.5-turbo",
    "o3",
    "gpt-5.6-sol",
    "gpt-5.6-luna",
    "deepseek-chat",
    "own",
    "own-2",
    "gpt-99",
)
PROVIDERS = ("openai", "deepseek", "simulator", "OpenAI")
days = st.integers(-1500, 60).map(lambda day: NOW + day * DAY) | st.integers(0, 24 * 60).map(
    lambda m: NOW + m * 60_000_000
)
prompts = st.sampled_from([0, 1, 199_999, 200_000, 200_001, 272_000, 272_001, 999, 1000, 1001]) | st.integers(
    0, 300_000
)
rows = st.builds(
    PriceRow,
    id=st.uuids().map(str),
    provider=st.sampled_from(["openai", "*"]),
    model=st.sampled_from(["own", "own*", "gpt-4o", "gpt-*"]),
    unit=st.sampled_from(["input", "output"]),
    tier=st.sampled_from(["standard", "batch"]),
    band_from=st.sampled_from([0, 1000, 272_001]),
    effective_from=st.sampled_from([0, NOW - 30 * DAY, NOW]),
    picodollars=st.integers(1, 9),
)
asks = st.tuples(st.sampled_from(PROVIDERS), st.sampled_from(MODELS), st.sampled_from(["input", "output", "cached_input"]),
                 st.sampled_from(["standard", "batch", "flex", "priority", "default"]), prompts, days)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(rows, max_size=4), st.lists(asks, min_size=1, max_size=40))
def test_remembered_is_as_good_as_found(own, asked):
    remembering = PriceTable(own)
    for each in [*asked, *asked]:
        provider, model, unit, tier, prompt, at = each
        searched = PriceTable(own)
        found = {
            kind: searched._find(provider.lower(), model, kind, normal_tier(tier), prompt, at) for kind in (unit, *TEXT)
        }
        assert remembering.find(*each) == found[unit], each
        text = remembering.text(provider, model, tier, prompt, at)
        assert (text.input, text.cached_input, text.output) == tuple(found[kind] for kind in TEXT), each


def test_the_memory_is_bounded():
    table = PriceTable()
    for number in range(5000):
        table.text("openai", f"name-{number}", None, 0, NOW)
        assert max(len(table._spans), len(table._models), len(table._texts)) <= MOST + 1
    assert len(table._texts) > 100


async def test_a_cost_is_that_of_the_moment_and_the_list_of_the_moment():
    """Own rows that come and go, that begin in the middle of a minute, bands, and an address that changes."""

    class Shelf:
        rows = ()

        async def price_rows(self):
            return self.rows

    def row(usd, **about):
        return own_row(model="own", unit="input", usd=usd, **about)

    addresses = {"p": "https://example.com/v1"}
    book = PriceBook(Shelf(), addresses.get)

    def cost(at=NOW, prompt=10, model="own", tier=None):
        return book.cost(Usage(prompt_tokens=prompt, completion_tokens=0), "p", (None, model), tier, at).picodollars

    async def load(*some):
        Shelf.rows = some
        await book.load()

    assert cost() is None
    assert cost(model="gpt-4o") == 10 * 2_500_000
    await load(row("1"))
    assert cost() == cost() == 10_000_000
    assert [cost(tier=tier) for tier in ("default", "flex", "AUTO", "flex")] == [10_000_000, None, 10_000_000, None]
    await load(row("1"), row("2", effective_from=NOW + 1), row("5", band_from=1000))
    assert [cost(at) for at in (NOW, NOW + 1, NOW, NOW + 2)] == [10_000_000, 20_000_000, 10_000_000, 20_000_000]
    assert [cost(prompt=size) for size in (999, 1000, 999)] == [999_000_000, 5_000_000_000, 999_000_000]
    await load(row("3"), row("4", provider="elsewhere.example"))
    assert cost() == 30_000_000
    addresses["p"] = "https://elsewhere.example/v1"
    assert cost() == 40_000_000
    await load()
    assert cost() is None
