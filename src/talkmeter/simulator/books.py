"""The provider's own books, made of the bill: usage and costs in buckets of time. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from talkmeter.metering.cost import CostLine, image_unit, price_quantities, price_usage
from talkmeter.metering.prices import PICODOLLARS, PriceTable
from talkmeter.metering.usage import Usage
from talkmeter.simulator.bill import Row

USER = "user-simulator"
_MICROSECONDS = 1_000_000
_IMAGES = {"/v1/images/generations": "image.generation", "/v1/images/edits": "image.edit"}
# The usage endpoint that each endpoint's requests are found under.
KINDS = {
    "completions": ("/v1/chat/completions", "/v1/responses", "/v1/completions"),
    "embeddings": ("/v1/embeddings",),
    "moderations": ("/v1/moderations",),
    "images": tuple(_IMAGES),
    "audio_speeches": ("/v1/audio/speech",),
    "audio_transcriptions": ("/v1/audio/transcriptions", "/v1/audio/translations"),
}
_EVERYTHING = tuple(path for paths in KINDS.values() for path in paths)
_QUANTITY_UNITS = {"character": "characters", "second": "duration_seconds"}

Result = dict[str, Any]


class Span(NamedTuple):
    """A time from start up to before end, in buckets of a width; all in seconds since 1970."""

    start: int
    end: int
    width: int

    def buckets(self) -> list[int]:
        """The starts of its buckets, which lie where UTC has its minutes, hours and days."""
        return list(range(self.start // self.width * self.width, self.end, self.width))


class Wanted(NamedTuple):
    """group_by: names of dimensions. only: dimension → the values that count."""

    group_by: tuple[str, ...]
    only: Mapping[str, frozenset[Any]]


def usage(rows: Iterable[Row], kind: str, span: Span, wanted: Wanted) -> dict[int, list[Result]]:
    """Results of each bucket that has any: one for each group, as `/organization/usage/{kind}` shows them."""
    figures = _FIGURES[kind]
    found: dict[int, list[Result]] = {}
    for start, groups in _grouped(rows, KINDS[kind], span, wanted).items():
        for group, members in groups.items():
            dimensions = dict(zip(wanted.group_by, group, strict=True))
            found.setdefault(start, []).append(
                {
                    "object": f"organization.usage.{kind}.result",
                    **figures(members),
                    "num_model_requests": len(members),
                    **dict.fromkeys(_DIMENSIONS[kind]),
                    **dimensions,
                }
            )
    return found


def costs(rows: Iterable[Row], span: Span, wanted: Wanted, table: PriceTable) -> dict[int, list[Result]]:
    """Results of each bucket that has any, as `/organization/costs` shows them. What has no price is not in them."""
    by_item = "line_item" in wanted.group_by
    plain = Wanted(tuple(name for name in wanted.group_by if name != "line_item"), wanted.only)
    found: dict[int, list[Result]] = {}
    for start, groups in _grouped(rows, _EVERYTHING, span, plain).items():
        for group, members in groups.items():
            items: dict[str | None, tuple[int, int, str | None]] = {}
            for row in members:
                for line in cost_lines(row, table):
                    name = line_item(row, line.unit) if by_item else None
                    amount, quantity, _ = items.get(name, (0, 0, None))
                    unit = _quantity_unit(line.unit) if by_item else None
                    items[name] = amount + line.picodollars, quantity + line.quantity, unit
            dimensions = dict(zip(plain.group_by, group, strict=True))
            for name, (amount, quantity, unit) in items.items():
                found.setdefault(start, []).append(
                    {
                        "object": "organization.costs.result",
                        "amount": {"value": dollars(amount), "currency": "usd"},
                        "line_item": name,
                        "project_id": None,
                        "api_key_id": None,
                        **dimensions,
                        "quantity": quantity if by_item else None,
                        "quantity_unit": unit,
                    }
                )
    return found


def cost_lines(row: Row, table: PriceTable) -> tuple[CostLine, ...]:
    """What a row costs, by the same rules as the ledger: the model that served, its tier, the day's price."""
    model = row.served_model or row.model or ""
    provider = "simulator" if (row.model or "").startswith("sim-") else "openai"
    tier = "batch" if row.batch else row.service_tier
    tokens = Usage(
        prompt_tokens=row.prompt_tokens,
        cached_tokens=row.cached_tokens,
        cache_write_tokens=row.cache_write_tokens,
        prompt_audio_tokens=row.prompt_audio_tokens,
        prompt_image_tokens=row.prompt_image_tokens,
        completion_tokens=row.completion_tokens,
        reasoning_tokens=row.reasoning_tokens,
        completion_audio_tokens=row.completion_audio_tokens,
        completion_image_tokens=row.completion_image_tokens,
    )
    others = {"character": row.characters, "second": row.seconds}
    if row.images and row.size:
        others[image_unit(size=row.size, quality=row.quality)] = row.images
    by_token = price_usage(tokens, table, provider=provider, model=model, tier=tier, at=row.at)
    by_unit = price_quantities(others, table, provider=provider, model=model, tier=tier, at=row.at)
    return by_token.lines + by_unit.lines


