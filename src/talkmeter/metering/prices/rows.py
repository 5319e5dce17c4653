"""The price row: what one unit of one model costs in one tier, from which prompt size and from which day on.

Money is integer picodollars (10⁻¹² USD): 0.005 USD per million tokens is 5,000 a token, without a remainder.
"""

import math
import re
import time

from msgspec import Struct

from talkmeter.errors import BadInput

PICODOLLARS = 10**12  # in one USD
MILLION = 1_000_000

# How many of a unit a published price is for. Images of DALL-E are units of their own: image:QUALITY:SIZE.
PER: dict[str, int] = {
    "input": MILLION,
    "cached_input": MILLION,
    "cache_write": MILLION,
    "cache_write_1h": MILLION,
    "output": MILLION,
    "audio_input": MILLION,
    "cached_audio_input": MILLION,
    "audio_output": MILLION,
    "image_input": MILLION,
    "cached_image_input": MILLION,
    "image_output": MILLION,
    "character": MILLION,
    "second": 3600,
    "web_search": 1000,
    "file_search": 1000,
    "code_interpreter": 1000,
    "image_generation": 1000,
}
OUTPUT_UNITS = frozenset({"output", "audio_output", "image_output"})
TIERS = ("standard", "batch", "flex", "priority")

_FIGURES = {
    "per": ("The number of units that a price buys", "가격이 적용되는 단위 수"),
    "band_from": ("The prompt size from which a price counts", "가격이 적용되기 시작하는 프롬프트 크기"),
    "effective_from": ("The moment from which a price counts (µs since 1970)", "가격이 시작되는 시각(1970년부터의 µs)"),
}
_IMAGE = re.compile(r"image:[a-z0-9-]+:[a-z0-9-]+")
_USD = re.compile(r"(\d{1,9})(?:\.(\d{0,12}))?", re.ASCII)
_TIER_NAMES = {"": "standard", "default": "standard", "auto": "standard", "fast": "priority"}


class PriceRow(Struct, frozen=True):
    """One dated price: `picodollars` for every `per` units.

    id: stable and readable, `openai/gpt-4o/input/standard/0/2024-10-02`; it stays on every ledger entry it priced.
    provider: as `price_provider` names it, or `*` (own rows only). model: lower case; own rows may end in `*`.
    band_from: the number of prompt tokens from which the row prices the whole request.
    effective_from: µs since 1970 UTC; 0 means since ever.
    """

    id: str
    provider: str
    model: str
    unit: str
    tier: str
    band_from: int
    effective_from: int
    picodollars: int
    per: int
    source: str


def own_row(
    *,
    model: str,
    unit: str,
    usd: str,
    per: int = MILLION,
    provider: str = "*",
    tier: str = "standard",
    band_from: int = 0,
    effective_from: int = 0,
    source: str = "own",
) -> PriceRow:
    """A row as a person enters it: `usd` (a decimal number as text) for `per` units.

    Raises BadInput with the field at fault in `param`.
    """
    if unit not in PER and not _IMAGE.fullmatch(unit):
        known = ", ".join(PER)
        raise BadInput(
            f"“{unit:.60}” is not a unit that can have a price.",
            f"“{unit:.60}”은(는) 가격을 매길 수 있는 단위가 아닙니다.",
            param="unit",
            hint=f"Use one of {known}, or image:QUALITY:SIZE.",
            hint_ko=f"{known} 중 하나 또는 image:QUALITY:SIZE를 쓰십시오.",
        )
    for name, text in (("model", model), ("provider", provider), ("tier", tier)):
        if not text or len(text) > 200 or text != text.strip() or not text.isprintable():
            raise BadInput(
                f"The {name} of a price must be 1 to 200 printable characters without spaces around them.",
                f"가격의 {name} 값은 앞뒤 공백 없이 출력 가능한 문자 1~200자여야 합니다.",
                param=name,
            )
    if "*" in model.removesuffix("*"):
        raise BadInput(
            f"“{model:.60}” has a * that is not at its end.",
            f"“{model:.60}”에서 *가 끝이 아닌 곳에 있습니다.",
            param="model",
            hint="Write a model's name, or its beginning and *, such as llama3*.",
            hint_ko="모델 이름을 쓰거나 llama3*처럼 앞부분 뒤에 *를 붙이십시오.",
        )
    for name, number, least in (("per", per, 1), ("band_from", band_from, 0), ("effective_from", effective_from, 0)):
        if not least <= number < 2**63:
            about, about_ko = _FIGURES[name]
            raise BadInput(
                f"{about} must be a whole number from {least} to 2⁶³ - 1.",
                f"{about_ko}: {least}부터 2⁶³ - 1까지의 정수여야 합니다.",
                param=name,
            )
    amount, units = per_unit(usd_to_picodollars(usd), per)
    tier = normal_tier(tier)
    model, provider = model.lower(), provider.lower()
    key = row_id(provider, model, unit, tier, band_from, effective_from)
    return PriceRow(f"own/{key}", provider, model, unit, tier, band_from, effective_from, amount, units, source)


def usd_to_picodollars(usd: str) -> int:
    """`"2.50"` → 2_500_000_000_000, exactly. Raises BadInput for signs, exponents or more than 12 decimals."""
    match = _USD.fullmatch(usd)
    if match is None:
        raise BadInput(
            f"“{usd:.40}” is not a price in USD.",
            f"“{usd:.40}”은(는) 달러 가격이 아닙니다.",
            param="usd",
            hint="Write a decimal number such as 2.50, with at most 12 decimals.",
            hint_ko="2.50처럼 소수점 아래 12자리까지의 숫자로 쓰십시오.",
        )
    return int(match[1]) * PICODOLLARS + int((match[2] or "").ljust(12, "0"))


def per_unit(picodollars: int, per: int) -> tuple[int, int]:
    """The same price in lowest terms: 2.50 USD per million is (2_500_000, 1)."""
    divisor = math.gcd(picodollars, per)
    return picodollars // divisor, per // divisor


def normal_tier(service_tier: str | None) -> str:
    """The tier of a `service_tier` as a response states it; absent, `default` and `auto` are standard.

    OpenAI serves and bills `fast` as priority. Other names stay what they are, and are unpriced unless a row has them.
    """
    tier = (service_tier or "").lower()
    return _TIER_NAMES.get(tier, tier)


def row_id(provider: str, model: str, unit: str, tier: str, band_from: int, effective_from: int) -> str:
    return f"{provider}/{model}/{unit}/{tier}/{band_from}/{_day(effective_from)}"


def _day(at: int) -> str:
    if at == 0:
        return "always"
    seconds, micros = divmod(at, 1_000_000)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    if micros:
        return f"{stamp}.{micros:06}Z"
    return stamp.removesuffix("T00:00:00") if stamp.endswith("T00:00:00") else f"{stamp}Z"
