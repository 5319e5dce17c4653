"""The most a request can come to, in tokens and in money. Pure.

True under any of the provider's choices that the request leaves open: the prompt is read, cached or written to the
cache, whichever costs most; every choice fills its output limit with the dearest kind it may give; the tier is the
dearest that may serve it; and the prompt reaches the dearest band that it can. What has no bound or no price is None,
with the reason.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Literal

from msgspec import Struct, field, structs

from talkmeter.metering.cost import MOST
from talkmeter.metering.prices import PriceRow, PriceTable, normal_tier

Unbounded = Literal["input", "output", "tools"]
FindUnit = Callable[[str, str, int], PriceRow | None]  # by unit, tier and size of the prompt
_Find = Callable[[str, int], PriceRow | None]  # by unit and size of the prompt

_TEXT_IN = ("input", "cached_input", "cache_write", "cache_write_1h")  # whichever is dearest, on any list
_ROUNDING = 8  # lines of a bill that may each be rounded up where a price does not divide


class Bounds(Struct, frozen=True, kw_only=True):
    """What a request can use at most.

    input_tokens, output_tokens (of one choice): None where no bound is known. tier: the `service_tier` asked for; None
    and `auto` leave it to the provider. audio_input, image_input: whether the prompt has such; audio_output,
    image_output: whether the answer may. quantities: further units by name, such as `character`, `second`,
    `image:hd:1024x1024` or `web_search`; None: so many that no bound is known. unpriced: what it uses that has no unit.
    instead: how much of what else it may be billed by; which of the two it is depends on what has a price.
    """

    input_tokens: int | None
    output_tokens: int | None
    choices: int = 1
    tier: str | None = None
    audio_input: bool = False
    image_input: bool = False
    audio_output: bool = False
    image_output: bool = False
    quantities: Mapping[str, int | None] = field(default_factory=dict)
    unpriced: tuple[str, ...] = ()
    instead: "Bounds | None" = None

    @property
    def first_unit(self) -> str:
        """The unit that has a price where a model is billed like this."""
        return next(iter(self.quantities)) if self.input_tokens == 0 and self.quantities else "input"


class WorstCase(Struct, frozen=True):
    """picodollars: None if unbounded or unpriced. tokens: None if unbounded. unpriced: reasons, as in Cost."""

    picodollars: int | None
    tokens: int | None
    unpriced: tuple[str, ...] = ()
    unbounded: tuple[Unbounded, ...] = ()


class Band(Struct, frozen=True):
    """The dearest rows for prompts of at least `start` tokens. None: there is no price, for the `reasons`."""

    start: int
    into: PriceRow | None
    out: PriceRow | None
    reasons_in: tuple[str, ...] = ()
    reasons_out: tuple[str, ...] = ()


class Tariff(Struct, frozen=True):
    """All that a model's prices decide about a worst case: the bands of each tier that may serve it."""

    tiers: tuple[tuple[str, tuple[Band, ...]], ...]


def tariff_key(bounds: Bounds) -> tuple[str | None, bool, bool, bool, bool]:
    """Bounds with the same key have the same tariff."""
    return bounds.tier, bounds.audio_input, bounds.image_input, bounds.audio_output, bounds.image_output


def tariff(table: PriceTable, bounds: Bounds, *, provider: str, model: str, at: int) -> Tariff:
    """provider: as `price_provider` names it. at: µs UTC, the time of the call."""
    found = []
    for tier in _tiers(table, bounds, provider, model, at):

        def row(unit: str, prompt: int, tier: str = tier) -> PriceRow | None:
            return table.find(provider, model, unit, tier, prompt, at)

        found.append((tier, tuple(_band(row, bounds, start) for start in _starts(row, bounds))))
    return Tariff(tuple(found))


def worst_case(table: PriceTable, bounds: Bounds, *, provider: str, model: str, at: int) -> WorstCase:
    """The worst case, its prices looked up; arguments as tariff's. The price book remembers tariffs instead."""
    prices = tariff(table, bounds, provider=provider, model=model, at=at)
    return worst_within(
        bounds, prices, model, lambda unit, tier, prompt: table.find(provider, model, unit, tier, prompt, at)
    )


