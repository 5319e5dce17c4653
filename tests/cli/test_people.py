"""`talkmeter users` and `talkmeter keys`, beside a running server and without one."""

import json
import re
import sqlite3
import time

import pytest
from click.testing import CliRunner

from support.data_dirs import begin
from support.folders import content
from support.talkmeter_process import WAIT, Browser, run, signed_in
from talkmeter import cli
from talkmeter.cli import commands
from talkmeter.cli.values import seconds_of
from talkmeter.clock import now

DAY = 86_400 * 1_000_000
TOKEN = re.compile(r"tm_[0-9A-Za-z]{36}")


@pytest.fixture
def talkmeter(tmp_path):
    """Runs a command in this process: (status, standard output, standard error)."""
    begin(tmp_path)

    def command(*arguments, stdin="", status=0):
        done = CliRunner().invoke(commands.talkmeter, [*arguments, "--data-dir", str(tmp_path)], input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit) and status == 0:
            raise done.exception
        assert (done.exit_code == 0) == (status == 0), done.output
        return done.stdout if status == 0 else f"{done.exception} {done.output}"

    return command


def test_users_are_added_listed_and_changed(talkmeter):
    assert "is added as a member" in talkmeter("users", "add", "Kim [red]민지", "--rpm", "60")
    lee = json.loads(talkmeter("users", "add", "Lee", "--role", "owner", "--json"))
    assert (lee["name"], lee["role"], lee["rpm"]) == ("Lee", "owner", None)
    said = talkmeter("users", "list")
    assert "Kim [red]민지" in said, "a name is no markup"
    assert lee["id"] in said
    assert "is a member" in talkmeter("users", "role", "lee", "member")
    assert "is an owner" in talkmeter("users", "role", lee["id"], "owner")
    assert "disabled" in talkmeter("users", "disable", "Lee")
    assert "enabled" in talkmeter("users", "enable", "Lee")
    assert "is called Park" in talkmeter("users", "rename", "Lee", "Park")
    assert "5 requests and any number of tokens" in talkmeter("users", "limits", "Park", "--rpm", "5")
    talkmeter("users", "limits", "Park", "--rpm", "none", "--tpm", "9")
    listed = json.loads(talkmeter("users", "list", "--json"))["users"]
    assert [(user["name"], user["role"], user["rpm"], user["tpm"]) for user in listed] == [
        ("owner", "owner", None, None),
        ("Kim [red]민지", "member", 60, None),
        ("Park", "owner", None, 9),
    ]


def test_what_cannot_be_done_with_users(talkmeter):
    assert "last owner" in talkmeter("users", "disable", "owner", status=1)
    assert "last owner" in talkmeter("users", "role", "owner", "member", status=1)
    assert "no such user" in talkmeter("users", "enable", "nobody", status=1)
    assert "already a user" in talkmeter("users", "add", "OWNER", status=1)
    assert "neither a whole number" in talkmeter("users", "limits", "owner", "--rpm", "many", status=2)
    assert "is not one of" in talkmeter("users", "role", "owner", "admin", status=2)
    assert "8 to 1024" in talkmeter("users", "password", "owner", stdin="short\n", status=1)


def test_passwords_and_links(talkmeter):
    talkmeter("users", "add", "Kim")
    assert "is set" in talkmeter("users", "password", "Kim", stdin="correct horse\n")
    assert json.loads(talkmeter("users", "list", "--json"))["users"][1]["has_password"] is True
    assert "is removed" in talkmeter("users", "password", "Kim", "--remove")
    assert re.fullmatch(r"http://localhost:\d+/sign-in\?token=[\w-]{32}\n", talkmeter("users", "link", "Kim"))
    talkmeter("users", "disable", "Kim")
    assert "has been disabled" in talkmeter("users", "link", "Kim", status=1)


