"""Figures in English."""

import pytest

from talkmeter.wording import numbered


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (-1, "-1 files"), (2000, "2,000 files")]
)
def test_one_file_and_many(count, text):
    assert numbered(count, "file") == text


def test_words_that_have_a_plural_of_their_own():
    assert (numbered(1, "entry", "entries"), numbered(3, "entry", "entries")) == ("1 entry", "3 entries")
