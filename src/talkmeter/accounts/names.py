"""Names that people give to users and keys. Pure."""

from talkmeter.errors import BadInput

LONGEST = 80


def clean_name(name: str) -> str:
    """Without needless blanks. Raises BadInput."""
    clean = " ".join(name.split())
    if clean and len(clean) <= LONGEST and clean.isprintable() and _encodable(clean):
        return clean
    raise BadInput(
        f"A name has 1 to {LONGEST} printable characters.",
        f"이름은 1자에서 {LONGEST}자까지의 보이는 글자여야 합니다.",
        hint="Letters of any language, digits, blanks and signs will do.",
        hint_ko="어느 언어의 글자든, 숫자, 공백, 기호를 쓸 수 있습니다.",
        code="bad_name",
        param="name",
    )


def name_key(name: str) -> str:
    """What two names have in common that people would take for one: case, width and composition do not count."""
    from unicodedata import normalize

    return normalize("NFKC", normalize("NFKC", " ".join(name.split())).casefold())


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
