"""Fixtures of the price tests."""

import os
from pathlib import Path

import pytest

from talkmeter.metering.prices import PriceTable

SHARED = Path(os.environ.get("TALKMETER_SHARED") or Path(__file__).resolve().parents[2].parent / "shared")


@pytest.fixture(scope="session")
def table() -> PriceTable:
    """The built-in prices alone."""
    return PriceTable()


@pytest.fixture(scope="session")
def shared() -> Path | None:
    """The folder with the recorded vectors, where there is one."""
    return SHARED if (SHARED / "reference/token-vectors.json").exists() else None
