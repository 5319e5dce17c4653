"""Cutting an answer: into the deltas of a stream, at a stop sequence, at a number of tokens."""

import re
from collections.abc import Callable

# About one token each: part of a word with the blank before it, a syllable or two, a number, a sign.
_PIECE = re.compile(r"[^\S\n]?[A-Za-z]{1,10}|[^\S\n]?[가-힣]{1,2}|\d{1,3}|\n+|[^\S\n]+|.", re.DOTALL)


def split(text: str) -> list[str]:
    """The deltas; joined they are the text."""
    return _PIECE.findall(text)


def before_stop(text: str, stop: tuple[str, ...]) -> str:
    """The text up to the first of the stop sequences."""
    ends = [end for end in (text.find(one) for one in stop) if end >= 0]
    return text[: min(ends)] if ends else text


def within(text: str, tokens: int, count: Callable[[str], int]) -> str:
    """A longest beginning of the text that `count` finds to be at most `tokens`.

    Counts do not grow strictly with the text, so this is a bisection and then a few single steps.
    """
    if count(text) <= tokens:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if count(text[:middle]) <= tokens:
            low = middle
        else:
            high = middle - 1
    while low and count(text[:low]) > tokens:
        low -= 1
    return text[:low]
