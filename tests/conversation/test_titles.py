"""The title that a room gets from its first question."""

import pytest

from talkmeter.conversation.titles import LONGEST, title_of

FAMILY = "👨\u200d👩\u200d👧"


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("", ""),
        (" \n\t\n  first \nsecond", "first"),
        ("\u202e\u0007\nseen", "seen"),
        ("a\u202egnp.exe", "agnp.exe"),
        ("col\tumn", "col\tumn"),
        ("x" * LONGEST, "x" * LONGEST),
        ("x" * (LONGEST + 1), "x" * (LONGEST - 1) + "…"),
        ("가" * 100, "가" * (LONGEST - 1) + "…"),
    ],
)
def test_titles(text, title):
    assert title_of(text) == title


@pytest.mark.parametrize(
    "character", [FAMILY, "e\u0301", "👍🏽", "🇰🇷", "❤\ufe0f"], ids=["family", "accent", "skin", "flag", "heart"]
)
@pytest.mark.parametrize("before", range(7))
def test_a_character_of_several_code_points_is_not_cut(character, before):
    title = title_of("x" * before + character * 60)
    assert len(title) <= LONGEST
    kept = title.removesuffix("…").removeprefix("x" * before)
    assert kept
    assert kept == character * (len(kept) // len(character))


def test_a_line_of_nothing_but_accents_is_cut_somewhere():
    assert len(title_of("e" + "\u0301" * 200)) <= LONGEST
