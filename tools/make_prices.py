"""Makes the built-in price lists: genai-prices (MIT, a development dependency) + tools/prices_own.toml → data/*.json.

    python tools/make_prices.py            writes the files and prints what was left out and why
    python tools/make_prices.py --check    writes nothing; exit status 1 if a file is not what would be written

Only what our rows can say exactly is taken over. A model with a price of a kind we do not meter is left out whole, so
it is unpriced rather than wrong. Loose upstream matching (“starts with”) is not taken over: a name is listed only if
it is spelled out upstream, or is the very beginning that is spelled out there.
"""

import json
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

from genai_prices import types
from genai_prices.data import providers

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from talkmeter.metering.prices.hosts import HOSTS  # noqa: E402

DATA = ROOT / "src/talkmeter/metering/prices/data"
OWN = Path(__file__).with_name("prices_own.toml")
SOURCE = f"genai-prices {version('genai-prices')}"
SHIPPED = tuple(sorted(set(HOSTS.values())))

UNITS = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "output_mtok": "output",
    "input_audio_mtok": "audio_input",
    "cache_audio_read_mtok": "cached_audio_input",
    "output_audio_mtok": "audio_output",
    "input_image_mtok": "image_input",
    "cache_image_read_mtok": "cached_image_input",
    "output_image_mtok": "image_output",
    "input_mchars": "character",
    "audio_hours": "second",
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
}
SAME_AS = {"input_audio_hours": "audio_hours"}  # the same seconds under a second name
TIERS = {
    ("service_tier", "default"): "standard",
    ("service_tier", "flex"): "flex",
    ("service_tier", "priority"): "priority",
    ("service_tier", "fast"): "priority",
    ("processing", "batch"): "batch",
}

RANK = ("standard", "batch", "flex", "priority")

Prices = dict[str, str | dict[str, str]]


class LeftOut(Exception):
    """Why a model cannot be said in our rows."""


@dataclass(frozen=True)
class Sheet:
    tier: str
    since: date | None
    prices: Prices
    hours: tuple[tuple[int, int], ...] = ()
    source: str = ""

    @property
    def order(self) -> tuple[int, date, bool]:
        return RANK.index(self.tier), self.since or date.min, bool(self.hours)

    def as_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {"tier": self.tier}
        if self.since:
            said["from"] = self.since.isoformat()
        if self.hours:
            said["hours"] = [list(pair) for pair in self.hours]
        said["prices"] = self.prices
        if self.source:
            said["source"] = self.source
        return said


@dataclass
class Model:
    model: str
    sheets: list[Sheet]
    aliases: set[str] = field(default_factory=set)
    context_window: int | None = None
    max_output: int | None = None

    def as_json(self) -> dict[str, Any]:
        said: dict[str, Any] = {"model": self.model}
        if self.aliases:
            said["aliases"] = sorted(self.aliases)
        for name in ("context_window", "max_output"):
            if getattr(self, name):
                said[name] = getattr(self, name)
        said["sheets"] = [sheet.as_json() for sheet in sorted(self.sheets, key=lambda sheet: sheet.order)]
        return said


def main() -> int:
    own = tomllib.loads(OWN.read_text("utf-8"))
    written = {provider: render(provider, own) for provider in (*SHIPPED, "simulator")}
    DATA.mkdir(exist_ok=True)
    stale = [
        name
        for name, text in written.items()
        if not (DATA / f"{name}.json").exists() or (DATA / f"{name}.json").read_text("utf-8") != text
    ]
    if "--check" in sys.argv:
        print(f"not up to date: {', '.join(stale)}; run tools/make_prices.py" if stale else "up to date")
        return 1 if stale else 0
    for name, text in written.items():
        (DATA / f"{name}.json").write_text(text, "utf-8")
    print(
        f"{len(written)} files, {sum(map(len, written.values())):,} characters; changed: {', '.join(stale) or 'none'}"
    )
    return 0