def test_a_key_is_made_shown_rotated_and_revoked(talkmeter, tmp_path):
    assert "No API keys yet" in talkmeter("keys", "list")
    talkmeter("users", "add", "Kim")
    token = talkmeter(
        "keys", "create", "my app", "--user", "kim", "--models", "gpt-4o*, o3", "--doors", "openai,grpc",
        "--expires", "30d", "--disconnect", "cut", "--rpm", "5", "--tpm", "600",
    )  # fmt: skip
    assert TOKEN.fullmatch(token.strip()), "the token alone, so that a script can take it"
    shown = json.loads(talkmeter("keys", "show", "my app", "--json"))
    assert (shown["user_name"], shown["models"], shown["doors"]) == ("Kim", ["gpt-4o*", "o3"], ["openai", "grpc"])
    assert (shown["disconnect"], shown["rpm"], shown["tpm"], shown["state"]) == ("cut", 5, 600, "active")
    assert abs(shown["expires_at"] - now() - 30 * DAY) < 60_000_000
    assert shown["hint"] in talkmeter("keys", "show", shown["id"])
    assert shown["id"] in talkmeter("keys", "show", shown["hint"])
    made = json.loads(talkmeter("keys", "rotate", "my app", "--overlap", "2h", "--json"))
    assert made["key"]["replaces"] == shown["id"]
    assert TOKEN.fullmatch(made["token"])
    assert "2 keys are named" in talkmeter("keys", "revoke", "my app", status=1)
    assert "is revoked" in talkmeter("keys", "revoke", made["key"]["id"])
    assert "is revoked" in talkmeter("keys", "revoke", "my app"), "now the name says which"
    assert "'my app' has been revoked: key_" in talkmeter("keys", "show", "my app", status=1)
    talkmeter("keys", "create", "other", "--expires", "2199-12-31")
    listed = json.loads(talkmeter("keys", "list", "--json"))["keys"]
    assert [key["state"] for key in listed] == ["revoked", "revoked", "active"]
    assert listed[2]["expires_at"] == 7_258_118_400_000_000  # 2200-01-01 00:00 UTC
    assert [key["name"] for key in json.loads(talkmeter("keys", "list", "--user", "owner", "--json"))["keys"]] == [
        "other"
    ]
    said = talkmeter("keys", "list")
    assert "my app" in said
    for secret in (token.strip(), made["token"]):
        assert secret[8:-4] not in said + json.dumps(listed)
        assert all(secret[8:-4].encode() not in data for data in content(tmp_path).values())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--expires", "yesterday"], "neither a duration"),
        (["--expires", "2020-01-01"], "The end of a key must lie in the future"),
        (["--expires", "0d"], "in the future"),
        (["--models", ","], "1 to 200"),
        (["--models", "a*b"], "at its end"),
        (["--doors", "web"], "openai, ask, websocket, grpc"),
        (["--rpm", "0"], "0 is not in the range"),
        (["--user", "nobody"], "no such user"),
        (["--disconnect", "wait"], "is not one of"),
    ],
)
def test_a_key_that_cannot_be(talkmeter, arguments, says):
    assert says in talkmeter("keys", "create", "a", *arguments, status=1)
    assert json.loads(talkmeter("keys", "list", "--json")) == {"keys": []}


def test_rotating_takes_a_duration(talkmeter):
    talkmeter("keys", "create", "a")
    assert "no duration" in talkmeter("keys", "rotate", "a", "--overlap", "long", status=2)
    assert "0 to 7776000 seconds" in talkmeter("keys", "rotate", "a", "--overlap", "1y", status=1)
    assert "no API key" in talkmeter("keys", "rotate", "b", status=1)
    assert TOKEN.fullmatch(talkmeter("keys", "rotate", "a", "--overlap", "0").strip())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("12h", 43_200), (" 30D ", 2_592_000), ("2w", 1_209_600), ("1y", 31_536_000)],
)
def test_durations(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1.5h", "1 d", "9999999d", "2030-01-01"])
def test_no_durations(text):
    assert seconds_of(text) is None


def test_a_running_server_knows_at_once(tmp_path):
    with signed_in(tmp_path) as (process, browser):
        status, token, said = run("keys", "create", "app", data_dir=tmp_path)
        assert (status, bool(TOKEN.fullmatch(token.strip()))) == (0, True), said
        (key,) = eventually(lambda: browser.json("GET", "/api/keys")["keys"])
        assert run("keys", "revoke", key["id"], data_dir=tmp_path)[0] == 0
        eventually(lambda: browser.json("GET", "/api/keys")["keys"][0]["state"] == "revoked")
        assert run("users", "add", "Kim", data_dir=tmp_path)[0] == 0
        status, link, _ = run("users", "link", "Kim", data_dir=tmp_path)
        assert (status, f":{process.port}/sign-in" in link) == (0, True)
        kim = Browser(process.port)
        assert kim.sign_in(link.strip()) == (303, "/")
        assert kim.json("GET", "/api/bootstrap")["role"] == "member"
        assert run("users", "disable", "Kim", data_dir=tmp_path)[0] == 0
        assert kim.request("GET", "/api/bootstrap")[0] == 401
        assert process.stop() == 0
        assert token.strip()[8:-4] not in "\n".join(process.lines + process.errors)


def test_another_program_on_the_database_is_heard_of_too(tmp_path):
    """Without a signal: a change by a process that cannot send one, such as a worker on another machine."""
    with signed_in(tmp_path) as (process, browser):
        assert run("keys", "create", "app", data_dir=tmp_path)[0] == 0
        eventually(lambda: browser.json("GET", "/api/keys")["keys"])
        with sqlite3.connect(tmp_path / "talkmeter.db") as connection:
            connection.execute("UPDATE api_keys SET revoked_at = 5")
            connection.execute("UPDATE revisions SET number = number + 1")
        eventually(lambda: browser.json("GET", "/api/keys")["keys"][0]["state"] == "revoked")
        assert process.stop() == 0


def eventually(look):
    """What it gives, once that is true."""
    until = time.monotonic() + WAIT
    while not (found := look()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def test_errors_are_printed_for_people(tmp_path):
    begin(tmp_path)
    status, _, error = run("keys", "revoke", "nothing", data_dir=tmp_path)
    assert status == 1
    assert "Traceback" not in error
    assert "talkmeter keys list" in error
    assert cli.main is commands.main
