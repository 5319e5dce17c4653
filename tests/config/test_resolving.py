"""Order of sources, every kind of value, and errors that name setting, source and what is allowed."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from talkmeter.config import BY_NAME, TABLE, Resolved, resolve, unknown_variables
from talkmeter.errors import SettingError
from talkmeter.metering.tokens import ENCODING_NAMES


def at(tmp_path: Path, text: str = "", flags: dict | None = None, **environ: str) -> Resolved:
    if text:
        (tmp_path / "talkmeter.toml").write_text(text, encoding="utf-8")
    return resolve({"data_dir": str(tmp_path), **(flags or {})}, environ)


def test_flag_beats_environment_beats_file_beats_default(tmp_path):
    assert at(tmp_path).get("port") == 8640
    assert at(tmp_path).source("port") == "default"
    assert at(tmp_path, "port = 1").get("port") == 1
    assert at(tmp_path, "port = 1").source("port") == "file"
    assert at(tmp_path, "port = 1", TALKMETER_PORT="2").get("port") == 2
    assert at(tmp_path, "port = 1", TALKMETER_PORT="2").source("port") == "environment"
    resolved = at(tmp_path, "port = 1", {"port": 3}, TALKMETER_PORT="2")
    assert (resolved.get("port"), resolved.source("port"), resolved.values["port"].where) == (
        3,
        "flag",
        "--port",
    )


def test_an_empty_variable_is_not_set(tmp_path):
    assert at(tmp_path, TALKMETER_PORT="").source("port") == "default"


def test_the_variables_of_the_easy_backend_mean_what_they_meant(tmp_path):
    given = {"GPT_ENGINE": "text-davinci-003", "ENCODING_NAME": "p50k_base"}
    resolved = at(tmp_path, FIRST_PROMPT="Hello", CUSTOM_BASE_PROMPT="Be brief.", **given)
    assert resolved.get("default_model") == "text-davinci-003"
    assert resolved.get("assumed_encoding") == "p50k_base"
    assert resolved.get("default_first_prompt") == "Hello"
    assert resolved.get("default_system_prompt") == "Be brief."
    assert at(tmp_path, TALKMETER_DEFAULT_MODEL="gpt-4o", **given).get("default_model") == "gpt-4o"
    with pytest.raises(SettingError, match=r"ENCODING_NAME"):
        at(tmp_path, ENCODING_NAME="p51k_base")


def test_the_encodings_to_choose_from_are_those_that_we_have():
    assert BY_NAME["assumed_encoding"].choices == ENCODING_NAMES


def test_openai_variables_make_settings(tmp_path):
    resolved = at(tmp_path, OPENAI_API_KEY="sk-canary", OPENAI_BASE_URL="http://localhost:11434/v1")
    assert resolved.get("openai_api_key") == "sk-canary"
    assert resolved.get("openai_base_url") == "http://localhost:11434/v1"
    assert at(tmp_path, OPENAI_API_KEY="a", TALKMETER_OPENAI_API_KEY="b").get("openai_api_key") == "b"


def test_a_secret_comes_from_a_file_too(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("sk-from-file\n")
    assert at(tmp_path, OPENAI_API_KEY_FILE=str(secret)).get("openai_api_key") == "sk-from-file"
    with pytest.raises(SettingError, match="both variables are set"):
        at(tmp_path, OPENAI_API_KEY_FILE=str(secret), OPENAI_API_KEY="x")
    with pytest.raises(SettingError, match="cannot be read: No such file"):
        at(tmp_path, OPENAI_API_KEY_FILE=str(tmp_path / "absent"))
    secret.write_text("")
    with pytest.raises(SettingError, match="empty"):
        at(tmp_path, OPENAI_API_KEY_FILE=str(secret))
    secret.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match="UTF-8"):
        at(tmp_path, OPENAI_API_KEY_FILE=str(secret))


def test_only_secrets_read_a_file(tmp_path):
    secret = tmp_path / "port"
    secret.write_text("99")
    assert at(tmp_path, TALKMETER_PORT_FILE=str(secret)).source("port") == "default"


def test_secrets_are_in_no_error_and_no_repr(tmp_path):
    resolved = at(tmp_path, OPENAI_API_KEY="sk-canary", TALKMETER_DATABASE_URL="postgresql://u:canary@h/d")
    assert "canary" not in repr(resolved)
    with pytest.raises(SettingError) as caught:
        at(tmp_path, OPENAI_API_KEY="sk-canary\0")
    assert "canary" not in f"{caught.value} {caught.value.message_ko} {caught.value.hint}"


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "0", 0),
        ("port", " 80 ", 80),
        ("open_browser", "no", False),
        ("open_browser", "TRUE", True),
        ("header_seconds", "1.5", 1.5),
        ("allowed_hosts", "a.example, b.example,", ("a.example", "b.example")),
        ("currency_rate", "1350.50", Decimal("1350.50")),
        ("key_file", "~/k", Path.home() / "k"),
        ("language", "ko", "ko"),
        ("currency", "KRW", "KRW"),
    ],
)
def test_text_becomes_a_value(tmp_path, name, text, value):
    assert at(tmp_path, **{f"TALKMETER_{name.upper()}": text}).get(name) == value


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("port", "65536", "whole number from 0 to 65,535"),
        ("port", "8640.0", "whole number"),
        ("port", "9" * 5000, "whole number"),
        ("open_browser", "perhaps", "true or false"),
        ("header_seconds", "nan", "a number"),
        ("header_seconds", "inf", "a number"),
        ("default_temperature", "2.1", "from 0 to 2"),
        ("currency_rate", "-1", "decimal"),
        ("currency_rate", "1e400", "decimal"),
        ("currency_rate", "NaN", "decimal"),
        ("currency", "krw", "three capital letters"),
        ("time_zone", "Seoul", "IANA"),
        ("otlp_endpoint", "localhost:4318", "begins with http://"),
        ("log_to", "stderr,nowhere", "one or more of stderr, stdout, file"),
        ("gateway_endpoints", "chats,foo", "one or more of chat, responses"),
        ("upstream_proxy", "foo", "http://HOST:PORT"),
        ("upstream_proxy", "socks5://proxy:1080", "http://HOST:PORT"),
        ("upstream_proxy", "http://proxy:port", "http://HOST:PORT"),
        ("upstream_proxy", "http://proxy:3128/x?y", "http://HOST:PORT"),
        ("database_url", "foo", "postgresql://USER:PASSWORD@HOST/NAME"),
        ("database_url", "localhost:5432/db", "sqlite:///FILE"),
        ("database_url", "sqlite:///", "sqlite:///FILE"),
        ("database_url", "sqlite:///:memory:", "sqlite:///FILE"),
        ("allowed_hosts", "http://x/y", "without http://"),
        ("allowed_hosts", "*", "without http://"),
        ("allowed_hosts", "good.example,box:8640", "port"),
        ("theme", "blue", "auto, light, dark"),
        ("host", "\ud800", "a text"),
    ],
)
def test_a_bad_value_names_setting_source_and_what_is_allowed(tmp_path, name, text, allowed):
    variable = f"TALKMETER_{name.upper()}"
    with pytest.raises(SettingError) as caught:
        at(tmp_path, **{variable: text})
    error = caught.value
    assert error.param == name
    assert name in error.message
    assert name in error.message_ko
    assert variable in error.message
    assert variable in error.message_ko
    assert allowed in (error.hint or "")
    assert ".." not in f"{error.message} {error.hint}"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("allowed_hosts", "chat.example.org, 192.168.0.7,2001:db8::2,[2001:db8::3]"),
        ("upstream_proxy", "http://u:p@proxy.lan:3128"),
        ("upstream_proxy", "http://proxy/"),
        ("upstream_proxy", "proxy:3128"),
        ("database_url", "postgres://h/d"),
        ("database_url", "sqlite:///data.db"),
        ("database_url", "./data.db"),
        ("database_url", str(Path("data.db").absolute())),
        ("gateway_endpoints", "chat,other"),
        ("gateway_endpoints", ""),
    ],
)
def test_values_that_look_odd_and_are_right(tmp_path, name, text):
    at(tmp_path, **{f"TALKMETER_{name.upper()}": text})


def test_a_toml_value_must_have_the_right_type(tmp_path):
    with pytest.raises(SettingError, match="port"):
        at(tmp_path, "port = true")
    with pytest.raises(SettingError, match="default_model"):
        at(tmp_path, "default_model = 4")
    assert at(tmp_path, 'allowed_hosts = ["a.example"]').get("allowed_hosts") == ("a.example",)


def test_the_file_is_checked(tmp_path):
    with pytest.raises(SettingError, match="not TOML"):
        at(tmp_path, "port = = 1")
    with pytest.raises(SettingError) as caught:
        at(tmp_path, "prot = 1")
    assert caught.value.hint == "Did you mean port?"
    with pytest.raises(SettingError, match="cannot name another settings file") as caught:
        at(tmp_path, 'config = "x"')
    assert "Did you mean" not in caught.value.hint
    with pytest.raises(SettingError, match="data_dir"):
        at(tmp_path, 'data_dir = "/elsewhere"')
    with pytest.raises(SettingError, match="does not exist"):
        resolve({"config": str(tmp_path / "absent.toml")}, {})


def test_a_named_file_may_say_where_the_data_is(tmp_path):
    file = tmp_path / "other.toml"
    file.write_text(f'data_dir = "{(tmp_path / "data").as_posix()}"\nport = 7\n')
    resolved = resolve({"config": str(file)}, {})
    assert resolved.data_dir == tmp_path / "data"
    assert resolved.get("port") == 7


def test_a_misspelt_variable_is_noticed():
    assert unknown_variables({"TALKMETER_PROT": "1"}) == [("TALKMETER_PROT", "TALKMETER_PORT")]
    assert unknown_variables({"TALKMETER_PORT": "1", "OTHER": "2", "TALKMETER_CHROMIUM": "x"}) == []


@pytest.mark.parametrize("setting", TABLE, ids=lambda setting: setting.name)
def test_every_row_is_whole(setting):
    assert BY_NAME[setting.name] is setting
    assert setting.help.endswith(".")
    assert setting.help_ko.endswith(".")
    assert any("가" <= letter <= "힣" for letter in setting.help_ko)
    if setting.default is not None:
        assert setting.parse(setting.plain(setting.default), "default", "") == setting.default
    else:
        assert setting.default_text or not setting.page
    assert not (setting.secret and (setting.flag or setting.page))


def test_settings_reach_a_process_of_our_own_as_they_are(tmp_path):
    flags = {"data_dir": str(tmp_path), "workers": "3", "allowed_hosts": "a.example, b.example", "open_browser": False}
    environ = {"OPENAI_API_KEY": "sk-secret", "TALKMETER_SHUTDOWN_SECONDS": "1.5", "TALKMETER_KEY_FILE": "k"}
    here = resolve(flags, environ)
    there = Resolved.of_plain(json.loads(json.dumps(here.plain())))
    assert there.values == here.values
    assert (there.data_dir, there.file) == (here.data_dir, here.file)


@pytest.mark.parametrize("count", ["0", "65", "two"])
def test_a_number_of_workers_that_cannot_be(count):
    with pytest.raises(SettingError) as refused:
        resolve({"workers": count}, {})
    assert refused.value.param == "workers"