def render(provider: str, own: dict[str, Any]) -> str:
    """One provider's file: a line for every model, alias list and sheet, so that a diff reads as a price change."""
    models = upstream_models(provider)
    for entry in own["model"]:
        if entry["provider"] == provider:
            merge(models, entry)
    for name, (context, output) in own["limits"].get(provider, {}).items():
        models[name].context_window, models[name].max_output = context or None, output or None
    source = SOURCE if provider in SHIPPED else "simulator"
    lines = []
    for model in sorted(models.values(), key=lambda model: model.model):
        said = model.as_json()
        sheets = said.pop("sheets")
        head = json.dumps(said, ensure_ascii=False)[:-1]
        rows = ",\n".join(f"    {json.dumps(sheet, ensure_ascii=False)}" for sheet in sheets)
        lines.append(f'  {head}, "sheets": [\n{rows}]}}')
    top = f'{{"provider": {json.dumps(provider)}, "source": {json.dumps(source)}, "models": [\n'
    return top + ",\n".join(lines) + "\n]}\n"


def upstream_models(provider_id: str) -> dict[str, Model]:
    provider = next((p for p in providers if p.id == provider_id), None)
    models: dict[str, Model] = {}
    for info in provider.models if provider else ():
        try:
            sheets = list(sheets_of(info))
        except LeftOut as reason:
            print(f"{provider_id}: {info.id} left out: {reason}")
            continue
        if sheets:
            names = {alias for alias in spelled_out(info.match) if provider.find_model(alias) is info}
            if provider_id == "anthropic":  # its undated aliases end in -latest
                names |= {f"{alias}-latest" for alias in names if provider.find_model(f"{alias}-latest") is info}
            name = info.id.lower().rstrip("-")
            if names and provider.find_model(name) is not info and not name.startswith("ft:"):
                name = min(names)  # upstream's id is not always a name that the provider knows
            models[name] = Model(name, sheets, names - {name}, info.context_window)
    return models


def spelled_out(clause: Any) -> Iterator[str]:
    """The names a match clause spells out, and of “starts with x” x itself."""
    match clause:
        case types.ClauseEquals():
            yield clause.equals.lower()
        case types.ClauseOr():
            for part in clause.or_:
                yield from spelled_out(part)
        case types.ClauseStartsWith() if not clause.starts_with.startswith("ft:"):
            yield clause.starts_with.lower().rstrip("-.")
        case types.ClauseContains():
            yield clause.contains.lower()
        case _:
            pass


def sheets_of(info: types.ModelInfo) -> Iterator[Sheet]:
    """A sheet for every tier and every day on which something in that tier changed."""
    tiers: dict[str, list[types.PriceVariant]] = {"standard": []}
    for variant in info.price_variants or ():
        tier = TIERS.get(next(iter(variant.when.items())) if len(variant.when) == 1 else ("", ""))
        if tier is not None:
            tiers.setdefault(tier, []).append(variant)
    for tier, variants in tiers.items():
        begin = min((started(v.constraint) or date.min for v in variants), default=date.min)
        days = {begin, *(started(v.constraint) or date.min for v in variants), *standard_days(info)}
        before: Prices | None = None
        for day in sorted(day for day in days if day >= begin):
            context = dict(variants[0].when) if variants else None
            for hours, prices in price_sets(info, day, context):
                said = units(prices, info.id)
                if hours or said != before:
                    yield Sheet(tier, day if day > date.min else None, said, hours)
                if not hours:
                    before = said


def standard_days(info: types.ModelInfo) -> set[date]:
    listed = info.prices if isinstance(info.prices, list) else []
    return {date.min, *(day for day in (started(price.constraint) for price in listed) if day)}


