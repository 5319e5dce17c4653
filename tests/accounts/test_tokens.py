"""The text of an API key: random, checked by itself, shown by a hint only."""

import re

from hypothesis import given
from hypothesis import strategies as st

from talkmeter.accounts.tokens import ALPHABET, LENGTH, PREFIX, checks, checksum, has_form, hint_of, new_token


def test_a_token_has_its_form():
    made = {new_token() for _ in range(500)}
    assert len(made) == 500
    assert all(re.fullmatch(r"tm_[0-9A-Za-z]{36}", token) for token in made)
    assert all(has_form(token) and checks(token) for token in made)
    assert set("".join(made)) == set(ALPHABET) | set(PREFIX)


def test_the_checksum_is_crc_32_in_base_62():
    # 0xCBF43926, the check value of CRC-32 for "123456789", is 3421780262 = 3·62⁵ + 45·62⁴ + …
    number = sum(ALPHABET.index(digit) * 62**place for place, digit in enumerate(reversed(checksum("123456789"))))
    assert number == 0xCBF43926
    assert len(checksum("")) == 6


@given(st.integers(len(PREFIX), LENGTH - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_noticed(place, letter):
    token = new_token()
    wrong = token[:place] + letter + token[place + 1 :]
    assert has_form(wrong)
    assert checks(wrong) == (wrong == token)


@given(st.integers(len(PREFIX), LENGTH - 2))
def test_two_characters_that_have_changed_places_are_noticed(place):
    token = new_token()
    wrong = token[:place] + token[place + 1] + token[place] + token[place + 2 :]
    assert checks(wrong) == (wrong == token)


def test_a_hint_shows_eight_and_four():
    token = new_token()
    assert hint_of(token) == f"{token[:8]}…{token[-4:]}"
