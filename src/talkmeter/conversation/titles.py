"""A room's title from its first question: the first line that says something. No hidden paid calls."""

import unicodedata

LONGEST = 60  # characters

_FLAGS = "".join(map(chr, range(0x1F1E6, 0x1F200)))  # letters that make flags, two by two
_SKIN = "".join(map(chr, range(0x1F3FB, 0x1F400)))
_JOINER = "\u200d"  # makes one picture of two
_TURNS = frozenset(
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)  # change the direction of writing


def title_of(text: str) -> str:
    line = next((line for each in text.splitlines() if (line := plain(each))), "")
    return line if len(line) <= LONGEST else line[: _end(line)].rstrip() + "…"


def plain(line: str) -> str:
    """Without what is not to be seen but would disturb what stands beside it."""
    return "".join(
        one for one in line if one not in _TURNS and (one == "\t" or unicodedata.category(one) != "Cc")
    ).strip()


def _end(line: str) -> int:
    """Where to cut: not inside a character that is made of several; anywhere if there is no such place."""
    return next((end for end in range(LONGEST - 1, 0, -1) if not _joined(line[:end], line[end])), LONGEST - 1)


def _joined(before: str, after: str) -> bool:
    """Whether what follows may be a part of the character before it."""
    if unicodedata.category(after).startswith("M") or after in _SKIN or _JOINER in (before[-1], after):
        return True
    letters = len(before) - len(before.rstrip(_FLAGS))  # a flag is two letters
    return after in _FLAGS and letters % 2 == 1
