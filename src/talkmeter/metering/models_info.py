"""How much a model can read and write at most, from the same lists as the prices."""

from msgspec import Struct

from talkmeter.metering.prices import builtin


class ModelLimits(Struct, frozen=True):
    """Tokens; None: not known.

    context_window: prompt and answer together. max_output: one answer, its reasoning included.
    """

    context_window: int | None = None
    max_output: int | None = None


UNKNOWN = ModelLimits()


def model_limits(provider: str, model: str) -> ModelLimits:
    """The limits of a model. provider: as `price_provider` names it."""
    listed = builtin.find_model(provider.lower(), model)
    return UNKNOWN if listed is None else ModelLimits(listed[1].context_window, listed[1].max_output)