def price_sets(
    info: types.ModelInfo, day: date, context: dict[str, str] | None
) -> Iterator[tuple[tuple[tuple[int, int], ...], types.ModelPrice]]:
    """The prices in force from a day on: for the whole day, then for the hours that have prices of their own."""
    listed = info.prices if isinstance(info.prices, list) else []
    timed = [price for price in listed if isinstance(price.constraint, types.TimeOfDateConstraint)]
    untimed = [price for price in listed if price not in timed]
    at = datetime.combine(max(day, date(1970, 1, 2)), datetime.min.time(), UTC)
    yield (
        (),
        types.ModelInfo(
            id=info.id, match=info.match, prices=untimed or info.prices, price_variants=info.price_variants
        ).get_prices(at, context),
    )
    # Hours are listed behind the dated price they belong to.
    position = max((started(price.constraint) or date.min for price in untimed), default=date.min)
    if timed and context is None and day == position:
        hours = tuple((minutes(p.constraint.start_time), minutes(p.constraint.end_time)) for p in timed)
        if len({json.dumps(units(price.prices, info.id)) for price in timed}) > 1:
            raise LeftOut("different prices at different hours")
        yield hours, timed[0].prices


def units(prices: types.ModelPrice, model: str) -> Prices:
    """USD as text by our unit; bands by the prompt size from which they count."""
    said: Prices = {}
    for key, value in vars(prices).items():
        if value is None:
            continue
        if key in SAME_AS:
            if getattr(prices, SAME_AS[key]) != value:
                raise LeftOut(f"{key} is not {SAME_AS[key]}")
            continue
        if key not in UNITS:
            raise LeftOut(f"{key} is not metered")
        if isinstance(value, types.TieredPrices):
            bands = {0: value.base} | {tier.start + 1: tier.price for tier in value.tiers}
            said[UNITS[key]] = {str(band): plain(bands[band]) for band in sorted(bands)}
        else:
            said[UNITS[key]] = plain(value)
    if model.startswith("gpt-image-") and "image_output" not in said:
        said["image_output"] = said["output"]  # these give pictures only; upstream lists their rate as output
    return said


def merge(models: dict[str, Model], entry: dict[str, Any]) -> None:
    """Adds an own entry to the upstream models, as prices_own.toml explains at its top."""
    name = entry["model"]
    models.pop(entry.get("replaces", ""), None)
    if like := entry.get("like"):
        base = models[like]
        undated = [s for s in base.sheets if not (s.tier == "standard" and s.source)]
        since = {s.since for s in undated if s.tier == "standard"}
        sheets = [
            Sheet(s.tier, None if s.tier == "standard" and len(since) == 1 else s.since, s.prices, s.hours)
            for s in undated
        ]
        models[name] = Model(name, sheets, context_window=base.context_window)
    model = models.setdefault(name, Model(name, []))
    if since_day := entry.get("upstream_from"):
        day = date.fromisoformat(since_day)
        model.sheets = [
            Sheet(s.tier, day, s.prices, s.hours) if s.tier == "standard" and s.since is None else s
            for s in model.sheets
        ]
    for own in entry.get("sheet", ()):
        text = own.get("from")
        sheet = Sheet(
            own.get("tier", "standard"),
            date.fromisoformat(text) if text else None,
            own["prices"],
            (),
            own.get("source", ""),
        )
        model.sheets = [s for s in model.sheets if s.order != sheet.order] + [sheet]
    model.aliases |= set(entry.get("aliases", ()))
    for other in models.values():
        other.aliases -= {name} if other is model else {name, *model.aliases}
    model.context_window = entry.get("context_window", model.context_window)
    model.max_output = entry.get("max_output", model.max_output)


def started(constraint: object) -> date | None:
    return constraint.start_date if isinstance(constraint, types.StartDateConstraint) else None


def minutes(time: Any) -> int:
    return int(time.hour) * 60 + int(time.minute)


def plain(value: Decimal) -> str:
    # Recurring decimals (a twelfth of a dollar) are cut to picodollars per million tokens, 10⁻¹⁸ USD a token.
    text = f"{round(value, 12):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


if __name__ == "__main__":
    sys.exit(main())
