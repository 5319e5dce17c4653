"""Reading a JSON body strictly: what is wrong with it is said with a 4xx, never found out later."""

import json
import math
from typing import Any, NoReturn, TypeVar

import msgspec

from talkmeter.errors import BadInput

T = TypeVar("T")

MOST_DEPTH = 32
MOST_INTEGER = 2**63 - 1


def parse_json(raw: bytes, shape: type[T]) -> T:
    """The body as a value of `shape` (a Struct with forbid_unknown_fields).

    Raises BadInput for bytes that are not UTF-8, text that is not JSON, NaN and infinities, lone surrogates, NUL
    characters, integers beyond 64 bits, the same name twice in an object, too deep nesting, and whatever does not fit
    the shape, naming the field.
    """
    return convert(load_json(raw), shape)


def load_json(raw: bytes) -> Any:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"it is not UTF-8 (byte {error.start})", f"UTF-8이 아닙니다 (바이트 {error.start})", "not_utf8")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        _refuse(
            f"{error.msg.lower()} ({where})",
            f"{error.lineno}번째 줄 {error.colno}번째 글자를 읽을 수 없습니다",
            "not_json",
        )
    except RecursionError:
        _too_deep()
    _check(value)
    return value


def why_unreadable(raw: bytes, error: Exception) -> tuple[str, str]:
    """Why msgspec took `raw` for no JSON object: a clause in English and one in Korean."""
    said = str(error).removeprefix("JSON is malformed: ")
    if isinstance(error, RecursionError):
        return "it is nested too deeply", "너무 깊이 중첩되어 있습니다"
    if isinstance(error, UnicodeDecodeError):
        at = raw.find(error.object) + error.start  # it only knows the text that it stands in
        return f"it is not UTF-8 (byte {at})", f"UTF-8이 아닙니다 (바이트 {at})"
    if not raw.strip():
        return "it is empty", "비어 있습니다"
    if "surrogate" in said or ("truncated" in said and _is_whole(raw)):  # it looks for the other half beyond the end
        return "a text contains half of a surrogate pair", "텍스트에 짝이 맞지 않는 서로게이트 문자가 있습니다"
    if "truncated" in said:
        return "it ends in the middle", "중간에서 끝납니다"
    return said, said


def _is_whole(raw: bytes) -> bool:
    try:
        json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return True


def convert(value: Any, shape: type[T]) -> T:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        where = path.rstrip("`").lstrip(".")
        param = ".".join(filter(None, (where, _named(reason)))) or None
        raise BadInput(
            f"The body cannot be used: {_at(where)}{reason}.",
            f"요청 본문을 쓸 수 없습니다: {_at(where)}{_korean(reason)}.",
            code="unknown_field" if "unknown field" in reason else "bad_field",
            param=param,
        ) from None


def _at(where: str) -> str:
    return f"{where}: " if where else ""


def _korean(reason: str) -> str:
    quoted = reason.split("`")[1::2]
    if "unknown field" in reason:
        return f"알 수 없는 필드 `{quoted[0]}`"
    if "missing required field" in reason:
        return f"필수 필드 `{quoted[0]}` 없음"
    if reason.startswith("Expected") and len(quoted) == 2:
        return f"`{quoted[0]}` 형식이어야 하는데 `{quoted[1]}` 형식입니다"
    return f"허용되지 않는 값입니다 ({reason})"


def _named(reason: str) -> str | None:
    parts = reason.split("`")
    return parts[1] if "field" in reason and len(parts) > 1 else None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        shown = ascii(twice[:60])
        _refuse(f"an object names {shown} twice", f"한 객체에 {shown} 이름이 두 번 있습니다", "duplicate_field")
    return made


def _constant(word: str) -> NoReturn:
    _refuse(f"{word} is not a number in JSON", f"{word} 값은 JSON의 숫자가 아닙니다", "not_finite")


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        _refuse("a number is too large", "숫자가 너무 큽니다", "number_too_large")
    return number


def _integer(digits: str) -> int:
    if len(digits) > 20 or abs(int(digits)) > MOST_INTEGER:
        _refuse("an integer is too large", "정수가 너무 큽니다", "number_too_large")
    return int(digits)


def _check(value: Any) -> None:
    """Texts that no database or upstream could take, and nesting that no shape of ours has."""
    level = [value]
    for _ in range(MOST_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                for name in item:
                    _check_text(name)
                deeper.extend(item.values())
            elif isinstance(item, list):
                deeper.extend(item)
        if not deeper:
            return
        level = deeper
    _too_deep()


def _check_text(text: str) -> None:
    if "\0" in text:
        _refuse(
            "a text contains the character U+0000, which cannot be stored",
            "저장할 수 없는 문자 U+0000이 텍스트에 있습니다",
            "nul_character",
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        _refuse(
            "a text contains half of a surrogate pair",
            "텍스트에 짝이 맞지 않는 서로게이트 문자가 있습니다",
            "lone_surrogate",
        )


def _too_deep() -> NoReturn:
    _refuse(
        f"it is nested more than {MOST_DEPTH} levels deep", f"{MOST_DEPTH}단계보다 깊이 중첩되어 있습니다", "too_deep"
    )


def _refuse(reason: str, reason_ko: str, code: str) -> NoReturn:
    raise BadInput(
        f"The body cannot be used: {reason}.",
        f"요청 본문을 쓸 수 없습니다: {reason_ko}.",
        code=code,
        hint="Send one JSON object in UTF-8.",
        hint_ko="UTF-8로 된 JSON 객체 하나를 보내십시오.",
    )
