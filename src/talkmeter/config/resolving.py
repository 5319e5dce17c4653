"""Which value a setting has, and where it came from: flag > environment > file > stored > default."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from talkmeter.config.setting import Setting, Source
from talkmeter.config.table import CHAT, DATA, PAGE, PROVIDER, SERVER, default_data_dir
from talkmeter.config.table_gateway import GATEWAY
from talkmeter.config.table_grpc import GRPC
from talkmeter.config.table_limits import LIMITS, SIMULATOR, UPSTREAM
from talkmeter.config.table_logs import LOGS
from talkmeter.config.table_tls import TLS
from talkmeter.config.table_websocket import WEBSOCKET
from talkmeter.errors import SettingError

TABLE: tuple[Setting, ...] = (
    *SERVER,
    *TLS,
    *DATA,
    *GATEWAY,
    *GRPC,
    *WEBSOCKET,
    *PROVIDER,
    *CHAT,
    *PAGE,
    *SIMULATOR,
    *LIMITS,
    *UPSTREAM,
    *LOGS,
)
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in TABLE}

FILE_NAME = "talkmeter.toml"
SECRET_FILE_BYTES = 65_536


class Value(Struct, frozen=True):
    """A setting's value with its source. where: the flag, variable or file, for people."""

    value: Any
    source: Source
    where: str


class Resolved:
    """What flags, environment and file say; the stored values join later, once the database is open."""

    def __init__(self, values: Mapping[str, Value], data_dir: Path, file: Path | None) -> None:
        self.values = dict(values)
        self.data_dir = data_dir
        self.file = file  # the settings file that was read

    def get(self, name: str) -> Any:
        """The value in its Python type (see Setting.parse), the default included."""
        given = self.values.get(name)
        return given.value if given is not None else BY_NAME[name].default

    def source(self, name: str) -> Source:
        given = self.values.get(name)
        return given.source if given is not None else "default"

    def path(self, name: str, file_name: str) -> Path:
        """A path setting, by default a file of that name in the data directory."""
        given = self.get(name)
        return given if isinstance(given, Path) else self.data_dir / file_name

    def plain(self) -> dict[str, Any]:
        """All of it as JSON has it, secrets included, for `of_plain` in a process of our own."""
        values = {name: [BY_NAME[name].plain(v.value), v.source, v.where] for name, v in self.values.items()}
        return {"values": values, "data_dir": str(self.data_dir), "file": str(self.file) if self.file else None}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> "Resolved":
        values = {
            name: Value(BY_NAME[name].parse(value, source, where), source, where)
            for name, (value, source, where) in plain["values"].items()
        }
        return cls(values, Path(plain["data_dir"]), Path(plain["file"]) if plain["file"] else None)

    def __repr__(self) -> str:
        shown = {name: "***" if BY_NAME[name].secret else v.value for name, v in self.values.items()}
        return f"Resolved({shown})"


def resolve(flags: Mapping[str, object], environ: Mapping[str, str]) -> Resolved:
    """Reads flags (None = not given), the environment and the settings file. Raises SettingError."""
    values: dict[str, Value] = {}
    for setting in TABLE:
        given = _from_flags(setting, flags) or _from_environment(setting, environ)
        if given is not None:
            values[setting.name] = given
    named = values.get("config")
    early_dir = values["data_dir"].value if "data_dir" in values else default_data_dir()
    file = named.value if named is not None else early_dir / FILE_NAME
    read = _read_file(file, must_exist=named is not None)
    if named is None and "data_dir" in read:
        raise BY_NAME["data_dir"].error(
            "file",
            str(file),
            read["data_dir"],
            "it decides where this very file is; set it by flag or environment",
        )
    for name, raw in read.items():
        setting = _known(name, file)
        if name not in values:
            values[name] = Value(setting.parse(raw, "file", str(file)), "file", str(file))
    data_dir = Path(values["data_dir"].value if "data_dir" in values else early_dir).absolute()
    return Resolved(values, data_dir, file if read else None)


