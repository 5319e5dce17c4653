"""Cost: usage × price rows, in integer picodollars, itemised. Pure functions.

Rules. Cached tokens without a cached rate cost the full input rate (the lists print “–” for “no discount”), and so do
cache writes; image input without a rate of its own is input. Audio without its own rate is unpriced: it costs a
multiple of text. Nothing else ever stands in for a missing row. A quantity of zero needs no row. A line is rounded
half to even where its price does not divide; every token price of the built-in list does.
"""

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal, InvalidOperation

from msgspec import Struct, structs

from talkmeter.errors import BadInput
from talkmeter.metering.prices import OUTPUT_UNITS, PriceRow, PriceTable, TextRows, normal_tier
from talkmeter.metering.usage import Usage

MOST = 2**63 - 1  # what the ledger can hold: 9.2 million USD for one call

_EXACT = Context(prec=80)


class CostLine(Struct, frozen=True):
    """`quantity` of a unit at `picodollars_per` picodollars for every `per`, by the price row `price_id`."""

    unit: str
    quantity: int
    picodollars_per: int
    per: int
    price_id: str
    picodollars: int


class Cost(Struct, frozen=True):
    """picodollars: the sum of the lines, or None if anything is unpriced; the lines that have a price are kept.

    unpriced: the reasons, each `MODEL: UNIT …`, such as `gpt-9: output has no price`.
    """

    picodollars: int | None
    lines: tuple[CostLine, ...] = ()
    unpriced: tuple[str, ...] = ()

    @property
    def input_picodollars(self) -> int | None:
        """The prompt's share; None if part of the prompt is unpriced."""
        return self._side(output=False)

    @property
    def output_picodollars(self) -> int | None:
        """The answer's share; None if part of the answer is unpriced."""
        return self._side(output=True)

    def _side(self, *, output: bool) -> int | None:
        for reason in self.unpriced:
            unit = reason.rpartition(": ")[2].partition(" ")[0]
            if unit == "usage" or (unit in OUTPUT_UNITS) is output:
                return None
        return sum(line.picodollars for line in self.lines if (line.unit in OUTPUT_UNITS) is output)


class PriceRange(Struct, frozen=True):
    """What a call will cost at least and at most, in picodollars; None where a price or a limit is unknown."""

    low: int | None
    high: int | None


def price_usage(
    usage: Usage | None, table: PriceTable, *, provider: str, model: str, tier: str | None, at: int
) -> Cost:
    """What a call has cost.

    provider: as `price_provider` names it. tier: the `service_tier` that the response states. at: µs UTC, the time of
    the call. Tokens of a kind that usage does not mention (None) are plain ones; a prompt or a completion that is not
    said at all leaves the cost unknown.
    """
    if usage is None:
        return Cost(None, (), (f"{model}: usage is not known",))
    prompt = usage.prompt_tokens or 0
    plain = text_cost(usage, table.text(provider, model, tier, prompt, at))
    if plain is not None:
        return plain
    asks = _Asks(table, provider, model, normal_tier(tier), at, prompt)
    _ask_for_input(usage, asks)
    _ask_for_output(usage, asks)
    return asks.cost()


def text_cost(usage: Usage, rows: TextRows) -> Cost | None:
    """The cost of text alone, all of whose units have prices of their own: nearly every call. Else None."""
    prompt, completion, cached = usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens or 0
    if (
        prompt is None
        or completion is None
        or cached > prompt
        or usage.cache_write_tokens
        or usage.cache_write_1h_tokens
        or usage.prompt_audio_tokens
        or usage.prompt_image_tokens
        or usage.completion_audio_tokens
        or usage.completion_image_tokens
    ):
        return None
    total = 0
    lines: list[CostLine] = []
    for unit, quantity, row in (
        ("input", prompt - cached, rows.input),
        ("cached_input", cached, rows.cached_input),
        ("output", completion, rows.output),
    ):
        if quantity:
            if row is None:
                return None
            amount = quantity * row.picodollars if row.per == 1 else _line(quantity, row)
            total += amount
            lines.append(CostLine(unit, quantity, row.picodollars, row.per, row.id, amount))
    return Cost(total, tuple(lines)) if total <= MOST else None


