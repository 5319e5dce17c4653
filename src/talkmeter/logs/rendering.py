"""How a line looks: JSON for programs, readable text on a terminal."""

import logging
import sys
from collections.abc import MutableMapping
from types import ModuleType
from typing import Any, cast

from talkmeter.logs.redacting import redact_fields


def configure_structlog() -> None:
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


def formatter(*, as_text: bool) -> logging.Formatter:
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
            as_text_line if as_text else structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


def _redacted(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> dict[str, Any]:
    return redact_fields(fields)


def as_text_line(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> str:
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
