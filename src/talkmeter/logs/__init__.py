"""Logs: one JSON object a line (or readable text on a terminal), with ids and without secrets.

Both `logging.getLogger` and `structlog.get_logger` end up here. What people write is not logged unless that is switched
on (`log_content`). Lines that come by the thousand are written many at once (`write_lines`).
"""

import logging
import sys
from collections.abc import Sequence
from typing import IO

import msgspec

from talkmeter.config import Resolved
from talkmeter.errors import SettingError
from talkmeter.logs.files import SharedFile
from talkmeter.logs.redacting import HIDDEN, hide, redact, redact_fields, show_content
from talkmeter.logs.rendering import as_text_line, configure_structlog, formatter

__all__ = ["FILE_NAME", "HIDDEN", "file_of", "hide", "redact", "redact_fields", "set_up", "wanted", "write_lines"]

FILE_NAME = "talkmeter.log"
NOISY = ("asyncio", "aiohttp", "alembic", "opentelemetry", "sqlalchemy", "urllib3", "uvicorn")

_encode = msgspec.json.Encoder().encode


class Target(logging.Handler):
    """Where lines go: a stream, or a file that processes share."""

    def __init__(self, out: IO[str] | SharedFile, *, as_text: bool) -> None:
        super().__init__()
        self.as_text = as_text
        self._out = out
        self.setFormatter(formatter(as_text=as_text))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._out.write(self.format(record) + "\n")
            self._out.flush()
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)

    def write(self, lines: Sequence[msgspec.Struct]) -> None:
        """Whole lines, without the detour of a record each. Raises OSError, ValueError."""
        if self.as_text:
            text = "".join(as_text_line(None, "", msgspec.to_builtins(line)) + "\n" for line in lines)
        else:
            text = (b"\n".join([_encode(line) for line in lines]) + b"\n").decode()
        assert self.lock is not None  # a handler always has one
        with self.lock:
            self._out.write(text)
            self._out.flush()


def set_up(resolved: Resolved, stream: IO[str] | None = None) -> None:
    """Sends every log line to where the setting log_to says. stream: instead of standard error. Raises SettingError."""
    show_content(wanted=resolved.get("log_content"))
    configure_structlog()
    targets = [_target(resolved, name, stream) for name in resolved.get("log_to")]
    root = logging.getLogger()
    for before in root.handlers:
        if isinstance(before, Target):
            before.close()
    root.handlers[:] = targets
    root.setLevel(min((target.level for target in targets), default=logging.CRITICAL))
    for noisy in NOISY:
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def file_of(resolved: Resolved) -> SharedFile:
    """The log file that the settings name; not opened yet."""
    return SharedFile(
        resolved.path("log_file", FILE_NAME), resolved.get("log_file_bytes"), resolved.get("log_file_count")
    )


def write_lines(level: int, lines: Sequence[msgspec.Struct]) -> None:
    """Many lines that hold nothing to be hidden, each with `at`, `level` and `event` first. For any thread."""
    for target in logging.getLogger().handlers:
        if isinstance(target, Target) and target.level <= level:
            try:
                target.write(lines)
            except (OSError, ValueError):  # a full disk, a reader that is gone: the ledger has it all
                continue


def wanted(level: int) -> bool:
    """Whether any target takes lines of this level."""
    return any(isinstance(target, Target) and target.level <= level for target in logging.getLogger().handlers)


def _opened(file: SharedFile) -> SharedFile:
    try:
        file.write("")
    except OSError as error:
        raise SettingError(
            f"The log file {file.path} cannot be written: {error.strerror}.",
            f"로그 파일 {file.path}에 쓸 수 없습니다: {error.strerror}.",
            hint="Give log_file a path that this user may write to, or leave file out of log_to.",
            hint_ko="log_file에 이 사용자가 쓸 수 있는 경로를 지정하거나 log_to에서 file을 빼십시오.",
            code="log_file_unusable",
            param="log_file",
        ) from None
    return file


def _target(resolved: Resolved, name: str, stream: IO[str] | None) -> Target:
    level: str = resolved.get("log_level")
    if name == "file":
        target = Target(_opened(file_of(resolved)), as_text=False)
    else:
        out = sys.stdout if name == "stdout" else sys.stderr if stream is None else stream
        form: str = resolved.get("log_format")
        as_text = form == "text" or (form == "auto" and out.isatty())
        target = Target(out, as_text=as_text)
        if level == "auto" and as_text:
            level = "warning"
    target.setLevel("INFO" if level == "auto" else level.upper())
    return target
