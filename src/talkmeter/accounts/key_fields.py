"""What may be asked of a key: models, doors, expiry, limits. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from talkmeter.errors import BadInput

DOORS = ("openai", "ask", "websocket", "grpc")
DISCONNECTS = ("drain", "cut")
MOST_MODELS = 200
LONGEST_MODEL = 200
MOST = 10**12  # requests or tokens a minute
LAST_MOMENT = 253_402_300_799_000_000  # the end of the year 9999, in µs


def checked(values: Mapping[str, Any], at: int) -> dict[str, Any]:
    """These of models, doors, expires_at, disconnect, rpm and tpm, as they are kept. at: now. Raises BadInput."""
    return {name: _CHECKS[name](name, value, at) for name, value in values.items()}


def _models(name: str, value: Iterable[str] | None, _: int) -> tuple[str, ...] | None:
    if value is None:
        return None
    models = tuple(dict.fromkeys(model.strip() for model in value))
    if not 1 <= len(models) <= MOST_MODELS:
        raise _refuse(name, f"name 1 to {MOST_MODELS}, or none for all", f"1개에서 {MOST_MODELS}개까지 적으십시오")
    for model in models:
        plain = model.removesuffix("*")
        if not model or len(model) > LONGEST_MODEL or not plain.isprintable() or "*" in plain or " " in plain:
            raise _refuse(
                name,
                f"{model[:80]!a} is no name; a * may only stand at its end",
                f"{model[:80]!a}은(는) 모델 이름이 아닙니다. *는 끝에만 쓸 수 있습니다",
            )
    return models


def _doors(name: str, value: Iterable[str] | None, _: int) -> tuple[str, ...] | None:
    if value is None:
        return None
    wanted = set(value)
    if not wanted or not wanted <= set(DOORS):
        raise _refuse(name, f"choose of {', '.join(DOORS)}", f"{', '.join(DOORS)} 중에서 고르십시오")
    return tuple(door for door in DOORS if door in wanted)


def _expires_at(name: str, value: int | None, at: int) -> int | None:
    if value is not None and not at < value <= LAST_MOMENT:
        raise BadInput(
            "The end of a key must lie in the future.",
            "키의 만료일은 오늘 이후여야 합니다.",
            code="bad_field",
            param=name,
        )
    return value


def _disconnect(name: str, value: str, _: int) -> str:
    if value not in DISCONNECTS:
        raise _refuse(name, "it is drain or cut", "drain 또는 cut입니다")
    return value


def limit(name: str, value: int | None, _: int = 0) -> int | None:
    """A limit per minute. Raises BadInput."""
    if value is not None and not 1 <= value <= MOST:
        raise _refuse(name, "a limit is a whole number from 1, or none", "한도는 1 이상의 정수이거나 없음이어야 합니다")
    return value


_CHECKS: Mapping[str, Callable[[str, Any, int], Any]] = {
    "models": _models,
    "doors": _doors,
    "expires_at": _expires_at,
    "disconnect": _disconnect,
    "rpm": limit,
    "tpm": limit,
}


# What people call the fields.
_NAMES = {
    "models": ("The list of models", "모델 목록"),
    "doors": ("The list of doors", "입구 목록"),
    "expires_at": ("The expiry", "만료 시각"),
    "disconnect": ("What happens when a reader leaves", "읽는 쪽이 떠날 때의 동작"),
    "rpm": ("The number of requests a minute", "분당 요청 수"),
    "tpm": ("The number of tokens a minute", "분당 토큰 수"),
}


def when(at: int) -> str:
    """A moment for people, to the minute."""
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _refuse(name: str, why: str, why_ko: str) -> BadInput:
    what, what_ko = _NAMES[name]
    message, message_ko = f"{what} cannot be that: {why}.", f"{what_ko} 값을 쓸 수 없습니다: {why_ko}."
    return BadInput(message, message_ko, code="bad_field", param=name)
