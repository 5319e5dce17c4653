"""A default model that no provider lists is told of at the start, not only when the first question fails by it."""

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from talkmeter.conversation.known_models import listed

if TYPE_CHECKING:
    from talkmeter.app.wiring import Application
    from talkmeter.providers.registry import Offer

log = logging.getLogger(__name__)

_VARIANT = re.compile(r"[@:][^@:/]*$")  # servers take `name:latest` or `name@60` where the list has the name alone


async def begin(application: "Application") -> None:
    """`application.begin`, then the look at the default model if somebody has named one. Beside the first answers.

    A provider whose list cannot be read may have the model: then nothing is said.
    """
    await application.begin()
    settings = application.accounts.settings
    if settings.source("default_model") == "default":
        return
    wanted = settings.get("default_provider_id")
    offers = [offer for offer in await application.registry.offers() if wanted in (None, offer.account.id)]
    model: str = settings.get("default_model")
    names = unless_listed(model, offers)
    if names:
        told = await asyncio.to_thread(listed, names, model)
        given = settings.resolved.values.get("default_model")
        log.warning(
            "default_model_unknown",
            extra={
                "model": model,
                "set_by": "the page" if given is None else given.where,
                "hint": f"There are: {told}.",
            },
        )


def unless_listed(model: str, offers: "Sequence[Offer]") -> list[str]:
    """All that is listed, if the model is not; nothing if it is, or if a list is missing. Pure."""
    if any(offer.error is not None for offer in offers):
        return []
    names = list({one.id: None for offer in offers for one in offer.models})
    stems = {_VARIANT.sub("", name) for name in names}
    return [] if _VARIANT.sub("", model) in stems else names
