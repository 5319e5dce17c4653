"""The marks that ChatGPT sets into an answer for its own page: citations, names. Pure.

They stand between private characters, and the page shows something else in their place. What that is, is told beside
the text where the export has it; otherwise a citation is dropped and a name is read out of its mark.
"""

import json
import re
from typing import Any

from talkmeter.importing.chatgpt.shapes import dicts

_MARK = re.compile("\ue200([^\ue200\ue201]*)\ue201")
_BETWEEN = "\ue202"
_STRAY = re.compile("[\ue200-\ue206]")


def without_marks(text: str, references: Any) -> str:
    """references: the message's `content_references`."""
    if "\ue200" not in text:
        return text
    for reference in dicts(references):
        mark, shown = reference.get("matched_text"), reference.get("alt")
        if isinstance(mark, str) and isinstance(shown, str) and _MARK.fullmatch(mark):
            text = text.replace(mark, shown)
    return _STRAY.sub("", _MARK.sub(_shown, text))


def _shown(mark: re.Match[str]) -> str:
    kind, _, rest = mark[1].partition(_BETWEEN)
    if kind != "entity":
        return ""
    try:
        name = json.loads(rest)[1]
    except (ValueError, LookupError, TypeError):
        return ""
    return name if isinstance(name, str) else ""
