"""The page's own dictionaries, read from their source: to tell what is its own text, and in which language."""

import re
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "web/src/i18n"
_ENTRY = re.compile(r"""^  (\w+):\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"),$""", re.MULTILINE)


def dictionary(language: str) -> dict[str, str]:
    """Every key of a language with its text; placeholders as `{n}`."""
    source = (FOLDER / f"{language}.ts").read_text(encoding="utf-8")
    return {key: single or double for key, single, double in _ENTRY.findall(source)}


def keys_in(text: str) -> list[str]:
    """Names of keys that stand where their text should: those that are no ordinary word."""
    words = set(re.findall(r"\w+", text))
    return sorted(key for key in dictionary("en") if "_" in key and key in words)


def foreign_texts(text: str, language: str) -> list[str]:
    """Texts of the other language that stand on a page in this one."""
    other = dictionary("en" if language == "ko" else "ko")
    ours = set(dictionary(language).values())
    found = []
    for words in other.values():
        if words in ours or "{" in words or (language == "ko" and " " not in words):
            continue
        if words in text:
            found.append(words)
    return found
