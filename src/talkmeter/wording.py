"""Words for readers: English for figures (Korean needs none of it), and what a web page says."""

import re

LONGEST_EXCERPT = 200  # characters of a web page
LONGEST_READ = 8192  # of its beginning
_BLANK = "\ufeff \t\r\n"
_BEGINNINGS = ("<!doctype html", "<html", "<head", "<body", "<h1", "<center", "<title")
# Whatever is sent in a page's name is read in one go: none of these looks at a character again and again.
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{1,1000})", re.IGNORECASE)
_UNREAD = re.compile(r"<(script|style|head)\b.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^<>]*>?")


def numbered(count: int, one: str, many: str = "") -> str:
    """`1 file`, `2,000 files`. many: where an s does not make it."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def without_markup(text: str) -> str:
    """The text; of a web page, as proxies send it in a provider's place, its title or the beginning of its words."""
    page = text[:LONGEST_READ].lstrip(_BLANK)
    if not page[:200].lower().startswith(_BEGINNINGS):
        return text
    from html import unescape

    title = _TITLE.search(page)
    words = " ".join(unescape(title[1]).split()) if title is not None else ""
    said = words or " ".join(unescape(_TAG.sub(" ", _UNREAD.sub(" ", page))).split())
    return said if len(said) <= LONGEST_EXCERPT else f"{said[:LONGEST_EXCERPT]}…"
