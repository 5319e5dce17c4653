"""What models cost: dated rows, the built-in list, and how a call finds its row. See docs/prices.md."""

from talkmeter.metering.prices.hosts import price_provider
from talkmeter.metering.prices.rows import (
    MILLION,
    OUTPUT_UNITS,
    PER,
    PICODOLLARS,
    TIERS,
    PriceRow,
    normal_tier,
    own_row,
    row_id,
    usd_to_picodollars,
)
from talkmeter.metering.prices.table import PriceTable, TextRows

__all__ = [
    "MILLION",
    "OUTPUT_UNITS",
    "PER",
    "PICODOLLARS",
    "TIERS",
    "PriceRow",
    "PriceTable",
    "TextRows",
    "normal_tier",
    "own_row",
    "price_provider",
    "row_id",
    "usd_to_picodollars",
]
