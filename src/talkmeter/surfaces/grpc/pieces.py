"""Long texts in pieces that any client takes: by default, one refuses messages above 4 MiB. Pure."""

from collections.abc import Iterator, Sequence

PIECE = 64_000  # code points, at most four bytes each
PAGE_BYTES = 3_500_000


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """Each with its offset; nothing of an empty text."""
    for offset in range(0, len(text), PIECE):
        yield offset, text[offset : offset + PIECE]


def newest_that_fit(sizes: Sequence[int]) -> int:
    """How many of the last ones go on one page; at least one, if there is any. sizes: in bytes."""
    room, taken = PAGE_BYTES, 0
    for size in reversed(sizes):
        room -= size
        if room < 0 and taken:
            break
        taken += 1
    return taken
