"""The built-in lists: the historic figures, the published vectors, and that they are what the tool makes."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from talkmeter.metering.models_info import UNKNOWN, ModelLimits, model_limits
from talkmeter.metering.pricebook import built_in_rows
from talkmeter.metering.prices import PER, TIERS, PriceTable, builtin, usd_to_picodollars
from talkmeter.metering.prices.hosts import HOSTS

ROOT = Path(__file__).resolve().parents[2]
JANUARY_2024 = int(datetime(2024, 1, 9, tzinfo=UTC).timestamp()) * 1_000_000


def per_thousand(table, model, unit, at=JANUARY_2024):
    row = table.find("openai", model, unit, "standard", 0, at)
    return None if row is None else Fraction(row.picodollars * 1000, row.per * 10**12)


@pytest.mark.parametrize(
    ("model", "given", "taken"),
    [
        ("gpt-3.5-turbo-1106", "0.0010", "0.0020"),
        ("gpt-3.5-turbo-instruct", "0.0015", "0.0020"),
        ("gpt-4", "0.03", "0.06"),
        ("gpt-4-32k", "0.06", "0.12"),
        ("davinci", "0.02", "0.02"),
        ("curie", "0.002", "0.002"),
        ("babbage", "0.0005", "0.0005"),  # often misprinted as 0.005, which would be dearer than curie
        ("ada", "0.0004", "0.0004"),
        ("text-davinci-003", "0.02", "0.02"),
        ("text-davinci-002", "0.02", "0.02"),
        ("text-chat-davinci-002-20221122", "0", "0"),
        ("gpt-3.5-turbo", "0.0015", "0.002"),
        ("gpt-3.5-turbo-16k", "0.003", "0.004"),
        ("gpt-3.5-turbo-0613", "0.0015", "0.002"),
    ],
)
def test_prices_of_january_2024(table, model, given, taken):
    assert per_thousand(table, model, "input") == Fraction(given)
    assert per_thousand(table, model, "output") == Fraction(taken)


def test_published_vectors(table, shared):
    """The eight price vectors, where the folder is there; test_prices_of_january_2024 has the same figures."""
    if shared is None:
        vectors = [{"model": "gpt-4", "usd_per_1k_input": "0.03", "usd_per_1k_output": "0.06"}]
    else:
        text = (shared / "reference/token-vectors.json").read_text("utf-8")
        vectors = [vector for vector in json.loads(text)["vectors"] if vector["kind"] == "price"]
        assert len(vectors) == 8
    for vector in vectors:
        assert per_thousand(table, vector["model"], "input") == Fraction(vector["usd_per_1k_input"])
        assert per_thousand(table, vector["model"], "output") == Fraction(vector["usd_per_1k_output"])


def test_every_host_has_a_list_and_every_list_a_host():
    assert {*HOSTS.values(), builtin.SIMULATOR} == builtin.providers()


@pytest.mark.parametrize("provider", sorted(builtin.providers()))
def test_lists_are_sound(provider):
    book = builtin.book(provider)
    assert book is not None
    assert book.provider == provider
    assert book.source
    names = [name for model in book.models for name in (model.model, *model.aliases)]
    assert len(set(names)) == len(names)
    for model in book.models:
        assert model.model == model.model.lower()
        assert model.sheets, model.model
        for limit in (model.context_window, model.max_output):
            assert limit is None or limit > 0
        order = [(TIERS.index(sheet.tier), sheet.effective_from, bool(sheet.hours)) for sheet in model.sheets]
        assert order == sorted(set(order)), model.model
        for sheet in model.sheets:
            for unit, price in sheet.prices.items():
                assert unit in PER or unit.startswith("image:"), (model.model, unit)
                bands = {"0": price} if isinstance(price, str) else price
                assert min(int(band) for band in bands) == 0
                assert all(usd_to_picodollars(usd) >= 0 for usd in bands.values())


def test_row_ids_are_stable_and_unique():
    rows = list(PriceTable().rows())
    assert len({row.id for row in rows}) == len(rows) > 5000
    assert all(row.id.startswith(f"{row.provider}/{row.model}/{row.unit}/{row.tier}/{row.band_from}/") for row in rows)
    assert all(row.source for row in rows)
    assert [row.id for row in PriceTable().rows()] == [row.id for row in rows]


def test_the_files_are_what_the_tool_makes():
    tool = [sys.executable, str(ROOT / "tools/make_prices.py"), "--check"]
    done = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_importing_reads_no_list_and_looking_up_reads_one():
    code = """
import sys
from talkmeter.metering import cost, models_info, prices, usage
from talkmeter.metering.prices import builtin
assert builtin.book.cache_info().currsize == 0
prices.PriceTable().find("openai", "gpt-4o", "input", "standard", 0, 0)
assert builtin.book.cache_info().currsize == 1
for heavy in ("genai_prices", "pydantic", "sqlalchemy", "tiktoken", "asyncio"):
    assert heavy not in sys.modules, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_unknown_providers_have_no_rows():
    assert builtin.book("nowhere") is None
    assert list(builtin.all_rows("nowhere")) == []


@pytest.mark.parametrize(
    ("model", "provider", "limits"),
    [
        ("gpt-4o", None, (128_000, 16_384)),
        ("gpt-4o-2024-05-13", "openai", (128_000, 4_096)),
        ("openai/gpt-4.1-2025-04-14", None, (1_047_576, 32_768)),
        ("gpt-3.5-turbo-1106", None, (16_385, 4_096)),
        ("gpt-3.5-turbo-0613", None, (4_096, 4_096)),
        ("gpt-3.5-turbo-16k", None, (16_385, None)),
        ("gpt-5-chat-latest", None, (128_000, 16_384)),
        ("gpt-6.1-sol", "OpenAI", (1_050_000, 128_000)),
        ("sim-fast", None, (128_000, 16_384)),
        ("sim-fast", "127.0.0.1:9", (128_000, 16_384)),
        ("claude-3-opus-20240229", "anthropic", (200_000, None)),
        ("gpt-99", None, (None, None)),
        ("llama3:8b", "127.0.0.1:11434", (None, None)),
    ],
)
def test_limits(model, provider, limits):
    assert model_limits(model, provider) == ModelLimits(*limits)
    assert ModelLimits(None, None) == UNKNOWN


def test_what_is_built_in_for_a_model_needs_no_book():
    rows = built_in_rows("gpt-4o")
    assert {row.model for row in rows} == {"gpt-4o"}
    assert {"input", "output"} <= {row.unit for row in rows}
    assert built_in_rows("no-such-model") == []
