"""The documentation of the settings is the table's, word for word."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def tool():
    spec = importlib.util.spec_from_file_location("make_settings_docs", ROOT / "tools/make_settings_docs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["docs/settings.md", "docs/settings.ko.md"])
def test_the_page_is_what_the_table_says(name):
    wanted = tool().files()[ROOT / name]
    assert (ROOT / name).read_text(encoding="utf-8") == wanted, "run `python tools/make_settings_docs.py`"