def price_quantities(
    quantities: Mapping[str, int] | Iterable[tuple[str, int]],
    table: PriceTable,
    *,
    provider: str,
    model: str,
    tier: str | None,
    at: int,
    prompt_tokens: int = 0,
) -> Cost:
    """The cost of quantities by unit: characters spoken, seconds heard, pictures drawn. Arguments as price_usage's."""
    asks = _Asks(table, provider, model, normal_tier(tier), at, prompt_tokens)
    for unit, quantity in dict(quantities).items():
        asks.ask(unit, quantity)
    return asks.cost()


def image_unit(*, size: str, quality: str | None = None) -> str:
    """The unit of one DALL-E picture: `image:standard:1024x1024`."""
    return f"image:{(quality or 'standard').lower()}:{size.lower()}"


def price_range(
    table: PriceTable,
    *,
    provider: str,
    model: str,
    tier: str | None,
    at: int,
    prompt_tokens: int,
    max_output_tokens: int | None,
    cached_tokens: int = 0,
    prompt_audio_tokens: int = 0,
    prompt_image_tokens: int = 0,
    choices: int = 1,
) -> PriceRange:
    """From–to of a call that has not been made.

    low: the forecast `cached_tokens` are read from the cache and the answer is empty. high: nothing is cached, the
    prompt is written to the cache where that costs more, and each of `choices` answers has `max_output_tokens`, all of
    the dearest kind the model can give. high is None without an output limit.
    """
    asks = _Asks(table, provider, model, normal_tier(tier), at, prompt_tokens)
    text = max(0, prompt_tokens - prompt_audio_tokens - prompt_image_tokens)
    plain = Usage(
        prompt_tokens=prompt_tokens,
        completion_tokens=0,
        prompt_audio_tokens=prompt_audio_tokens,
        prompt_image_tokens=prompt_image_tokens,
        cached_audio_tokens=0,
        cached_image_tokens=0,
    )
    inputs: list[int] = []
    for usage in (
        structs.replace(plain, cached_tokens=min(cached_tokens, text)),
        plain,
        structs.replace(plain, cache_write_tokens=text),
    ):
        cost = price_usage(usage, table, provider=provider, model=model, tier=tier, at=at).picodollars
        if cost is None:
            return PriceRange(None, None)
        inputs.append(cost)
    low = min(inputs)
    if max_output_tokens is None:
        return PriceRange(low, None)
    answer = max_output_tokens * choices
    if answer == 0:
        return PriceRange(low, max(inputs))
    text_answer, *others = (asks.amount(unit, answer) for unit in ("output", "audio_output", "image_output"))
    if text_answer is None:
        return PriceRange(low, None)
    return PriceRange(low, max(inputs) + max(text_answer, *(other or 0 for other in others)))


def format_usd(picodollars: int, *, digits: int | None = None) -> str:
    """`$0.0000012`: exact, with at least two decimals; or rounded half to even to so many significant digits.

    Whatever the digits, whole dollars and two decimals are kept, and what is not zero never reads as zero.
    """
    amount = Decimal(picodollars).scaleb(-12, _EXACT)
    if digits is not None and amount:
        last = min(amount.adjusted() - max(digits, 1) + 1, -2)
        amount = amount.quantize(Decimal(1).scaleb(last), context=_EXACT)
    whole, _, decimals = f"{abs(amount):f}".partition(".")
    sign = "-" if amount < 0 else ""
    return f"{sign}${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def plain_dollars(picodollars: int) -> str:
    """`0.0000012`: exact, for programs; a figure that is not negative."""
    whole, part = divmod(picodollars, 10**12)
    return f"{whole}.{part:012d}".rstrip("0").ljust(len(str(whole)) + 3, "0")


def convert(picodollars: int, rate: str) -> Decimal:
    """The amount in another currency, exactly; `rate` is how many of its units one USD is, as decimal text.

    Raises BadInput unless the rate is a positive number.
    """
    try:
        factor = Decimal(rate)
    except InvalidOperation:
        factor = Decimal(0)
    if not factor.is_finite() or not Decimal("1e-12") <= factor <= Decimal("1e12"):
        raise BadInput(
            f"“{rate:.40}” is not an exchange rate.",
            f"“{rate:.40}”은(는) 환율이 아닙니다.",
            param="currency_rate",
            hint="Write how many units of the currency one US dollar is, such as 1380.5.",
            hint_ko="1달러가 그 통화로 얼마인지 1380.5처럼 쓰십시오.",
        )
    return _EXACT.multiply(Decimal(picodollars).scaleb(-12, _EXACT), factor)


