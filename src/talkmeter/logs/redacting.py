"""What never stands in a log line: keys, passwords, cookies; and, unless it is switched on, what people write."""

import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
SECRET_FIELDS = frozenset(
    {"key", "api_key", "apikey", "authorization", "cookie", "set-cookie", "password", "secret", "token"}
)
CONTENT_FIELDS = frozenset({"text", "content", "body", "prompt", "messages", "answer", "question", "delta"})

_SHORTEST_KNOWN = 6
_known: set[str] = set()
_shown: set[str] = set()  # the fields of CONTENT_FIELDS, once they are switched on
_PATTERNS = (
    (re.compile(r"\b(sk|pk|rk|gsk|xai|hf|key|tm|xox[a-z]|AIza)([-_])[\w-]{6,}"), r"\1\2" + HIDDEN),
    (re.compile(r"(?i)\b(bearer|basic)(\s+|%20)[\w.~+/=-]{4,}"), r"\1 " + HIDDEN),
    (re.compile(r"(?i)\b((?:set-)?cookie['\"]?\s*[:=]\s*).+"), r"\1" + HIDDEN),
    (
        re.compile(r"(?i)\b(talkmeter_session|token|password|api[-_]?key)(['\"]?\s*[:=]\s*['\"]?)[^\s'\"&;,]+"),
        r"\1\2" + HIDDEN,
    ),
    (re.compile(r"(://[^/\s:@]*:)[^/\s@]+@"), r"\1" + HIDDEN + "@"),
)


def hide(secret: str | None) -> None:
    """From now on this very text is cut out of every line, whatever it looks like."""
    if secret is not None and len(secret) >= _SHORTEST_KNOWN:
        _known.add(secret)


def show_content(*, wanted: bool) -> None:
    """Whether what people write stands in the log, without keys but otherwise as it is. At first it does not."""
    _shown.clear()
    if wanted:
        _shown.update(CONTENT_FIELDS)


def redact(text: str) -> str:
    """Without anything that looks like a key, a bearer token, a cookie or a password in a URL."""
    for secret in _known:
        text = text.replace(secret, HIDDEN)
    for pattern, shown in _PATTERNS:
        text = pattern.sub(shown, text)
    return text


def redact_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a line, values of secret ones hidden, contents replaced by their length."""
    return {name: _redact_field(name.lower(), value) for name, value in fields.items()}


def _redact_field(name: str, value: Any) -> Any:
    if name in SECRET_FIELDS and value is not None:
        return HIDDEN
    if name in CONTENT_FIELDS and name not in _shown and isinstance(value, str | bytes | list | tuple | dict):
        return f"({len(value)} long, not logged)"
    return _redact_value(value)


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return redact_fields({str(name): inner for name, inner in value.items()})
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact_value(inner) for inner in value]
    return value if isinstance(value, int | float | bool | None) else redact(repr(value))
