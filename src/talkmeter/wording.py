"""Words for readers: English for figures (Korean needs none of it), and what a web page says."""

LONGEST_EXCERPT = 200  # characters of a web page without a title
_BLANK = "\ufeff \t\r\n"
_BEGINNINGS = ("<!doctype html", "<html", "<head", "<body", "<h1", "<center", "<title")
_UNREAD = frozenset({"script", "style", "head", "title"})  # elements whose text is none of the page's own


def numbered(count: int, one: str, many: str = "") -> str:
    """`1 file`, `2,000 files`. many: where an s does not make it."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def without_markup(text: str) -> str:
    """The text; of a web page, as proxies send it in a provider's place, its title or the beginning of its words."""
    if not text[:200].lstrip(_BLANK).lower().startswith(_BEGINNINGS):
        return text
    from html.parser import HTMLParser

    title: list[str] = []
    words: list[str] = []
    within: list[str] = []  # the elements that matter here, the innermost last

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - the library's form
            if tag in _UNREAD:
                within.append(tag)

        def handle_endtag(self, tag: str) -> None:
            if tag in within:
                del within[within.index(tag) :]

        def handle_data(self, data: str) -> None:
            if within and within[-1] == "title":
                title.append(data)
            elif not within:
                words.append(data)

    reader = Reader()
    reader.feed(text.lstrip(_BLANK))
    reader.close()
    said = " ".join("".join(title).split()) or " ".join(" ".join(words).split())
    return said if len(said) <= LONGEST_EXCERPT else f"{said[:LONGEST_EXCERPT]}…"