def worst_within(bounds: Bounds, prices: Tariff, model: str, find: FindUnit) -> WorstCase:
    """find: the row of one of `bounds.quantities`' units."""
    into, out = bounds.input_tokens, bounds.output_tokens
    tokens = None if into is None or out is None else into + out * bounds.choices
    unbounded = _unbounded(bounds)
    if into is None or out is None or unbounded:
        return WorstCase(None, tokens, (), unbounded)
    worst, reasons = 0, [*bounds.unpriced]
    for tier, bands in prices.tiers:
        suffix = "" if tier == "standard" else f" in tier {tier}"
        ends = [*(band.start - 1 for band in bands[1:]), into]
        for band, end in zip(bands, ends, strict=True):
            if band.start > into:
                break
            prompt, answer = min(end, into), out * bounds.choices
            amount = _tokens(prompt, band.into, band.reasons_in, reasons, suffix)
            amount += _tokens(answer, band.out, band.reasons_out, reasons, suffix)
            for unit, many in bounds.quantities.items():
                if many:
                    missing = (f"{unit} has no price",)
                    amount += _tokens(many, find(unit, tier, prompt), missing, reasons, suffix)
            worst = max(worst, amount)
    if reasons:
        return WorstCase(None, tokens, tuple(dict.fromkeys(f"{model}: {reason}" for reason in reasons)))
    if worst > MOST:
        return WorstCase(None, tokens, (f"{model}: its worst case is too large to be true",))
    return WorstCase(worst, tokens)


def dearest(cases: Sequence[WorstCase]) -> WorstCase:
    """Of what a call may come to in several ways the most, in money and in tokens: what nobody can say, else the
    largest.
    """
    most = max(cases, key=lambda case: MOST + 1 if case.picodollars is None else case.picodollars)
    tokens = [case.tokens for case in cases if case.tokens is not None]
    return structs.replace(most, tokens=max(tokens) if len(tokens) == len(cases) else None)


def _unbounded(bounds: Bounds) -> tuple[Unbounded, ...]:
    found: list[Unbounded] = []
    if bounds.input_tokens is None:
        found.append("input")
    if bounds.output_tokens is None:
        found.append("output")
    if bounds.quantities and None in bounds.quantities.values():
        found.append("tools")
    return tuple(found)


def _tokens(quantity: int, row: PriceRow | None, missing: tuple[str, ...], reasons: list[str], suffix: str) -> int:
    """Their price, rounded up; never less than the bill, however it is split into lines. Adds why there is none."""
    if quantity == 0:
        return 0
    if row is None:
        reasons += [f"{reason}{suffix}" for reason in missing]
        return 0
    return -(-quantity * row.picodollars // row.per) + (_ROUNDING if row.per > 1 else 0)


def _tiers(table: PriceTable, bounds: Bounds, provider: str, model: str, at: int) -> Iterator[str]:
    """Where the tier is the provider's choice, priority is among its choices if the model has it."""
    asked = normal_tier(bounds.tier)
    yield asked
    if asked != "standard":
        if any(table.find(provider, model, unit, "standard", 0, at) for unit in ("input", "output")):
            yield "standard"
    elif (bounds.tier or "auto").lower() == "auto" and table.find(provider, model, "input", "priority", 0, at):
        yield "priority"


def _units(bounds: Bounds) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The units that a prompt's and an answer's tokens may be billed in; the first of each is needed."""
    audio_in = ("audio_input", "cached_audio_input") if bounds.audio_input else ()
    image_in = ("image_input", "cached_image_input") if bounds.image_input else ()
    image_out = ("image_output",) if bounds.image_output else ()
    audio_out = ("audio_output",) if bounds.audio_output else ()
    return (*_TEXT_IN, *audio_in, *image_in), ("output", *audio_out, *image_out)


def _starts(row: _Find, bounds: Bounds) -> list[int]:
    starts = {0}
    for units in _units(bounds):
        for unit in units:
            size = MOST
            while (found := row(unit, size)) is not None and found.band_from > 0:
                starts.add(found.band_from)
                size = found.band_from - 1
    return sorted(starts)


def _band(row: _Find, bounds: Bounds, start: int) -> Band:
    (into, out) = _units(bounds)
    missing_in = ["input has no price"] if row("input", start) is None else []
    missing_out = ["output has no price"] if row("output", start) is None else []
    # Audio costs a multiple of text, so text cannot stand in for it.
    if bounds.audio_input and row("audio_input", start) is None:
        missing_in.append("audio_input has no price")
    if bounds.audio_output and row("audio_output", start) is None:
        missing_out.append("audio_output has no price")
    return Band(
        start,
        None if missing_in else _dearest(row, into, start),
        None if missing_out else _dearest(row, out, start),
        tuple(missing_in),
        tuple(missing_out),
    )


def _dearest(row: _Find, units: tuple[str, ...], start: int) -> PriceRow:
    return max(
        (found for unit in units if (found := row(unit, start)) is not None),
        key=lambda found: Fraction(found.picodollars, found.per),
    )
