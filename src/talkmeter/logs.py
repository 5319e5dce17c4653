"""Logs: one JSON object a line (or readable text on a terminal), with request ids and without secrets.

Both `logging.getLogger` and `structlog.get_logger` end up here. What people write is never logged.
"""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from types import ModuleType
from typing import IO, Any, cast

from talkmeter.config import Resolved

HIDDEN = "***"
SECRET_FIELDS = frozenset(
    {"key", "api_key", "apikey", "authorization", "cookie", "set-cookie", "password", "secret", "token"}
)
CONTENT_FIELDS = frozenset({"text", "content", "body", "prompt", "messages", "answer", "question", "delta"})

_SHORTEST_KNOWN = 6
_known: set[str] = set()
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
    if name in CONTENT_FIELDS and isinstance(value, str | bytes | list | tuple | dict):
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


def set_up(resolved: Resolved, stream: IO[str] | None = None) -> None:
    """Sends every log line to `stream` (standard error), as the settings log_level and log_format say."""
    out = sys.stderr if stream is None else stream
    wanted: str = resolved.get("log_format")
    as_text = wanted == "text" or (wanted == "auto" and out.isatty())
    level: str = resolved.get("log_level")
    if level == "auto":
        level = "warning" if as_text else "info"
    _configure_structlog()
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(as_text=as_text))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("asyncio", "aiohttp", "alembic", "sqlalchemy", "uvicorn"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def _configure_structlog() -> None:
    structlog = _structlog()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _structlog() -> ModuleType:
    """structlog without rich, which it imports wherever that is installed: a tenth of a start and 4 MB,
    for a console renderer that is not used here.
    """
    if "structlog" not in sys.modules and "rich" not in sys.modules:
        sys.modules["rich"] = cast("ModuleType", None)  # Python's way to say that there is none
        try:
            import structlog
        finally:
            del sys.modules["rich"]
    import structlog

    return structlog


def _formatter(*, as_text: bool) -> logging.Formatter:
    import structlog

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
        ],
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redacted,
            _as_text if as_text else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


def _redacted(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> dict[str, Any]:
    return redact_fields(fields)


def _as_text(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> str:
    """`12:03:04 warning event name=value`; a traceback stands below."""
    at, level, event = fields.pop("at", ""), fields.pop("level", ""), fields.pop("event", "")
    trace = fields.pop("exception", None)
    fields.pop("logger", None)
    rest = "".join(f" {name}={_printable(value)}" for name, value in fields.items())
    return f"{at[11:19]} {level} {_printable(event)}{rest}" + (f"\n{trace}" if trace else "")


def _printable(value: Any) -> str:
    """On one line: what a client sent must not look like a line of our own."""
    text = str(value)
    return text if text.isprintable() else repr(text)
