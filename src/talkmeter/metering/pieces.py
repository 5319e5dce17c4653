"""What a call that is not billed by tokens came to, where the provider has not told."""

from talkmeter.metering.asked import Asked
from talkmeter.metering.billing import CHARACTERS
from talkmeter.metering.passing_tap import PassingTap
from talkmeter.metering.settlement import Figures
from talkmeter.metering.usage import Usage


def pieces_of(asked: Asked, tap: PassingTap | None, *, complete: bool) -> Figures:
    """Characters are what was asked for, pictures what came. What else was drawn, and seconds, nobody can know but
    the provider.

    complete: whether the answer came to its proper end.
    """
    if asked.billing == CHARACTERS:
        return Figures(Usage(characters=asked.characters), "counted")
    if complete and tap is not None and asked.billing.startswith("image:"):
        images = asked.images if tap.too_long else tap.items
        if images is not None:
            return Figures(Usage(images=images), "counted")
    return Figures(None, "unknown")
