"""What a model's name says about counting: its encoding, its framing, and whether we know or assume.

Our own table comes first, because the model map of tiktoken 0.14 fails for many names that the API
answers to and maps ``ft:gpt-4.1…`` to the wrong encoding. Sources: tiktoken's map, recorded usage, and
for what is marked as assumed the family that the name belongs to.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import msgspec


class EncodingChoice(NamedTuple):
    """An encoding's name, and whether it is known to be this model's or only assumed."""

    name: str
    known: bool


class ModelTraits(msgspec.Struct, frozen=True):
    """All that a chat prompt's figure depends on besides the request.

    `prime` tokens open every answer. `reasoning` models carry other tool framing. `first_turbo` is
    gpt-3.5-turbo-0301, which framed messages with four tokens.
    """

    encoding: str
    known: bool
    prime: int
    reasoning: bool
    first_turbo: bool


_LONGEST_NAME = 256
_KNOWN = True
_ASSUMED = False

# The first pattern that the whole bare name matches decides.
_RULES: tuple[tuple[re.Pattern[str], EncodingChoice], ...] = tuple(
    (re.compile(pattern, re.DOTALL), EncodingChoice(encoding, known))
    for pattern, encoding, known in (
        (r"gpt-?2", "gpt2", _KNOWN),
        (r"text-chat-davinci-002-20221122", "gpt2", _KNOWN),  # as the programs of early 2023 counted it
        (r"gpt-oss.*", "o200k_harmony", _KNOWN),
        (r"(chat)?gpt-4o.*", "o200k_base", _KNOWN),
        (r"gpt-4\.[15](?!\d).*", "o200k_base", _KNOWN),
        (r"gpt-5(?!\d).*", "o200k_base", _KNOWN),
        (r"(o1|o3)(?!\d).*|o4-mini.*", "o200k_base", _KNOWN),
        (r"sim-.*", "o200k_base", _KNOWN),  # our simulator
        (r"gpt-4(?![.\d]).*", "cl100k_base", _KNOWN),
        (r"gpt-3\.?5.*", "cl100k_base", _KNOWN),  # gpt-35-turbo is Azure's spelling
        (r"(davinci|babbage)-002", "cl100k_base", _KNOWN),
        (r"text-embedding-(ada-002|3-).*", "cl100k_base", _KNOWN),
        (r"(text|code)-davinci-edit-001", "p50k_edit", _KNOWN),
        (r"text-davinci-00[23]", "p50k_base", _KNOWN),
        (r"code-(davinci|cushman)-.*|(davinci|cushman)-codex", "p50k_base", _KNOWN),
        (r"(text-)?(davinci|curie|babbage|ada)(-001)?", "r50k_base", _KNOWN),
        (r"(text-(similarity|search)|code-search)-.*", "r50k_base", _KNOWN),
    )
)
_assumed = EncodingChoice("o200k_base", _ASSUMED)

_ROUTE = re.compile(r"(?:.*/)?(?:openai|azure)/(?=[^/]+$)")
_REASONING = re.compile(r"(gpt-([5-9]|[12]\d)|o\d|codex-mini).*")  # gpt-35 is gpt-3.5
_FIRST_TURBO = re.compile(r"gpt-3\.?5-turbo-0301")


def bare_name(model: str) -> str:
    """Reduce a requested name to the model family's own.

    Drops a route (``openai/``, ``azure/``), the fine-tune mark of either spelling (``ft:BASE:org::id``,
    ``BASE:ft-org-…``) and a snapshot behind a colon (``davinci:2023-07-21-v2``).
    """
    # Names come from requests and results are cached, so their length has to end somewhere.
    name = _ROUTE.sub("", model[:_LONGEST_NAME].strip().lower(), count=1).removeprefix("ft:")
    return name.partition(":")[0]


def encoding_for(model: str) -> EncodingChoice:
    """Return the encoding that counts for `model`; never fails.

    A name that no rule knows gets the assumed one with ``known=False``, so every figure of it is an estimate.
    """
    return _encoding_of(bare_name(model))


@lru_cache(maxsize=1024)
def _encoding_of(name: str) -> EncodingChoice:
    return next((choice for pattern, choice in _RULES if pattern.fullmatch(name)), _assumed)


def assume(encoding: str) -> None:
    """From now on models that no rule knows count by this encoding. Said once, before anything is counted."""
    global _assumed  # noqa: PLW0603 (what a name means is asked for everywhere, by name alone)
    _assumed = EncodingChoice(encoding, _ASSUMED)
    _encoding_of.cache_clear()
    _traits_of.cache_clear()


def traits_for(model: str) -> ModelTraits:
    """Return how prompts for `model` are framed.

    Sources: recorded calls (gpt-5 and o-series prime with 2 tokens, all others with 3), and the
    published figures of gpt-3.5-turbo-0301.
    """
    return _traits_of(bare_name(model))


@lru_cache(maxsize=1024)
def _traits_of(name: str) -> ModelTraits:
    encoding, known = _encoding_of(name)
    reasoning = _REASONING.fullmatch(name) is not None
    return ModelTraits(
        encoding=encoding,
        known=known,
        prime=2 if reasoning else 3,
        reasoning=reasoning,
        first_turbo=_FIRST_TURBO.fullmatch(name) is not None,
    )
