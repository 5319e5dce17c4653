"""What a lookup has found is remembered for the days and prompt sizes for which it holds, and for no others."""

from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.metering.prices import PriceRow, PriceTable, normal_tier
from talkmeter.metering.prices.table import MOST, TEXT

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
