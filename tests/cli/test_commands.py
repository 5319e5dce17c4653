"""The other commands, while the server runs and while it does not."""

import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest

from support.data_dirs import begin
from support.talkmeter_process import Browser, environment, run, serving, signed_in
from talkmeter import __version__

CANARY = "sk-canary-0123456789abcdef"
COMMANDS = (
    "serve",
    "simulate",
    "link",
    "password",
    "users",
    "keys",
    "backup",
    "restore",
    "prices",
    "budgets",
    "routes",
    "usage",
    "calls",
    "reconcile",
    "doctor",
    "rotate-key",
    "forget-keys",
)


def talkmeter(*arguments, **env):
    done = subprocess.run(
        [sys.executable, "-m", "talkmeter", *arguments],
        capture_output=True,
        text=True,
        env=environment(**env),
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_help_names_every_command_and_imports_no_framework():
    status, said = talkmeter("--help")
    assert status == 0
    assert all(f"  {name}" in said for name in COMMANDS)
    ask = (
        "import sys\nfrom talkmeter.cli import main\n"
        "heavy = {'sqlalchemy', 'uvicorn', 'starlette', 'aiohttp', 'cryptography', 'structlog', 'tiktoken', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command):
    status, said = talkmeter(command, "--help")
    assert status == 0
    assert "Usage: talkmeter" in said


def test_version_and_mistakes():
    assert talkmeter("--version") == (0, f"talkmeter, version {__version__}\n")
    assert talkmeter("nonsense")[0] == 2
    assert talkmeter("serve", "--nonsense")[0] == 2


def test_serve_has_a_flag_for_every_setting_that_has_one_and_none_for_secrets():
    said = talkmeter("serve", "--help")[1]
    assert "--default-window" in said
    assert "--no-open" in said
    for secret in ("--openai-api-key", "--encryption-key", "--database-url"):
        assert secret not in said


def test_a_link_signs_in_while_the_server_runs(tmp_path):
    with serving(tmp_path) as process:
        port = process.port
        status, link, _ = run("link", data_dir=tmp_path)
        assert status == 0
        assert f":{port}/sign-in" in link
        assert Browser(process.port).sign_in(link.strip()) == (303, "/")


def test_a_password_signs_in_and_signs_others_out(tmp_path):
    with signed_in(tmp_path) as (process, browser):
        assert run("password", data_dir=tmp_path, stdin="short\n")[0] == 1
        status, said, _ = run("password", data_dir=tmp_path, stdin="correct horse 배터리\n")
        assert (status, "horse" in said) == (0, False)
        assert browser.request("GET", "/api/bootstrap")[0] == 401
        other = Browser(process.port)
        assert other.json("GET", "/api/session")["password_set"] is True
        assert other.request("POST", "/api/sign-in", {"password": "wrong horse"})[0] == 401
        assert other.request("POST", "/api/sign-in", {"password": "correct horse 배터리"})[0] == 204
        assert other.request("GET", "/api/bootstrap")[0] == 200
        assert run("password", "--remove", data_dir=tmp_path)[0] == 0
        assert other.json("GET", "/api/session")["password_set"] is False


def test_backup_while_running_and_restore_elsewhere(tmp_path):
    data, file, elsewhere = tmp_path / "data", tmp_path / "copy.tar", tmp_path / "elsewhere"
    with signed_in(data, "--simulator-tokens-per-second", "0") as (process, browser):
        asked = browser.ask("keep this", "c1")
        browser.follow(asked["run_id"])
        status, said, error = run("backup", file, data_dir=data)
        assert status == 0, error
        assert "verified" in said
        assert run("backup", file, data_dir=data)[0] == 1, "an existing file is not overwritten"
        status, _, error = run("restore", file, "--force", data_dir=data)
        assert status == 2
        assert "already runs" in error
        cookie = browser.cookie
        process.stop()
    assert run("restore", file, data_dir=data)[0] == 1, "a directory with data is not overwritten"
    assert run("restore", file, data_dir=elsewhere)[0] == 0
    with serving(elsewhere) as process:
        browser = Browser(process.port)
        browser.cookie = cookie
        room = browser.json("GET", f"/api/rooms/{asked['room']['id']}")
        assert room["messages"][0]["text"] == "keep this"
        assert room["totals"]["calls"] == 1
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    status, _, error = run("restore", file, data_dir=tmp_path / "third")
    assert status == 1
    assert "Traceback" not in error


def test_prices_are_listed_added_and_deleted(tmp_path):
    begin(tmp_path)
    assert "openai/gpt-4o/" in run("prices", "list", "gpt-4o", data_dir=tmp_path)[1]
    status, said, error = run("prices", "add", "llama3.3", "output", "0.60", "--from", "2026-01-02", data_dir=tmp_path)
    assert status == 0, error
    assert "0.6 US$ per 1,000,000" in said
    price_id = said.split(":")[0]
    assert price_id in run("prices", "list", data_dir=tmp_path)[1]
    (row,) = json.loads(run("prices", "list", "--json", data_dir=tmp_path)[1])["rows"]
    assert (row["id"], row["picodollars"], row["own"]) == (price_id, "600000", True)
    status, _, error = run("prices", "add", "llama3.3", "output", "0.70", "--from", "2026-01-02", data_dir=tmp_path)
    assert status == 1
    assert "already a price" in error
    assert run("prices", "delete", price_id, data_dir=tmp_path)[0] == 0
    assert "No prices of your own" in run("prices", "list", data_dir=tmp_path)[1]
    assert json.loads(run("prices", "list", "--json", data_dir=tmp_path)[1]) == {"rows": []}
    assert run("prices", "delete", price_id, data_dir=tmp_path)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["llama3.3", "output", "-1"], "-1"),
        (["llama3.3", "output", "1e5"], "1e5"),
        (["llama3.3", "nonsense", "1"], "nonsense"),
        (["llama3.3", "output", "1", "--from", "yesterday"], "--from"),
        (["llama3.3", "output", "1", "--from", "1969-12-31"], "--from"),
        (["llama3.3", "output", "1", "--above", "-1"], "--above"),
        (["llama3.3", "output", "1", "--per", "0"], "--per"),
        (["llama3.3", "output", "1", "--above", "9" * 20], "prompt size"),
        (["g*t", "output", "1"], "not at its end"),
    ],
)
def test_a_price_that_cannot_be(tmp_path, arguments, said):
    status, _, error = run("prices", "add", *arguments, data_dir=tmp_path)
    assert status in (1, 2)
    assert said in error
    assert "_from" not in error
    assert "Traceback" not in error


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no way to tell a running server on this system")
def test_a_running_server_learns_of_a_new_price(tmp_path):
    with signed_in(tmp_path) as (process, browser):
        assert browser.json("GET", "/api/prices")["rows"] == []
        assert run("prices", "add", "llama3.3", "input", "0.25", data_dir=tmp_path)[0] == 0
        process_says_reloaded(process)
        rows = browser.json("GET", "/api/prices")["rows"]
        assert [row["model"] for row in rows] == ["llama3.3"]
        assert process.stop() == 0