def line_item(row: Row, unit: str) -> str:
    """`gpt-4o batch, cached input`."""
    tier = "batch" if row.batch else row.service_tier
    named = "" if tier in (None, "default") else f" {tier}"
    return f"{row.served_model or row.model}{named}, {unit.replace('_', ' ').replace(':', ' ')}"


def dollars(picodollars: int) -> msgspec.Raw:
    """A JSON number with all its decimals."""
    text = f"{Decimal(picodollars) / PICODOLLARS:f}"
    return msgspec.Raw((text.rstrip("0").rstrip(".") if "." in text else text).encode())


def dimension(row: Row, name: str) -> Any:
    """What a row is in one of the dimensions that usage is grouped by."""
    values = {
        "project_id": row.project or "proj_simulator",
        "user_id": USER,
        "api_key_id": f"key_{row.key}" if row.key else None,
        "model": row.served_model or row.model,
        "batch": row.batch,
        "service_tier": row.service_tier,
        "size": row.size,
        "source": _IMAGES.get(row.endpoint),
    }
    return values[name]


def _grouped(
    rows: Iterable[Row], endpoints: tuple[str, ...], span: Span, wanted: Wanted
) -> dict[int, dict[tuple[Any, ...], list[Row]]]:
    grouped: dict[int, dict[tuple[Any, ...], list[Row]]] = {}
    for row in _within(rows, endpoints, span):
        if all(dimension(row, name) in values for name, values in wanted.only.items()):
            start = row.at // _MICROSECONDS // span.width * span.width
            group = tuple(dimension(row, name) for name in wanted.group_by)
            grouped.setdefault(start, {}).setdefault(group, []).append(row)
    return grouped


def _within(rows: Iterable[Row], endpoints: tuple[str, ...], span: Span) -> Iterator[Row]:
    for row in rows:
        charged = row.status == 200 or row.outcome in ("finished", "cancelled")
        if charged and row.endpoint in endpoints and span.start <= row.at / _MICROSECONDS < span.end:
            yield row


def _sum(rows: list[Row], *names: str) -> int:
    return sum(getattr(row, name) for row in rows for name in names)


def _completions(rows: list[Row]) -> dict[str, int]:
    prompt, cached, written = (_sum(rows, f"{name}_tokens") for name in ("prompt", "cached", "cache_write"))
    audio, image = _sum(rows, "prompt_audio_tokens"), _sum(rows, "prompt_image_tokens")
    spoken, drawn = _sum(rows, "completion_audio_tokens"), _sum(rows, "completion_image_tokens")
    completion = _sum(rows, "completion_tokens")
    return {
        "input_tokens": prompt,
        "input_cached_tokens": cached,
        "input_cache_write_tokens": written,
        "input_uncached_tokens": prompt - cached - written,
        "output_tokens": completion,
        "input_text_tokens": prompt - audio - image,
        "output_text_tokens": completion - spoken - drawn,
        # What is cached is not known by kind: it is taken for text.
        "input_cached_text_tokens": cached,
        "input_audio_tokens": audio,
        "input_cached_audio_tokens": 0,
        "output_audio_tokens": spoken,
        "input_image_tokens": image,
        "input_cached_image_tokens": 0,
        "output_image_tokens": drawn,
    }


def _one(shown: str, figure: str) -> Callable[[list[Row]], dict[str, int]]:
    return lambda rows: {shown: _sum(rows, figure)}


_FIGURES: dict[str, Callable[[list[Row]], dict[str, int]]] = {
    "completions": _completions,
    "embeddings": _one("input_tokens", "prompt_tokens"),
    "moderations": _one("input_tokens", "prompt_tokens"),
    "images": _one("images", "images"),
    "audio_speeches": _one("characters", "characters"),
    "audio_transcriptions": _one("seconds", "seconds"),
}
_COMMON = ("project_id", "user_id", "api_key_id", "model")
_DIMENSIONS = {
    **dict.fromkeys(KINDS, _COMMON),
    "completions": (*_COMMON, "batch", "service_tier"),
    "images": ("source", "size", *_COMMON),
}


def dimensions_of(kind: str) -> tuple[str, ...]:
    """What the results of a usage endpoint, or of `costs`, can be grouped by."""
    return ("project_id", "line_item", "api_key_id") if kind == "costs" else _DIMENSIONS[kind]


def _quantity_unit(unit: str) -> str:
    return "images" if unit.startswith("image:") else _QUANTITY_UNITS.get(unit, "tokens")
