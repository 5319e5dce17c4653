"""Counting a text so that there is always an answer, whatever the text is.

tiktoken 0.14 gives up in one way that matters: a run of whitespace near a million characters overflows
the stack of its splitting pattern, and the Rust panic arrives as a BaseException. Such runs are cut out
here and encoded by themselves; the result is the one tiktoken gives where it can. Texts above LIMIT
characters are counted up to it and extrapolated, flagged as estimates.
"""

import unicodedata
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import msgspec

from talkmeter.metering.tokens.encodings import load

if TYPE_CHECKING:
    import tiktoken

Quality = Literal["exact", "estimate"]

LIMIT = 8_000_000
"""Characters counted exactly. At the slowest measured speed (2.5 MB/s) that is about 3 s of CPU."""

LONG_RUN = 100_000
"""Whitespace runs from this length on are cut out before tiktoken sees them."""

_BYTES_PER_TOKEN = 4  # the rule of thumb for texts that cannot be counted

# What the patterns call \s (Unicode's White_Space). str.isspace would add U+001C to U+001F.
WHITESPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


class TextTooLong(ValueError):
    """encode_text was given more than LIMIT characters."""


class Uncountable(ValueError):
    """The encoder gave up on a text, so there are no token ids to return."""


class TextCount(msgspec.Struct, frozen=True):
    """Tokens of one text; "estimate" when it was too long or the encoder gave up."""

    tokens: int
    quality: Quality


def count_text(text: str, encoding: str) -> int:
    """Tokens of `text` as ordinary text. Always answers; see measure_text for whether it is exact.

    Raises UnknownEncoding for a wrong encoding name, RankDataError for damaged rank data.
    """
    return measure_text(text, encoding).tokens


def measure_text(text: str, encoding: str) -> TextCount:
    """Count `text` and say whether the figure is exact."""
    if len(text) > LIMIT:
        head = measure_text(text[:LIMIT], encoding)
        # Bytes, not characters: scripts differ threefold in tokens per character, far less per byte.
        share = _size(text) / _size(text[:LIMIT])
        return TextCount(round(head.tokens * share), "estimate")
    try:
        return TextCount(len(_encode(text, encoding)), "exact")
    except Uncountable:
        return TextCount(-(-_size(text) // _BYTES_PER_TOKEN), "estimate")


def encode_text(text: str, encoding: str) -> list[int]:
    """Token ids of `text` as ordinary text (``<|endoftext|>`` is thirteen characters here).

    Lone surrogates count as U+FFFD. Raises TextTooLong above LIMIT characters and Uncountable when the
    encoder gives up; besides what load raises.
    """
    if len(text) > LIMIT:
        raise TextTooLong(f"The text has {len(text):,} characters; token ids are given for at most {LIMIT:,}.")
    return _encode(text, encoding)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _encode(text: str, encoding: str) -> list[int]:
    encoder = load(encoding)
    if len(text) >= LONG_RUN and _long_run(text) is not None:
        return _encode_with_runs(_without_surrogates(text), encoder)
    return _encode_plain(text, encoder)


def _encode_plain(text: str, encoder: "tiktoken.Encoding") -> list[int]:
    try:
        return encoder.encode_ordinary(text)
    except BaseException as error:
        # The class of a Rust panic cannot be imported; it derives from BaseException only.
        if type(error).__name__ != "PanicException":
            raise
        raise Uncountable(
            f"The {encoder.name} encoder gave up on a text of {len(text):,} characters; "
            "its tokens can only be estimated."
        ) from None


def _without_surrogates(text: str) -> str:
    # Pairs become the character they mean, what is left over U+FFFD: what tiktoken does with them.
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _long_run(text: str) -> tuple[int, int] | None:
    """Find the first whitespace run of at least LONG_RUN characters: its start and end."""
    # Looking at every LONG_RUN-th character cannot miss one and costs nothing.
    for at in range(LONG_RUN - 1, len(text), LONG_RUN):
        if text[at] in WHITESPACE:
            start, end = len(text[:at].rstrip(WHITESPACE)), _end_of(WHITESPACE, text, at)
            if end - start >= LONG_RUN:
                return start, end
    return None


def _end_of(characters: str, text: str, at: int) -> int:
    return len(text) - len(text[at:].lstrip(characters))


def _encode_with_runs(text: str, encoder: "tiktoken.Encoding") -> list[int]:
    """Encode what lies around the long whitespace runs as usual, and the runs without splitting."""
    ids: list[int] = []
    rest = text
    while (run := _long_run(rest)) is not None:
        cuts = _pieces_of_run(rest, *run, encoder.name)
        if cuts is None:
            break
        ids += _encode_plain(rest[: cuts[0]], encoder)
        for start, end in pairwise(cuts):
            # The public encode functions all split first, which is what fails on these.
            ids += encoder._encode_single_piece(rest[start:end])  # noqa: SLF001
        rest = rest[cuts[-1] :]
    return ids + _encode_plain(rest, encoder)


def _pieces_of_run(text: str, start: int, end: int, table: str) -> list[int] | None:
    """Where the split pattern of `table` cuts the whitespace run text[start:end].

    Returns cut positions: before the first one and behind the last one the pattern can work as usual,
    between them each slice is one piece. None when that depends on what we cannot see from here: whether
    the pattern counts the character before as punctuation, which swallows the line ends after it.
    """
    fifty_k = table in ("r50k_base", "p50k_base")
    if not fifty_k and start and text[start] in "\r\n":
        swallows = _is_punctuation(text[start - 1], table)
        if swallows is None:
            return None
        if swallows:
            start = _end_of("\r\n", text, start)
            if start == end:
                # In o200k_base the same piece goes on over a slash.
                return None if text.startswith("/", end) else [end]
    at_end = end == len(text)
    cuts = [start]
    if at_end and table != "o200k_base":
        return [*cuts, end]  # \s++$
    if not fifty_k:
        last_newline = max(text.rfind("\n", start, end), text.rfind("\r", start, end))
        if last_newline >= 0:
            cuts.append(last_newline + 1)  # \s*[\r\n]
    tail = end if at_end else end - 1  # \s+(?!\S) leaves one for the word that follows
    if tail > cuts[-1]:
        cuts.append(tail)
    return cuts


def _is_punctuation(character: str, table: str) -> bool | None:
    """Whether the pattern takes `character` for neither letter nor number; None when it depends."""
    category = unicodedata.category(character)
    if category == "Cn" or (category[0] == "M" and table == "o200k_base"):
        return None
    return category[0] not in "LN"
