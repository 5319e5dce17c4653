"""A room's title from its first question: the first line that says something. No hidden paid calls."""

LONGEST = 60  # characters


def title_of(text: str) -> str:
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + "…"
