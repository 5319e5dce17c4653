"""The provider's own books: what they say, and what reconciliation needs of whoever reads them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, Protocol

from msgspec import Struct

from talkmeter.metering.prices import PICODOLLARS, normal_tier
from talkmeter.metering.reconciling.figures import TOLD, Figures

Width = Literal["1m", "1d"]
BATCH = "batch"
_FIELDS: Mapping[str, str] = {
    "requests": "num_model_requests",
    "input": "input_tokens",
    "cached": "input_cached_tokens",
    "cache_write": "input_cache_write_tokens",
    "audio_input": "input_audio_tokens",
    "image_input": "input_image_tokens",
    "output": "output_tokens",
    "audio_output": "output_audio_tokens",
    "image_output": "output_image_tokens",
    "characters": "characters",
    "seconds": "seconds",
    "images": "images",
}


class BookLine(Struct, frozen=True, kw_only=True):
    """A bucket's figures of one group. start: seconds since 1970. tier: normal, or batch; "" in books without tiers.

    untold: figures that the line does not have.
    """

    start: int
    kind: str
    model: str
    tier: str
    figures: Figures
    project: str | None = None
    api_key: str | None = None
    untold: tuple[str, ...] = ()


class CostItem(Struct, frozen=True, kw_only=True):
    """A day's amount of one line item. quantity: None where it is not told. start: as a BookLine's."""

    start: int
    item: str
    picodollars: Decimal
    quantity: Decimal | None = None
    project: str | None = None
    api_key: str | None = None


class Scope(Struct, frozen=True):
    """Which part of the books can be ours; None: all of it."""

    projects: frozenset[str] | None = None
    api_keys: frozenset[str] | None = None

    def __contains__(self, line: BookLine | CostItem) -> bool:
        return (self.projects is None or line.project in self.projects) and (
            self.api_keys is None or line.api_key in self.api_keys
        )


class ProviderBooks(Protocol):
    """Times are seconds since 1970, from start up to before end. Raises UpstreamError with the provider's words."""

    async def usage(self, kind: str, start: int, end: int, width: Width) -> Sequence[BookLine]: ...

    async def costs(self, start: int, end: int) -> Sequence[CostItem]: ...


def book_line(kind: str, start: int, result: Mapping[str, Any]) -> BookLine:
    """A result of `/organization/usage/{kind}`."""
    figures, untold = {}, []
    for name in TOLD[kind]:
        figure = result.get(_FIELDS[name])
        if figure is None:
            untold.append(name)
        else:
            figures[name] = int(figure)
    tier = ""
    if kind == "completions":
        tier = BATCH if result.get("batch") else normal_tier(result.get("service_tier"))
    return BookLine(
        start=start,
        kind=kind,
        model=result.get("model") or "",
        tier=tier,
        figures=Figures(**figures),
        project=result.get("project_id"),
        api_key=result.get("api_key_id"),
        untold=tuple(untold),
    )


def cost_item(start: int, result: Mapping[str, Any]) -> CostItem:
    """A result of `/organization/costs`, whose numbers were read as decimals."""
    quantity = result.get("quantity")
    return CostItem(
        start=start,
        item=result.get("line_item") or "",
        picodollars=Decimal(result["amount"]["value"]) * PICODOLLARS,
        quantity=None if quantity is None else Decimal(quantity),
        project=result.get("project_id"),
        api_key=result.get("api_key_id"),
    )
