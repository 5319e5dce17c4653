"""Who hears of calls: the log, and whoever takes traces and metrics."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from talkmeter import logs
from talkmeter.app.call_log import Tell, write_call_lines
from talkmeter.config import Resolved
from talkmeter.errors import SettingError

if TYPE_CHECKING:
    from talkmeter.app.otlp import Otlp


class Telemetry:
    """Made at the start of the process that writes. Raises SettingError if OTLP is wanted and cannot be had."""

    def __init__(self, resolved: Resolved) -> None:
        self._otlp: Otlp | None = None
        self.tell: list[Tell] = []
        if resolved.get("log_calls") and logs.wanted(logging.INFO):
            self.tell.append(write_call_lines)
        endpoint = resolved.get("otlp_endpoint")
        if endpoint is not None:
            logs.hide(resolved.get("otlp_headers"))
            self._otlp = _otlp()(endpoint, headers_of(resolved.get("otlp_headers") or ""))
            self.tell.append(self._otlp.calls)

    def close(self) -> None:
        """Sends what is left. Blocks for some seconds if nobody takes it."""
        if self._otlp is not None:
            self._otlp.close()


def headers_of(text: str) -> dict[str, str]:
    """`a=b,c=d%20e` as a mapping. Raises SettingError."""
    from urllib.parse import unquote

    headers: dict[str, str] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise SettingError(
                "The setting otlp_headers is not a list of name=value.",
                "설정 otlp_headers가 name=value 목록이 아닙니다.",
                hint="Separate headers by commas, and write a space in a value as %20.",
                hint_ko="헤더를 쉼표로 구분하고 값의 빈칸은 %20으로 적으십시오.",
                code="bad_setting",
                param="otlp_headers",
            )
        headers[name.strip().lower()] = unquote(value.strip())
    return headers


def _otlp() -> Callable[[str, dict[str, str]], Otlp]:
    try:
        made: Callable[[str, dict[str, str]], Otlp] = importlib.import_module("talkmeter.app.otlp").Otlp
    except ImportError as error:
        if not (error.name or "").startswith("opentelemetry"):
            raise
        raise SettingError(
            "Telemetry by OTLP needs packages that are not installed.",
            "OTLP로 보내는 데 필요한 패키지가 설치되어 있지 않습니다.",
            hint="Run `pip install 'talkmeter[otlp]'`; in a checkout `python3 dev extras otlp`. "
            "Or leave otlp_endpoint out.",
            hint_ko="`pip install 'talkmeter[otlp]'`로, 저장소에서는 `python3 dev extras otlp`로 설치하거나 "
            "otlp_endpoint를 빼십시오.",
            code="otlp_missing",
            param="otlp_endpoint",
        ) from None
    return made
