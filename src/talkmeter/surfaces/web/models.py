"""The models that providers offer, with what is known about each. Pure."""

from collections.abc import Iterable
from typing import Any

from talkmeter.completions import UpstreamModel
from talkmeter.metering.models_info import model_limits
from talkmeter.metering.pricebook import PriceBook
from talkmeter.metering.prices import MILLION
from talkmeter.metering.tokens import encoding_for
from talkmeter.surfaces.web.services import Offer
from talkmeter.surfaces.web.translate import money


def models_json(offers: Iterable[Offer], prices: PriceBook, at: int) -> list[dict[str, Any]]:
    """Each model of each provider, in the providers' order. at: µs UTC, the day whose prices count."""
    return [_model_json(offer, model, prices, at) for offer in offers for model in offer.models]


def _model_json(offer: Offer, model: UpstreamModel, prices: PriceBook, at: int) -> dict[str, Any]:
    limits = model_limits(model.id)
    encoding = encoding_for(model.id)
    read = _per_million(prices, offer.account.id, model.id, "input", at)
    write = _per_million(prices, offer.account.id, model.id, "output", at)
    return {
        "id": model.id,
        "provider_id": offer.account.id,
        "provider_name": offer.account.name,
        "context_window": model.context_window or limits.context_window,
        "max_output": limits.max_output_tokens,
        "priced": read is not None and write is not None,
        "input_per_million": money(read),
        "output_per_million": money(write),
        "encoding": encoding.name,
        "encoding_known": encoding.known,
    }


def _per_million(prices: PriceBook, provider_id: str, model: str, unit: str, at: int) -> int | None:
    """Picodollars for a million tokens of a small prompt at the standard tier."""
    priced = prices.priced(provider_id, (model,), at)
    row = prices.table.find(priced.price_list, priced.model, unit, "standard", 0, at)
    return None if row is None else row.picodollars * MILLION // row.per
