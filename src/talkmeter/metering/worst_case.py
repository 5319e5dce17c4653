"""The most a request can come to, in tokens and in money. Pure.

True under any of the provider's choices that the request leaves open: the prompt is read, cached or written to the
cache, whichever costs most; every choice fills its output limit with the dearest kind it may give; the tier is the
dearest that may serve it; and the prompt reaches the dearest band that it can. What has no bound or no price is None,
with the reason.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

from msgspec import Struct, field

from talkmeter.metering.cost import MOST
from talkmeter.metering.prices import PriceRow, PriceTable, normal_tier

Unbounded = Literal["input", "output", "tools"]
_Find = Callable[[str, int], PriceRow | None]  # by unit and size of the prompt

_TEXT_IN = ("input", "cached_input", "cache_write", "cache_write_1h")  # whichever is dearest, on any list
_ROUNDING = 8  # lines of a bill that may each be rounded up where a price does not divide


class Bounds(Struct, frozen=True, kw_only=True):
    """What a request can use at most.

    input_tokens, output_tokens (of one choice): None where no bound is known. tier: the `service_tier` asked for; None
    and `auto` leave it to the provider. audio_input, image_input: whether the prompt has such; audio_output,
    image_output: whether the answer may. quantities: further units by name, such as `character`, `second`,
    `image:hd:1024x1024` or `web_search`; None: so many that no bound is known. unpriced: what it uses that has no unit.
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


class WorstCase(Struct, frozen=True):
    """picodollars: None if unbounded or unpriced. tokens: None if unbounded. unpriced: reasons, as in Cost."""

    picodollars: int | None
    tokens: int | None
    unpriced: tuple[str, ...] = ()
    unbounded: tuple[Unbounded, ...] = ()


def worst_case(table: PriceTable, bounds: Bounds, *, provider: str, model: str, at: int) -> WorstCase:
    """provider: as `price_provider` names it. at: µs UTC, the time of the call."""
    unbounded: list[Unbounded] = []
    if bounds.input_tokens is None:
        unbounded.append("input")
    if bounds.output_tokens is None:
        unbounded.append("output")
    if any(quantity is None for quantity in bounds.quantities.values()):
        unbounded.append("tools")
    tokens: int | None = None
    if bounds.input_tokens is not None and bounds.output_tokens is not None:
        tokens = bounds.input_tokens + bounds.output_tokens * bounds.choices
    if unbounded:
        return WorstCase(None, tokens, (), tuple(unbounded))
    tries = [_in_tier(table, bounds, provider, model, tier, at) for tier in _tiers(table, bounds, provider, model, at)]
    reasons = (*bounds.unpriced, *(reason for each in tries for reason in each.reasons))
    if reasons:
        return WorstCase(None, tokens, tuple(dict.fromkeys(f"{model}: {reason}" for reason in reasons)))
    worst = max(each.picodollars for each in tries)
    if worst > MOST:
        return WorstCase(None, tokens, (f"{model}: its worst case is too large to be true",))
    return WorstCase(worst, tokens)


class _Try(Struct):
    picodollars: int
    reasons: tuple[str, ...] = ()


def _tiers(table: PriceTable, bounds: Bounds, provider: str, model: str, at: int) -> Iterator[str]:
    """Where the tier is the provider's choice, priority is among its choices if the model has it."""
    asked = normal_tier(bounds.tier)
    yield asked
    if asked != "standard":
        if any(table.find(provider, model, unit, "standard", 0, at) for unit in ("input", "output")):
            yield "standard"
    elif (bounds.tier or "auto").lower() == "auto" and table.find(provider, model, "input", "priority", 0, at):
        yield "priority"


def _in_tier(table: PriceTable, bounds: Bounds, provider: str, model: str, tier: str, at: int) -> _Try:
    """The dearest prompt within the bounds; where prices have bands, also the largest prompt of each band."""

    def row(unit: str, prompt: int) -> PriceRow | None:
        return table.find(provider, model, unit, tier, prompt, at)

    assert bounds.input_tokens is not None  # worst_case has looked
    worst = _Try(0)
    for prompt in _prompts(row, bounds):
        found = _of_prompt(row, bounds, prompt)
        if found.reasons:
            return _Try(0, tuple(r if tier == "standard" else f"{r} in tier {tier}" for r in found.reasons))
        if found.picodollars > worst.picodollars:
            worst = found
    return worst


def _units(bounds: Bounds) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The units that a prompt's and an answer's tokens may be billed in; the first of each is needed."""
    audio_in = ("audio_input", "cached_audio_input") if bounds.audio_input else ()
    image_in = ("image_input", "cached_image_input") if bounds.image_input else ()
    image_out = ("image_output",) if bounds.image_output else ()
    audio_out = ("audio_output",) if bounds.audio_output else ()
    return (*_TEXT_IN, *audio_in, *image_in), ("output", *audio_out, *image_out)


def _prompts(row: _Find, bounds: Bounds) -> list[int]:
    assert bounds.input_tokens is not None
    sizes = {bounds.input_tokens}
    for unit in (*_units(bounds)[0], *_units(bounds)[1]):
        size = bounds.input_tokens
        while (found := row(unit, size)) is not None and found.band_from > 0:
            size = found.band_from - 1
            sizes.add(size)
    return sorted(sizes)


def _of_prompt(row: _Find, bounds: Bounds, prompt: int) -> _Try:
    into, out = _units(bounds)
    answer = (bounds.output_tokens or 0) * bounds.choices
    total, reasons = 0, []
    needs_audio = (("audio_input", bounds.audio_input, prompt), ("audio_output", bounds.audio_output, answer))
    for unit, wanted, quantity in needs_audio:
        if wanted and quantity and row(unit, prompt) is None:  # it costs a multiple of text, so text cannot stand in
            reasons.append(f"{unit} has no price")
    for units, quantity in ((into, prompt), (out, answer)):
        if quantity:
            amounts = [_up(quantity, found) for unit in units if (found := row(unit, prompt)) is not None]
            if row(units[0], prompt) is None:
                reasons.append(f"{units[0]} has no price")
            else:
                total += max(amounts)
    for unit, many in bounds.quantities.items():
        if many:
            found = row(unit, prompt)
            if found is None:
                reasons.append(f"{unit} has no price")
            else:
                total += _up(many, found)
    return _Try(total, tuple(reasons))


def _up(quantity: int, row: PriceRow) -> int:
    """Never less than the bill, however it is split into lines."""
    return -(-quantity * row.picodollars // row.per) + (_ROUNDING if row.per > 1 else 0)