def unknown_variables(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """(variable, the one that was probably meant) for variables that look like a misspelt setting."""
    known = [name for setting in TABLE for name in _variables_with_files(setting)]
    return [
        (name, close[0])
        for name in environ
        if name.startswith("TALKMETER_") and name not in known
        if (close := difflib.get_close_matches(name, known, n=1, cutoff=0.87))
    ]


def _variables_with_files(setting: Setting) -> tuple[str, ...]:
    files = tuple(f"{name}_FILE" for name in setting.variables) if setting.secret else ()
    return (*setting.variables, *files)


def _from_flags(setting: Setting, flags: Mapping[str, object]) -> Value | None:
    given = flags.get(setting.name)
    if given is None:
        return None
    flag = "--" + setting.name.replace("_", "-")
    return Value(setting.parse(given, "flag", flag), "flag", flag)


def _from_environment(setting: Setting, environ: Mapping[str, str]) -> Value | None:
    """An empty variable counts as not set, as compose files write it."""
    for variable in setting.variables:
        text, file = environ.get(variable, ""), environ.get(f"{variable}_FILE", "") if setting.secret else ""
        if text and file:
            raise setting.error(
                "environment", f"{variable} and {variable}_FILE", None, "both variables are set; use one"
            )
        if file:
            secret = _read_secret(setting, variable, Path(file))
            return Value(setting.parse(secret, "environment", f"{variable}_FILE"), "environment", f"{variable}_FILE")
        if text:
            return Value(setting.parse(text, "environment", variable), "environment", variable)
    return None


def _read_secret(setting: Setting, variable: str, file: Path) -> str:
    where = f"{variable}_FILE={file}"
    try:
        with file.open("rb") as opened:
            data = opened.read(SECRET_FILE_BYTES + 1)
        text = data.decode().strip()
    except OSError as error:
        raise setting.error("environment", where, None, f"the file cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise setting.error("environment", where, None, "the file is not UTF-8 text") from None
    if not text or len(data) > SECRET_FILE_BYTES:
        raise setting.error("environment", where, None, "the file is empty or larger than a secret can be")
    return text


def _read_file(file: Path, *, must_exist: bool) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):  # the latter: the data directory is a file, which is refused later
        if not must_exist:
            return {}
        raise _file_error(file, "it does not exist", "파일이 없습니다") from None
    except (OSError, UnicodeDecodeError) as error:
        raise _file_error(file, f"it cannot be read ({error})", "읽을 수 없습니다") from None
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _file_error(file, f"it is not TOML ({error})", f"TOML이 아닙니다 ({error})") from None


def _file_error(file: Path, why: str, why_ko: str) -> SettingError:
    return SettingError(
        f"The settings file {file} cannot be used: {why}.",
        f"설정 파일 {file}을(를) 쓸 수 없습니다: {why_ko}.",
        hint="It holds lines such as `port = 8640`; docs/settings.md lists all names.",
        hint_ko="`port = 8640` 같은 줄을 적습니다. 모든 이름은 docs/settings.ko.md에 있습니다.",
        code="bad_settings_file",
        param="config",
    )


def _known(name: str, file: Path) -> Setting:
    setting = BY_NAME.get(name)
    if setting is not None and name != "config":
        return setting
    if setting is not None:
        raise SettingError(
            f"The settings file {file} cannot name another settings file: {name}.",
            f"설정 파일 {file}에서 다른 설정 파일을 지정할 수 없습니다: {name}.",
            hint="Give --config or TALKMETER_CONFIG, and leave the line out.",
            hint_ko="그 줄을 지우고 --config나 TALKMETER_CONFIG로 지정하십시오.",
            code="bad_setting",
            param=name,
        )
    close = difflib.get_close_matches(name, BY_NAME, n=1)
    raise SettingError(
        f"The settings file {file} names a setting that does not exist: {name}.",
        f"설정 파일 {file}에 없는 설정이 있습니다: {name}.",
        hint=f"Did you mean {close[0]}?" if close else "docs/settings.md lists all names.",
        hint_ko=f"{close[0]}을(를) 뜻하셨습니까?" if close else "모든 이름은 docs/settings.ko.md에 있습니다.",
        code="unknown_setting",
        param=name,
    )
