"""The time-outs that a provider has for itself: which values can be. Pure."""

import math
from collections.abc import Mapping

from msgspec import structs

from talkmeter.accounts.store import OwnTimeouts
from talkmeter.config import BY_NAME
from talkmeter.errors import BadInput

SETTING_OF = {
    "connect": "upstream_connect_seconds",
    "headers": "upstream_header_seconds",
    "first_token": "upstream_first_token_seconds",
    "silence": "upstream_silence_seconds",
}  # by a time-out's name: what holds where a provider has none of its own, and within which bounds


def with_timeouts(own: OwnTimeouts, change: Mapping[str, float | None]) -> OwnTimeouts:
    """change: seconds by name; None goes back to the setting, what is not named stays.

    Raises BadInput for seconds outside the setting's bounds.
    """
    for name, seconds in change.items():
        if seconds is not None:
            _check(name, seconds)
    return structs.replace(own, **change)


def _check(name: str, seconds: float) -> None:
    setting = BY_NAME[SETTING_OF[name]]
    least, most = setting.minimum or 0.0, setting.maximum or math.inf
    if not least <= seconds <= most:  # nor what is not a number
        raise BadInput(
            f"The time-out `{name}` is a number of seconds from {least:g} to {most:,.10g}, not {seconds:g}.",
            f"제한 시간 `{name}`은(는) {least:g}초에서 {most:,.10g}초까지여야 합니다. 받은 값: {seconds:g}.",
            hint=f"Leave it empty to use the setting {setting.name}.",
            hint_ko=f"비워 두면 설정 {setting.name}을(를) 따릅니다.",
            code="bad_timeout",
            param=f"timeouts.{name}",
        )
