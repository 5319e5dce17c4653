"""What images cost: as input by tiles or patches, as output by a table.

Tiles (gpt-4o and its relatives) are documented and measured to the token. For patches documentation and
billing disagree, and the limits change by model, so those figures are estimates. Sources: OpenAI's
images-vision guide and image-generation guide, recorded calls, measurements in OpenAI's community.
"""

import base64
import math
import re
from collections.abc import Callable
from functools import lru_cache

import msgspec

from talkmeter.metering.tokens.guards import Quality
from talkmeter.metering.tokens.image_header import image_size
from talkmeter.metering.tokens.models import bare_name, encoding_for

ImageSizer = Callable[[str], tuple[int, int] | None]
"""From an image's URL to its width and height in pixels, or None when they are not known."""

_FIT = 2048
_SHORT_SIDE = 768
_TILE = 512
_PATCH = 32
_LOW_SIDE = 512
_UNSEEN = (1024, 1024)  # assumed for an image whose size nobody knows


class Tiles(msgspec.Struct, frozen=True):
    """`base` tokens per image and `tile` tokens per 512-pixel tile."""

    base: int
    tile: int

    def tokens(self, width: int, height: int, detail: str) -> int:
        """Tokens of one image; only ``low`` differs from the rest."""
        if detail == "low":
            return self.base
        width, height = _shrink(width, height, _FIT, max(width, height))
        width, height = _shrink(width, height, _SHORT_SIDE, min(width, height))
        return self.base + self.tile * math.ceil(width / _TILE) * math.ceil(height / _TILE)


class Patches(msgspec.Struct, frozen=True):
    """32-pixel patches up to `budget` (`original` for that detail; None: no limit), times a factor.

    The factor is in hundredths, so that no rounding error reaches the figure; `extra` is added.
    """

    percent: int
    budget: int
    original: int | None
    extra: int = 0

    def tokens(self, width: int, height: int, detail: str) -> int:
        """Tokens of one image."""
        if detail == "low":
            width, height = _shrink(width, height, _LOW_SIDE, max(width, height))
        budget = self.original if detail == "original" else self.budget
        return -(-_patches(width, height, budget) * self.percent // 100) + self.extra


def _shrink(width: int, height: int, limit: int, side: int) -> tuple[int, int]:
    """Scale so that `side` is at most `limit`, in whole pixels."""
    if side <= limit:
        return width, height
    return max(1, width * limit // side), max(1, height * limit // side)


def _patches(width: int, height: int, budget: int | None) -> int:
    count = math.ceil(width / _PATCH) * math.ceil(height / _PATCH)
    if budget is None or count <= budget:
        return count
    scale = math.sqrt(_PATCH**2 * budget / (width * height))
    across, down = width * scale / _PATCH, height * scale / _PATCH
    # Shrunk a little further, so that one direction holds whole patches.
    scale = min(max(1, math.floor(across)) / across, max(1, math.floor(down)) / down)
    return min(budget, math.ceil(round(across * scale, 6)) * math.ceil(round(down * scale, 6)))


_GPT_4O = Tiles(base=85, tile=170)
_RULES: tuple[tuple[re.Pattern[str], Tiles | Patches], ...] = tuple(
    (re.compile(pattern, re.DOTALL), rule)
    for pattern, rule in (
        (r"gpt-4o-mini.*", Tiles(base=2833, tile=5667)),
        (r"gpt-4\.1-mini.*", Patches(percent=162, budget=1536, original=1536, extra=1)),
        (r"gpt-4\.1-nano.*", Patches(percent=246, budget=1536, original=1536, extra=1)),
        (r"o4-mini.*|codex-mini.*", Patches(percent=172, budget=1536, original=1536, extra=1)),
        (r"(o1|o3)(?!\d).*", Tiles(base=75, tile=150)),
        (r"gpt-5-mini.*", Patches(percent=120, budget=1536, original=1536)),  # documented 1.62, billed 1.20
        (r"gpt-5-nano.*", Patches(percent=246, budget=1536, original=1536)),
        (r"gpt-5(\.1)?(?![.\d]).*", Tiles(base=70, tile=140)),
        (r"gpt-5\.[23](?!\d).*", Patches(percent=120, budget=6144, original=6144)),
        (r"gpt-5\.[45](?!\d).*", Patches(percent=120, budget=2500, original=10_000)),
        (r"gpt-([5-9]|[12]\d).*", Patches(percent=120, budget=2500, original=None)),
        (r"computer-use-preview.*", Tiles(base=65, tile=129)),
        (r".*", _GPT_4O),
    )
)


@lru_cache(maxsize=1024)
def _rule_of(name: str) -> Tiles | Patches:
    return next(rule for pattern, rule in _RULES if pattern.fullmatch(name))


class ImageCount(msgspec.Struct, frozen=True):
    """Tokens of one image in a prompt."""

    tokens: int
    quality: Quality


def image_tokens(model: str, size: tuple[int, int] | None, detail: str = "auto") -> ImageCount:
    """Tokens that one image of `size` (width, height in pixels) adds to a prompt for `model`.

    `detail` is low, high, auto or original. Exact for models that bill by tiles; an estimate for those
    that bill by patches, for unknown models, and for an unknown size (taken as 1024×1024).
    """
    rule = _rule_of(bare_name(model))
    width, height = size or _UNSEEN
    tokens = rule.tokens(max(1, width), max(1, height), detail)
    needs_size = detail != "low"
    exact = isinstance(rule, Tiles) and encoding_for(model).known and (size is not None or not needs_size)
    return ImageCount(tokens, "exact" if exact else "estimate")


_HEAD = 96 * 1024  # base64 characters that nearly every header fits in; a multiple of four


def data_url_size(url: str) -> tuple[int, int] | None:
    """Width and height of the image in a base64 data URL; None for any other URL or a broken image."""
    head, comma, _ = url[:256].partition(",")
    if not (comma and head.startswith("data:") and head.endswith(";base64")):
        return None
    start = len(head) + 1
    for end in (start + _HEAD, len(url)):
        body = url[start:end]
        try:
            info = image_size(base64.b64decode(body[: len(body) // 4 * 4]))
        except ValueError:  # NotAnImage, or no base64
            continue
        return info.width, info.height
    return None


# gpt-image-1: quality → size → output tokens (image-generation guide).
_OUTPUT = {
    "low": {"1024x1024": 272, "1024x1536": 408, "1536x1024": 400},
    "medium": {"1024x1024": 1056, "1024x1536": 1584, "1536x1024": 1568},
    "high": {"1024x1024": 4160, "1024x1536": 6240, "1536x1024": 6208},
}


def image_output_tokens(model: str, quality: str, size: str) -> int | None:
    """Tokens of one generated image, or None where only the provider's usage can tell.

    Known for gpt-image-1 at low, medium, high in 1024x1024, 1024x1536, 1536x1024; other models take any
    size, and "auto" is decided by the provider.
    """
    if not re.fullmatch(r"gpt-image-1(-\d{4}-\d\d-\d\d)?", bare_name(model)):
        return None
    return _OUTPUT.get(quality, {}).get(size)
