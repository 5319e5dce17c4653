"""English for figures. Korean needs none of it."""


def numbered(count: int, one: str, many: str = "") -> str:
    """`1 file`, `2,000 files`. many: where an s does not make it."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"
