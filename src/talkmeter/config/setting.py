"""What one setting is, and how its text becomes a value."""

import math
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from talkmeter.config.checks import Wanted
from talkmeter.errors import SettingError

Kind = Literal["int", "float", "bool", "text", "list", "path", "secret", "decimal"]
Source = Literal["flag", "environment", "file", "stored", "default"]

YES = frozenset({"1", "true", "yes", "on"})
NO = frozenset({"0", "false", "no", "off"})

SOURCE_KO: dict[str, str] = {
    "flag": "명령줄 옵션",
    "environment": "환경 변수",
    "file": "설정 파일",
    "stored": "저장된 설정",
    "default": "기본값",
}


class Setting(Struct, frozen=True, kw_only=True):
    """One row of the table.

    default: None means "not set". page: changeable on the page and then stored in the database.
    minimum, maximum: inclusive bounds of a figure, or of the length of a text.
    optional: None may be set on the page.
    environment: further variables that are read, after `TALKMETER_<NAME>`.
    flag: offered by the command line; secrets never are, because other users can read a process's arguments.
    default_text: what the documentation says where the default depends on the machine.
    """

    name: str
    kind: Kind
    default: Any
    group: str
    help: str
    help_ko: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    optional: bool = False
    page: bool = False
    flag: bool = True
    environment: tuple[str, ...] = ()
    default_text: str | None = None
    check: Callable[[Any], Wanted | None] | None = None  # what a value must be instead; None: it is all right

    @property
    def secret(self) -> bool:
        return self.kind == "secret"

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables it is read from, in order; a secret also reads each with `_FILE`."""
        return (f"TALKMETER_{self.name.upper()}", *self.environment)

    def allowed(self) -> str:
        """In English, what a value may be."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        words = {
            "int": "a whole number",
            "float": "a number",
            "bool": "true or false",
            "text": "a text",
            "list": "names separated by commas",
            "path": "a path",
            "secret": "a secret text",
            "decimal": "a decimal number such as 1350.5",
        }[self.kind]
        unit = " characters" if self.kind in ("text", "secret") else ""
        if self.minimum is not None and self.maximum is not None:
            words += f" from {_figure(self.minimum)} to {_figure(self.maximum)}{unit}"
        elif self.minimum is not None:
            words += f" of at least {_figure(self.minimum)}{unit}"
        elif self.maximum is not None:
            words += f" of at most {_figure(self.maximum)}{unit}"
        return words

    def error(
        self, source: str, where: str, value: object, why: str | None = None, wanted: Wanted | None = None
    ) -> SettingError:
        """An error that names the setting, where its value came from and what is allowed; never a secret."""
        allowed, allowed_ko = wanted or (self.allowed(), self.allowed_ko())
        shown = "(not shown)" if self.secret else repr(value)
        shown_ko = "(표시하지 않음)" if self.secret else repr(value)
        source_ko = SOURCE_KO.get(source, source)
        reason = f": {why}" if why else ""
        return SettingError(
            f"The setting {self.name} cannot be {shown} ({where}){reason}.",
            f"설정 {self.name}의 값으로 {shown_ko}은(는) 쓸 수 없습니다 ({source_ko}: {where}).",
            hint=f"It must be {allowed}.",
            hint_ko=f"허용되는 값: {allowed_ko}.",
            code="bad_setting",
            param=self.name,
        )

    def allowed_ko(self) -> str:
        """In Korean, what a value may be."""
        if self.choices:
            return ", ".join(self.choices) + " 중 하나"
        words = {
            "int": "정수",
            "float": "숫자",
            "bool": "true 또는 false",
            "text": "텍스트",
            "list": "쉼표로 구분한 이름",
            "path": "경로",
            "secret": "비밀 텍스트",
            "decimal": "1350.5와 같은 십진수",
        }[self.kind]
        unit = "자" if self.kind in ("text", "secret") else ""
        if self.minimum is not None:
            words += f", {_figure(self.minimum)}{unit} 이상"
        if self.maximum is not None:
            words += f", {_figure(self.maximum)}{unit} 이하"
        return words

    def parse(self, value: object, source: Source, where: str) -> Any:
        """The value in its Python type, from text (flag, environment) or a TOML or JSON value.

        int, float, bool, Decimal, Path, str, tuple of str; None only where `optional`. Raises SettingError.
        """
        if value is None:
            if self.optional:
                return None
            raise self.error(source, where, value)
        try:
            parsed = _CONVERT[self.kind](value)
        except (ValueError, TypeError, OverflowError, InvalidOperation):
            raise self.error(source, where, value) from None
        if self.choices and parsed not in self.choices:
            raise self.error(source, where, value)
        figure = len(parsed) if self.kind in ("text", "secret") else parsed
        if self.minimum is not None and figure < self.minimum:
            raise self.error(source, where, value)
        if self.maximum is not None and figure > self.maximum:
            raise self.error(source, where, value)
        if self.check is not None and (wanted := self.check(parsed)) is not None:
            raise self.error(source, where, value, wanted=wanted)
        return parsed

    def plain(self, value: Any) -> Any:
        """The value as JSON has it: decimals and paths as text, lists as lists."""
        if isinstance(value, Decimal):
            return format(value, "f")
        if isinstance(value, Path):
            return str(value)
        return list(value) if isinstance(value, tuple) else value


def _figure(bound: float) -> str:
    if bound == int(bound):
        return f"{int(bound):,}"
    return f"{bound:f}".rstrip("0")


def _int(value: object) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, str):
        if len(value) > 20:
            raise ValueError
        return int(value.strip().replace("_", ""))
    if isinstance(value, int):
        return value
    raise TypeError


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _bool(value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        word = value.strip().lower()
        if word in YES:
            return True
        if word in NO:
            return False
    raise ValueError


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    if "\0" in value:
        raise ValueError
    value.encode()  # a lone surrogate cannot be stored
    return value


def _list(value: object) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise TypeError
    return tuple(text.strip() for text in map(_text, parts) if text.strip())


def _path(value: object) -> Path:
    text = str(value) if isinstance(value, Path) else _text(value)
    if not text.strip():
        raise ValueError
    return Path(text).expanduser()


def _decimal(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError
    text = str(value).strip()
    if len(text) > 40:
        raise ValueError
    number = Decimal(text)
    if not number.is_finite() or number.adjusted() > 15 or number.as_tuple().exponent < -18:  # type: ignore[operator]
        raise ValueError
    return number


_CONVERT: dict[Kind, Callable[[object], Any]] = {
    "int": _int,
    "float": _float,
    "bool": _bool,
    "text": _text,
    "list": _list,
    "path": _path,
    "secret": _text,
    "decimal": _decimal,
}