def process_says_reloaded(process):
    with process._changed:
        assert process._changed.wait_for(lambda: any("reloaded" in line for line in process.errors), 30)


def test_budgets_are_listed_added_changed_and_deleted(tmp_path):
    begin(tmp_path)

    def budgets(*arguments):
        status, said, error = run("budgets", *arguments, data_dir=tmp_path)
        return status, said + error

    assert "No budgets yet" in budgets("list")[1]
    assert budgets("add", "팀", "5 USD", "--period", "day", "--tag", "lab")[0] == 0
    assert budgets("add", "tokens", "2000000 tokens", "--soft")[0] == 0
    assert "already a budget" in budgets("add", "팀", "5 USD")[1]
    assert budgets("add", "x", "5 EUR")[0] == 1
    assert budgets("add", "x", "5 USD", "--key", "key_1", "--tag", "lab")[0] == 2
    assert run("keys", "create", "app", data_dir=tmp_path)[0] == 0
    assert budgets("add", "app's", "1 USD", "--key", "app")[0] == 0
    assert budgets("add", "mine", "1 USD", "--user", "OWNER")[0] == 0
    listed = budgets("list")[1]
    assert "tag lab" in listed
    assert "key app " in listed
    assert "user owner " in listed
    told = {one["name"]: one for one in json.loads(budgets("list", "--json")[1])["budgets"]}
    assert (told["팀"]["amount"], told["팀"]["standing"]["spent"]) == ("5000000000000", "0")
    assert (told["app's"]["scope"], told["app's"]["scope_name"]) == ("key", "app")
    assert told["tokens"]["scope_name"] is None
    assert json.loads(budgets("show", "mine", "--json")[1]) == told["mine"]
    for wrong, says in (
        (("--key", "apq"), "no API key 'apq'"),
        (("--user", "Kym"), "no such user"),
        (("--room", "nope"), "no room"),
        (("--provider", "nope"), "no provider"),
        (("--tag", "a,b"), "no tag that a call can carry"),
    ):
        status, said = budgets("add", "x", "1 USD", *wrong)
        assert (status, says in said) == (1, True), said
    assert " x " not in budgets("list")[1]
    assert "$5.00" in listed
    assert "2,000,000 tokens" in listed
    assert budgets("change", "tokens", "--amount", "5 tokens", "--disable", "--name", "few")[0] == 0
    assert budgets("change", "few")[0] == 2
    shown = budgets("show", "few")[1]
    assert "soft, off" in shown
    assert "everything" in shown
    assert "begins anew" in budgets("show", "팀")[1]
    assert budgets("delete", "few")[0] == 0
    status, said = budgets("delete", "few")
    assert (status, "no budget" in said) == (1, True)


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no way to tell a running server on this system")
def test_a_running_server_learns_of_a_new_budget(tmp_path):
    with signed_in(tmp_path) as (process, browser):
        assert browser.json("GET", "/api/budgets")["budgets"] == []
        provider = browser.json("GET", "/api/providers")["providers"][0]["name"]
        assert run("budgets", "add", "all", "1 USD", "--provider", provider, data_dir=tmp_path)[0] == 0
        process_says_reloaded(process)
        (budget,) = browser.json("GET", "/api/budgets")["budgets"]
        assert (budget["name"], budget["scope"]) == ("all", "provider")
        assert budget["scope_id"].startswith("provider_")
        assert process.stop() == 0


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no way to tell a running server on this system")
def test_a_budget_for_the_provider_of_the_servers_environment(tmp_path):
    """The command's own environment need not have it: the server says what it is called."""
    with signed_in(tmp_path, OPENAI_API_KEY="x", OPENAI_BASE_URL="http://127.0.0.1:9/v1") as (process, browser):
        assert run("budgets", "add", "all", "1 USD", "--provider", "127.0.0.1:9", data_dir=tmp_path)[0] == 0
        assert "no provider" in "".join(
            map(str, run("budgets", "add", "b", "1 USD", "--provider", "Simulator", data_dir=tmp_path))
        )
        process_says_reloaded(process)
        (budget,) = browser.json("GET", "/api/budgets")["budgets"]
        assert budget["scope_id"] == "provider_environment"
        assert "provider 127.0.0.1:9 " in run("budgets", "list", data_dir=tmp_path)[1]
        assert process.stop() == 0
    assert run("budgets", "add", "b", "1 USD", "--provider", "provider_environment", data_dir=tmp_path)[0] == 0