class _Asks:
    """Collects the lines of one call, and the reasons why something has no price."""

    def __init__(self, table: PriceTable, provider: str, model: str, tier: str, at: int, prompt: int) -> None:
        self._table, self._provider, self._model, self._tier = table, provider, model, tier
        self._at, self._prompt = at, prompt
        self._lines: list[CostLine] = []
        self._reasons: list[str] = []

    def row(self, unit: str) -> PriceRow | None:
        return self._table.find(self._provider, self._model, unit, self._tier, self._prompt, self._at)

    def ask(self, unit: str, quantity: int, *, instead: str | None = None) -> None:
        """A line for a quantity; `instead` is the unit whose rate counts where this one has none."""
        if quantity == 0:
            return
        if quantity < 0:
            self.refuse(f"{unit} would be {quantity}, because its parts add up to more than the whole")
            return
        row = self.row(unit) or (self.row(instead) if instead else None)
        if row is None:
            tier = "" if self._tier == "standard" else f" in tier {self._tier}"
            self.refuse(f"{unit} has no price{tier}")
            return
        amount = _line(quantity, row)
        self._lines.append(CostLine(unit, quantity, row.picodollars, row.per, row.id, amount))

    def amount(self, unit: str, quantity: int) -> int | None:
        row = self.row(unit)
        return None if row is None else _line(quantity, row)

    def refuse(self, reason: str) -> None:
        self._reasons.append(f"{self._model}: {reason}")

    def cost(self) -> Cost:
        total = sum(line.picodollars for line in self._lines)
        if total > MOST:
            return Cost(None, (), (f"{self._model}: usage is too large to be true",))
        return Cost(None if self._reasons else total, tuple(self._lines), tuple(self._reasons))


def _ask_for_input(usage: Usage, asks: _Asks) -> None:
    if usage.prompt_tokens is None:
        asks.refuse("input was not reported")
        return
    cached, written = usage.cached_tokens or 0, usage.cache_write_tokens or 0
    long_written = usage.cache_write_1h_tokens or 0
    audio = usage.prompt_audio_tokens or 0
    # Image tokens are text to the bill unless the model has a rate for them.
    image = (usage.prompt_image_tokens or 0) if asks.row("image_input") else 0
    cached_audio = _cached(cached, audio, usage.cached_audio_tokens)
    cached_image = _cached(cached, image, usage.cached_image_tokens)
    if cached_audio is None or cached_image is None:
        asks.refuse("cached_input was not split between text, audio and images, which cost differently")
        return
    cached_text = cached - cached_audio - cached_image
    asks.ask("input", usage.prompt_tokens - audio - image - cached_text - written)
    asks.ask("cached_input", cached_text, instead="input")
    asks.ask("cache_write", written - long_written, instead="input")
    asks.ask("cache_write_1h", long_written)
    asks.ask("audio_input", audio - cached_audio)
    asks.ask("cached_audio_input", cached_audio, instead="audio_input")
    asks.ask("image_input", image - cached_image)
    asks.ask("cached_image_input", cached_image, instead="image_input")


def _ask_for_output(usage: Usage, asks: _Asks) -> None:
    if usage.completion_tokens is None:
        asks.refuse("output was not reported")
        return
    audio, image = usage.completion_audio_tokens or 0, usage.completion_image_tokens or 0
    asks.ask("output", usage.completion_tokens - audio - image)
    asks.ask("audio_output", audio)
    asks.ask("image_output", image)


def _cached(cached: int, kind: int, said: int | None) -> int | None:
    """How many tokens of a kind came from the cache; None if that cannot be known."""
    if not cached or not kind:
        return 0
    return said


def _line(quantity: int, row: PriceRow) -> int:
    """The quantity times its price, rounded half to even."""
    whole, rest = divmod(quantity * row.picodollars, row.per)
    twice = 2 * rest
    return whole + (twice > row.per or (twice == row.per and whole % 2 == 1))
