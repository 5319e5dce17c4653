"""Amounts as people write them."""

import pytest

from talkmeter.errors import BadInput
from talkmeter.metering.amounts import LARGEST, amount_json, amount_text, amount_text_ko, check_amount, parse_amount


@pytest.mark.parametrize(
    ("text", "unit", "amount"),
    [
        ("5 USD", "picodollars", 5 * 10**12),
        ("$0.50", "picodollars", 5 * 10**11),
        ("0.000000000001usd", "picodollars", 1),
        ("1,250.5 US$", "picodollars", 12505 * 10**11),
        (" $ 4_000_000 ", "picodollars", LARGEST),
        ("2000000 tokens", "tokens", 2_000_000),
        ("1 token", "tokens", 1),
        ("2,000,000토큰", "tokens", 2_000_000),
        ("0 USD", "picodollars", 0),
    ],
)
def test_amounts_are_read(text, unit, amount):
    assert parse_amount(text) == (unit, amount)


@pytest.mark.parametrize(
    "text", ["", "5", "5 EUR", "-5 USD", "$", "1.5 tokens", "$1.0000000000001", "$4000001", ", tokens", f"{'9' * 21} tokens",
             "5000000000000000000 tokens", "5,50 USD", "0,500 USD", "00,500 USD", "$1,00", "1000,000 USD", "1,0000 USD", "1,2345.5 USD", "1,,000 USD",
             ",000 USD", "1.5,000 USD", "5,5 tokens", "20,00,000 tokens"]
)  # fmt: skip
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(BadInput) as refused:
        parse_amount(text)
    assert refused.value.param == "amount"


def test_amounts_are_written():
    assert (amount_text("picodollars", 5 * 10**11), amount_text_ko("picodollars", 5 * 10**11)) == ("$0.50", "$0.50")
    assert (amount_text("tokens", 2_000_000), amount_text_ko("tokens", 2_000_000)) == (
        "2,000,000 tokens",
        "2,000,000토큰",
    )
    assert (amount_json("picodollars", 7), amount_json("tokens", 7), amount_json("picodollars", None)) == ("7", 7, None)
    assert check_amount(0) == 0