def test_the_key_is_rotated_and_keys_still_open(tmp_path):
    with signed_in(tmp_path) as (process, browser):
        browser.json("POST", "/api/providers", {"name": "a", "base_url": "http://127.0.0.1:9/v1", "key": CANARY})
        status, _, error = run("rotate-key", data_dir=tmp_path)
        assert status == 2
        assert "already runs" in error
        process.stop()
    before = (tmp_path / "talkmeter.key").read_bytes()
    status, said, error = run("rotate-key", data_dir=tmp_path)
    assert status == 0, error
    assert said.startswith("1 key sealed anew")
    assert "Delete talkmeter.key.old" in said
    assert (tmp_path / "talkmeter.key").read_bytes() != before
    assert (tmp_path / "talkmeter.key.old").read_bytes() == before
    with serving(tmp_path) as process:
        assert process.link
    (tmp_path / "talkmeter.key").write_bytes(before)
    status, _, error = run("serve", data_dir=tmp_path)
    assert status == 2
    assert "not the one that sealed" in error


def test_a_lost_key_can_be_forgotten(tmp_path):
    with signed_in(tmp_path) as (process, browser):
        browser.json("POST", "/api/providers", {"name": "a", "base_url": "http://127.0.0.1:9/v1", "key": CANARY})
        process.stop()
    (tmp_path / "talkmeter.key").unlink()
    status, _, error = run("serve", data_dir=tmp_path)
    assert status == 2
    assert "forget-keys" in error
    assert run("forget-keys", data_dir=tmp_path, stdin="n\n")[0] == 130
    assert run("forget-keys", "--yes", data_dir=tmp_path)[1].startswith("1 key removed")
    with serving(tmp_path) as process:
        assert process.link
    with sqlite3.connect(tmp_path / "talkmeter.db") as connection:
        assert connection.execute("SELECT count(*) FROM providers").fetchone() == (1,)


def test_the_doctor_finds_nothing_and_then_something(tmp_path):
    status, said, error = run("doctor", "--port", "0", data_dir=tmp_path / "new")
    assert status == 0, said + error
    assert "BAD" not in said
    with signed_in(tmp_path) as (process, browser):
        browser.json("POST", "/api/providers", {"name": "a", "base_url": "http://127.0.0.1:9/v1", "key": CANARY})
        status, said, _ = run("doctor", data_dir=tmp_path)
        assert status == 0, said
        assert "the server runs at" in said
        assert "1 sealed" in said
        process.stop()
    if os.name == "posix":
        (tmp_path / "talkmeter.key").chmod(0o644)
        status, said, _ = run("doctor", "--port", "0", data_dir=tmp_path)
        assert status == 1
        assert "chmod 600" in said
    (tmp_path / "talkmeter.key").unlink()
    status, said, _ = run("doctor", "--port", "0", data_dir=tmp_path, OPENAI_API_KEY=CANARY)
    assert status == 1
    assert "is missing" in said
    assert CANARY not in said


def test_the_simulator_says_when_it_cannot_start(tmp_path):
    with serving(tmp_path) as process:
        status, said = talkmeter("simulate", "--port", str(process.port))
    assert status == 2
    assert "simulator cannot start" in said
    assert "Traceback" not in said


def test_no_old_key_is_named_where_there_was_none(tmp_path):
    begin(tmp_path)
    status, said, _ = run("rotate-key", data_dir=tmp_path)
    assert (status, said) == (0, "0 keys sealed anew.\n")


def test_a_damaged_database_is_no_copy(tmp_path):
    begin(tmp_path)
    (tmp_path / "talkmeter.db").write_bytes(b"\xaa" * 10_000)
    status, said, _ = run("doctor", "--port", "0", data_dir=tmp_path)
    assert status == 1
    assert f"The database {tmp_path / 'talkmeter.db'} is damaged" in said
    assert "restore the last backup" in said
