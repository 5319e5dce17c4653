"""Amounts of a budget as people write them: `5 USD`, `$0.50`, `2000000 tokens`. Pure."""

import re

from talkmeter.errors import BadInput
from talkmeter.metering.budget_store import Unit
from talkmeter.metering.cost import format_usd
from talkmeter.metering.prices import usd_to_picodollars

LARGEST = 4 * 10**18  # picodollars or tokens: four million dollars, so that sums stay within 63 bits

# A comma stands between thousands only: who writes 5,50 may mean 5.50.
_WHOLE = r"(?:[1-9]\d{0,2}(?:,\d{3})+|[\d_]+)"  # no thousands begin with 0
_FIGURE = rf"({_WHOLE}?(?:\.[\d_]*)?)"
_MONEY = re.compile(rf"\$\s*{_FIGURE}|{_FIGURE}\s*(?:USD|US\$|\$)", re.IGNORECASE)
_TOKENS = re.compile(rf"({_WHOLE})\s*(?:tokens?|토큰)", re.IGNORECASE)


def parse_amount(text: str) -> tuple[Unit, int]:
    """The unit and the amount in it. Raises BadInput (param `amount`)."""
    text = text.strip()
    if money := _MONEY.fullmatch(text):
        figure = (money[1] or money[2] or "").replace(",", "").replace("_", "")
        try:
            return "picodollars", check_amount(usd_to_picodollars(figure))
        except BadInput as error:
            raise _not_an_amount(text) from error
    if tokens := _TOKENS.fullmatch(text):
        digits = tokens[1].replace(",", "").replace("_", "")
        if 0 < len(digits) <= 20:
            return "tokens", check_amount(int(digits))
    raise _not_an_amount(text)


def check_amount(amount: int) -> int:
    if 0 <= amount <= LARGEST:
        return amount
    raise BadInput(
        "A budget's amount must be from 0 to 4,000,000 US dollars, or 4·10¹⁸ tokens.",
        "예산 금액은 0에서 4,000,000달러 또는 4·10¹⁸토큰까지입니다.",
        param="amount",
    )


def amount_text(unit: Unit, amount: int) -> str:
    """`$0.50` or `2,000,000 tokens`."""
    return format_usd(amount) if unit == "picodollars" else f"{amount:,} tokens"


def amount_text_ko(unit: Unit, amount: int) -> str:
    return format_usd(amount) if unit == "picodollars" else f"{amount:,}토큰"


def amount_json(unit: Unit, amount: int | None) -> str | int | None:
    """Money as decimal text, for it can exceed what JSON's readers hold exactly."""
    return str(amount) if unit == "picodollars" and amount is not None else amount


def _not_an_amount(text: str) -> BadInput:
    return BadInput(
        f"“{text:.40}” is not an amount.",
        f"“{text:.40}”은(는) 금액이 아닙니다.",
        param="amount",
        hint="Write money such as `5 USD`, `$0.50` or `1,250.50 USD` (at most 4,000,000 US$; a comma separates "
        "thousands only), or tokens such as `2000000 tokens`.",
        hint_ko="`5 USD`, `$0.50`, `1,250.50 USD` 같은 금액(최대 4,000,000달러, 쉼표는 천 단위 구분에만) 또는 "
        "`2000000 tokens`처럼 쓰십시오.",
    )
