"""What a call is billed by, and what that costs.

| billing | calls | figures |
|---|---|---|
| `tokens` | chat, responses, completions, embeddings, images and audio of token models | usage as reported |
| `characters` | speech of models that report nothing | characters of the input |
| `seconds` | transcription by the second | seconds that the answer states |
| `image:QUALITY:SIZE` | pictures of models that are paid by the piece | pictures in the answer |
| `elsewhere` | batches' kin: runs of assistants, training, videos, containers, stores | tokens where told, else none |
| `nothing` | moderations, files, lists: what providers do not bill | none |

Whatever a call was thought to be billed by, tokens that the provider reports are what it is billed by. Pure.
"""

from collections.abc import Mapping

from talkmeter.metering.cost import Cost, price_quantities, price_usage
from talkmeter.metering.prices import PriceTable
from talkmeter.metering.usage import Usage

TOKENS, CHARACTERS, SECONDS, NOTHING = "tokens", "characters", "seconds", "nothing"
ELSEWHERE = "elsewhere"  # it may cost money, and what it has cost is only on the provider's bill
FREE = Cost(0)
PRICED_BY: Mapping[str, tuple[str, ...]] = {  # units by which a price list shows that it knows a model
    TOKENS: ("input",),
    CHARACTERS: ("character", "input"),
    SECONDS: ("second", "input"),
}


def cost_of(
    usage: Usage | None, billing: str, table: PriceTable, *, provider: str, model: str, tier: str | None, at: int
) -> Cost:
    """What a call has cost; arguments as price_usage's."""
    if billing == NOTHING:
        return FREE
    if billing == ELSEWHERE and usage is None:
        return Cost(None, (), ("what this has cost is only on the provider's bill",))
    if usage is None or usage.prompt_tokens is not None or (billing == TOKENS and usage.seconds is None):
        return price_usage(usage, table, provider=provider, model=model, tier=tier, at=at)
    if usage.seconds is not None:
        billing = SECONDS
    quantity = {CHARACTERS: usage.characters, SECONDS: usage.seconds}.get(billing, usage.images)
    if quantity is None:
        return Cost(None, (), (f"{model}: usage is not known",))
    unit = {CHARACTERS: "character", SECONDS: "second"}.get(billing, billing)
    return price_quantities({unit: quantity}, table, provider=provider, model=model, tier=tier, at=at)


def is_priced(table: PriceTable, provider: str, model: str, billing: str, at: int) -> bool:
    """Whether the list knows what a plain call of this kind costs: by the piece, or by the token.

    Embeddings have no output to be priced, so an input price is enough.
    """
    units = (billing, "input") if billing.startswith("image:") else PRICED_BY.get(billing, ("input",))
    return any(table.find(provider, model, unit, "standard", 0, at) is not None for unit in units)
