"""How much a model can read and write at most, from the same lists as the prices."""

from msgspec import Struct

from talkmeter.metering.prices import builtin


class ModelLimits(Struct, frozen=True):
    """Tokens; None: not known.

    context_window: prompt and answer together. max_output_tokens: one answer, its reasoning included.
    """

    context_window: int | None = None
    max_output_tokens: int | None = None


UNKNOWN = ModelLimits()


def model_limits(model: str, provider: str | None = None) -> ModelLimits:
    """The limits of a model. provider: as `price_provider` names it; None: OpenAI's model of that name, or ours."""
    lists = ("openai", builtin.SIMULATOR) if provider is None else (provider.lower(),)
    for name in lists:
        listed = builtin.find_model(name, model)
        if listed is not None:
            return ModelLimits(listed[1].context_window, listed[1].max_output)
    return UNKNOWN
