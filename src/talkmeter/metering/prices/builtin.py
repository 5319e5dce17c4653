"""The built-in prices: one JSON file per provider, made by tools/make_prices.py, read when first asked for.

A file holds price sheets. A sheet is a model's complete price list in one tier from one day on (and, where a provider
charges by the hour of the day, within certain hours); the latest sheet counts, so a price that ended is not carried on.
"""

from collections.abc import Iterator
from datetime import date
from functools import cache
from pathlib import Path

import msgspec

from talkmeter.metering.prices.names import candidates
from talkmeter.metering.prices.rows import PER, PriceRow, per_unit, row_id, usd_to_picodollars

DATA = Path(__file__).parent / "data"
SIMULATOR = "simulator"
_DAY = 86_400_000_000  # µs
_MINUTE = 60_000_000  # µs
_EPOCH = date(1970, 1, 1).toordinal()


class Sheet(msgspec.Struct, frozen=True, gc=False):
    """prices: unit → USD for PER[unit] units, or {band_from: USD}. hours: minutes of the UTC day [[from, to], …]."""

    tier: str
    prices: dict[str, str | dict[str, str]]
    since: str = msgspec.field(default="", name="from")
    hours: tuple[tuple[int, int], ...] = ()
    source: str = ""

    @property
    def effective_from(self) -> int:
        return (date.fromisoformat(self.since).toordinal() - _EPOCH) * _DAY if self.since else 0

    def holds(self, at: int) -> bool:
        minute = at % _DAY // _MINUTE
        return not self.hours or any(
            start <= minute < end if start <= end else (minute >= start or minute < end) for start, end in self.hours
        )


class Model(msgspec.Struct, frozen=True):
    """A model's sheets, oldest first, those with hours after those without. Limits are in tokens; None: unknown."""

    model: str
    sheets: tuple[Sheet, ...] = ()
    aliases: tuple[str, ...] = ()
    context_window: int | None = None
    max_output: int | None = None

    def sheet(self, tier: str, at: int) -> Sheet | None:
        """The sheet that counts at a time (µs UTC)."""
        for sheet in reversed(self.sheets):
            if sheet.tier == tier and sheet.effective_from <= at and sheet.holds(at):
                return sheet
        return None


class Book(msgspec.Struct):
    """One provider's file. source: where its sheets come from unless they say otherwise."""

    provider: str
    source: str
    models: tuple[Model, ...]
    by_name: dict[str, Model] = {}

    def __post_init__(self) -> None:
        self.by_name = {name: model for model in self.models for name in (model.model, *model.aliases)}


@cache
def providers() -> frozenset[str]:
    """The providers that have a file."""
    return frozenset(path.stem for path in DATA.glob("*.json"))


@cache
def book(provider: str) -> Book | None:
    """A provider's file, read once; None if there is none."""
    if provider not in providers():
        return None
    return msgspec.json.decode((DATA / f"{provider}.json").read_bytes(), type=Book)


@cache
def _pattern(model: str) -> Model | None:
    """The simulator's play prices: names that begin with sim- are reserved for it, so one entry covers them all.

    What stands behind an @ is a speed. Models that only have a fault serve every endpoint, and cost alike everywhere.
    """
    simulator = book(SIMULATOR)
    assert simulator is not None, "simulator.json is missing from the package"
    if not model.startswith("sim-"):
        return None
    pattern = "sim-fault-*" if model.startswith("sim-fault-") else "sim-*"
    return simulator.by_name.get(model.partition("@")[0], simulator.by_name[pattern])


def find_model(provider: str, model: str) -> tuple[str, Model] | None:
    """The provider whose list applies and its entry for a model; None if it has none.

    Providers without a list of their own still have the simulator's models, whichever address it answers at.
    """
    listed = book(provider)
    if listed is None or provider == SIMULATOR:
        play = _pattern(model.lower())
        return None if play is None else (SIMULATOR, play)
    for name in candidates(provider, model):
        entry = listed.by_name.get(name)
        if entry is not None:
            return provider, entry
    return None


def rows(provider: str, entry: Model, sheet: Sheet, unit: str) -> list[PriceRow]:
    """The sheet's rows for a unit, the highest band first; none if it does not price that unit."""
    price = sheet.prices.get(unit)
    if price is None:
        return []
    bands = {0: price} if isinstance(price, str) else {int(band): usd for band, usd in price.items()}
    hours = "".join(f"@{_clock(start)}-{_clock(end)}" for start, end in sheet.hours)
    made = []
    for band in sorted(bands, reverse=True):
        amount, per = per_unit(usd_to_picodollars(bands[band]), PER.get(unit, 1))
        since = sheet.effective_from
        key = row_id(provider, entry.model, unit, sheet.tier, band, since) + hours
        source = sheet.source or _source(provider)
        made.append(PriceRow(key, provider, entry.model, unit, sheet.tier, band, since, amount, per, source))
    return made


def all_rows(provider: str) -> Iterator[PriceRow]:
    """Every row of a provider's file, in its order."""
    listed = book(provider)
    for entry in listed.models if listed else ():
        for sheet in entry.sheets:
            for unit in sheet.prices:
                yield from rows(provider, entry, sheet, unit)


def _source(provider: str) -> str:
    listed = book(provider)
    return listed.source if listed else ""


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
