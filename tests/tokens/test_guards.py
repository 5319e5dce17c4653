"""Whatever the text, there is an answer; where tiktoken can answer, it is tiktoken's."""

from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from talkmeter.metering.tokens import TextTooLong, Uncountable, count_text, encode_text, guards, measure_text
from talkmeter.metering.tokens.encodings import load

TABLES = ("r50k_base", "p50k_base", "cl100k_base", "o200k_base")
LONG = 150_000  # above guards.LONG_RUN, below what makes tiktoken fail
HUGE = 1_200_000  # makes tiktoken fail on most of these

RUNS = {
    "spaces": lambda n: " " * n,
    "spaces, word": lambda n: " " * n + "x",
    "word, spaces, word": lambda n: "x" + " " * n + "y",
    "spaces, number": lambda n: " " * n + "1",
    "spaces, sign": lambda n: " " * n + "!",
    "tabs, word": lambda n: "\t" * n + "x",
    "line ends": lambda n: "\n" * n,
    "line ends, word": lambda n: "\n" * n + "x",
    "sign, line ends, word": lambda n: "!" + "\n" * n + "x",
    "sign, line ends, slash": lambda n: "!" + "\n" * n + "/x",
    "sign, line ends": lambda n: "?" + "\n" * n,
    "mark, line ends": lambda n: "\u0301" + "\n" * n + "x",
    "returns": lambda n: "a\r" + "\r\n" * (n // 2) + "b",
    "spaces and line ends": lambda n: " \n" * (n // 2) + "x",
    "one line end in spaces": lambda n: " " * (n // 2) + "\n" + " " * (n // 2) + "x",
    "one line end, then the end": lambda n: " " * (n // 2) + "\n" + " " * (n // 2),
    "ideographic spaces": lambda n: "\u3000" * n + "가",
    "line separators": lambda n: "\u2028" * n + "x",
    "next lines": lambda n: "\x85" * n + "x",
    "two runs": lambda n: "a" + " " * n + "b" + "\t" * n + "c",
}
REPEATS = {
    "one letter": "a",
    "capitals": "A",
    "one syllable": "가",
    "three syllables": "가나다",
    "han": "中",
    "digits": "1",
    "signs": "!",
    "slashes": "/",
    "underscores": "_",
    "combining marks": "\u0301",
    "emoji": "😀",
    "families": "👩‍👩‍👧‍👦",
    "apostrophes": "'s",
    "nuls": "\0",
    "information separators": "\x1c",
    "byte order marks": "\ufeff",
    "zero width joiners": "\u200d",
    "lone surrogates": "\ud800",
    "surrogate pairs": "\ud83d\ude00",
    "unassigned": "\U000e0fff",
    "special tokens": "<|endoftext|>",
    "no words": "ab\t",
    "brackets": "[[[",
    "right to left": "שלום",
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("case", RUNS)
def test_long_whitespace_counts_as_tiktoken_counts_it(case, table):
    text = RUNS[case](LONG)
    assert guards._long_run(text) is not None
    assert encode_text(text, table) == load(table).encode_ordinary(text)


@pytest.mark.parametrize("case", RUNS)
def test_whitespace_that_breaks_tiktoken_is_counted(case):
    table = TABLES[list(RUNS).index(case) % 4]
    text = RUNS[case](HUGE)
    ids = encode_text(text, table)
    assert load(table).decode(ids) == text
    assert measure_text(text, table) == guards.TextCount(len(ids), "exact")


@pytest.mark.parametrize("case", REPEATS)
def test_repeats_are_counted(case):
    text = REPEATS[case] * (100_000 // len(REPEATS[case]))
    written = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    for table in ("cl100k_base", "o200k_base"):
        assert load(table).decode(encode_text(text, table)) == written
        assert measure_text(text, table).quality == "exact"


SIGNS = "a1!/.'sé\u0301\u0e47가A<😀\U000e0fff\ud800"
SPACES = "\n\r\n\n   \t\u3000\u2028\x85"


@settings(deadline=None, max_examples=400)
@given(st.lists(st.text(alphabet=SPACES, max_size=12) | st.text(alphabet=SIGNS, max_size=3), max_size=8).map("".join))
@example("!\n\n\n\n/")
@example("\u0301\n\n\n\n\nx     y")
def test_cutting_runs_out_never_changes_the_tokens(text):
    with mock.patch.object(guards, "LONG_RUN", 4):
        for table in TABLES:
            assert encode_text(text, table) == load(table).encode_ordinary(text)


def test_what_depends_on_the_unseen_is_an_estimate():
    """After a combining mark line ends belong to a sign or not; this long, tiktoken cannot tell us."""
    text = "!\u0301\n" + " " * HUGE + "x"
    assert measure_text(text, "o200k_base") == guards.TextCount(-(-(HUGE + 5) // 4), "estimate")
    with pytest.raises(Uncountable, match="o200k_base encoder gave up on a text of 1,200,004 characters"):
        encode_text(text, "o200k_base")
    assert measure_text(text, "cl100k_base").quality == "exact"


def test_texts_above_the_limit_are_extrapolated(monkeypatch):
    monkeypatch.setattr(guards, "LIMIT", 1000)
    text = "안녕하세요 hello " * 200
    exact = len(load("o200k_base").encode_ordinary(text))
    counted = measure_text(text, "o200k_base")
    assert counted.quality == "estimate"
    assert abs(counted.tokens - exact) <= exact * 0.01
    assert count_text(text, "o200k_base") == counted.tokens
    assert measure_text(text[:1000], "o200k_base").quality == "exact"
    with pytest.raises(TextTooLong, match="2,400 characters; token ids are given for at most 1,000"):
        encode_text(text, "o200k_base")


def test_other_exceptions_pass_through():
    encoder = mock.Mock()
    encoder.encode_ordinary.side_effect = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        guards._encode_plain("x", encoder)


def test_whitespace_is_what_the_patterns_call_whitespace():
    """Each such character ends a word for tiktoken; U+001C to U+001F do not, whatever Python says."""
    python_only = {chr(code) for code in range(0x110000) if chr(code).isspace()} - set(guards.WHITESPACE)
    assert python_only == set("\x1c\x1d\x1e\x1f")
    assert all(character.isspace() for character in guards.WHITESPACE)
