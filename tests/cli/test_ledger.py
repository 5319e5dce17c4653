"""`talkmeter usage`, `talkmeter calls export` and `talkmeter routes`."""

import asyncio
import json
import stat
import subprocess
import sys

import pytest
from click.testing import CliRunner

from support.data_dirs import begin
from support.store_values import a_settlement, an_opening
from talkmeter.cli import commands
from talkmeter.metering.cost import Cost
from talkmeter.store import open_store
from talkmeter.store.archive import DATABASE

DAY = 86_400 * 1_000_000


@pytest.fixture
def talkmeter(tmp_path):
    begin(tmp_path)

    def command(*arguments, status=0):
        done = CliRunner().invoke(commands.talkmeter, [*arguments, "--data-dir", str(tmp_path)])
        if done.exception is not None and not isinstance(done.exception, SystemExit) and status == 0:
            raise done.exception
        assert (done.exit_code == 0) == (status == 0), done.output
        return done.stdout if status == 0 else f"{done.exception} {done.output}"

    return command


@pytest.fixture
def calls(talkmeter, tmp_path):
    """Of two days, two users and two keys."""
    user = json.loads(talkmeter("users", "add", "Kim", "--json"))
    made = [json.loads(talkmeter("keys", "create", "app", "--json"))["key"] for _ in range(2)]

    async def write():
        store = await open_store(tmp_path / DATABASE)
        for n, (principal, key) in enumerate([("owner", made[0]), ("owner", made[1]), (user["id"], made[1])]):
            opened = an_opening(
                opened_at=n * DAY // 2,
                principal=principal,
                key_id=key["id"],
                surface="openai",
                model_requested=f"m{n % 2}",
            )
            await store.commit(
                opened, a_settlement(opened, cost=Cost(10**12 * (n + 1)), settled_at=opened.opened_at + 5)
            )
        await store.close()

    asyncio.run(write())
    return made


def test_what_was_used_by_whatever_is_asked(talkmeter, calls):
    said = talkmeter("usage")
    assert [line.split()[:2] for line in said.splitlines()[1:]] == [
        ["1970-01-01", "2"],
        ["1970-01-02", "1"],
        ["all", "3"],
    ]
    assert "6.00" in said.splitlines()[-1]
    by_user = json.loads(talkmeter("usage", "--by", "user", "--json"))
    assert [(row["name"], row["calls"], row["picodollars"]) for row in by_user["rows"]] == [
        ("owner", 2, str(3 * 10**12)),
        ("Kim", 1, str(3 * 10**12)),
    ]
    by_key = json.loads(talkmeter("usage", "--by", "key", "--json"))["rows"]
    assert [(row["id"], row["name"]) for row in by_key] == [(calls[1]["id"], "app"), (calls[0]["id"], "app")]
    assert [row["name"] for row in json.loads(talkmeter("usage", "--by", "provider", "--json"))["rows"]] == [
        "provider_1"
    ]
    assert "m1" not in talkmeter("usage", "--by", "model", "--model", "m0")
    assert talkmeter("usage", "--from", "1971-01-01") == "No calls there.\n"
    assert "1970-01-02" not in talkmeter("usage", "--to", "1970-01-01", "--user", "owner")
    assert "is not a day" in talkmeter("usage", "--from", "soon", status=1)


def test_calls_are_written_to_a_file(talkmeter, calls, tmp_path):
    file = tmp_path / "calls.ndjson"
    assert str(file) in talkmeter("calls", "export", str(file), "--user", "Kim")
    (line,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert (line["user_name"], line["key_name"], line["cost_usd"]) == ("Kim", "app", "3.00")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    talkmeter("calls", "export", str(tmp_path / "calls.csv"))
    assert len((tmp_path / "calls.csv").read_text().splitlines()) == 4
    talkmeter("calls", "export", str(tmp_path / "other"), "--format", "ndjson", "--key", calls[0]["id"])
    assert len((tmp_path / "other").read_text().splitlines()) == 1
    assert not list(tmp_path.glob("*.part"))
    held = file.read_bytes()
    said = talkmeter("calls", "export", str(file), status=2)
    assert "--force replaces it" in said
    assert file.read_bytes() == held
    talkmeter("calls", "export", str(file), "--force")
    assert len(file.read_text().splitlines()) == 3


def test_a_file_that_cannot_be_written_and_a_form_that_there_is_not(talkmeter, calls, tmp_path):
    for place in ("nofolder/x.csv", "a-file/x.csv"):
        (tmp_path / "a-file").touch()
        said = talkmeter("calls", "export", str(tmp_path / place), status=1)
        assert said.startswith("1 Error: Could not open file"), said
    for name in ("x.json", "x.xyz", "x"):
        said = talkmeter("calls", "export", str(tmp_path / name), status=2)
        assert ".csv, .ndjson or .jsonl" in said
        assert not (tmp_path / name).exists()
    talkmeter("calls", "export", str(tmp_path / "x.CSV"))
    talkmeter("calls", "export", str(tmp_path / "y.csv"), "--user", "nobody", status=1)
    assert not list(tmp_path.glob("y.csv*"))


def test_calls_are_written_to_standard_output(talkmeter, calls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = talkmeter("calls", "export", "-", "--format", "ndjson").splitlines()
    assert [json.loads(line)["cost_usd"] for line in lines] == ["3.00", "2.00", "1.00"]
    assert talkmeter("calls", "export", "-").splitlines()[0].startswith("\ufeffid,opened_at,")
    assert not (tmp_path / "-").exists()


def test_a_reader_may_leave_early(calls, tmp_path):
    export = f"{sys.executable} -m talkmeter calls export - --format ndjson --data-dir {tmp_path}"
    done = subprocess.run(["sh", "-c", f"{export} | true"], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize("command", [("usage",), ("calls", "export", "-")])
def test_a_filter_that_is_a_typing_error_is_refused(talkmeter, calls, command):
    for given, says in (
        (("--user", "nobody"), "no such user"),
        (("--key", "nokey"), "no API key 'nokey'"),
        (("--key", "app"), "2 keys are named 'app'"),
        (("--surface", "nonsense"), "is not one of 'web', 'openai'"),
        (("--from", "2026-11-29", "--to", "2026-11-01"), "last is before the first"),
    ):
        said = talkmeter(*command, *given, status=1)
        assert says in said


def test_a_revoked_key_s_calls_are_found_by_its_name(talkmeter, calls):
    talkmeter("keys", "revoke", calls[0]["id"])
    assert json.loads(talkmeter("usage", "--key", "app", "--by", "key", "--json"))["rows"][0]["id"] == calls[1]["id"]
    talkmeter("keys", "create", "old")
    talkmeter("keys", "revoke", "old")
    assert talkmeter("usage", "--key", "old") == "No calls there.\n"
    assert talkmeter("usage", "--user", "local") == "No calls there.\n"
    assert talkmeter("usage", "--user", "KIM") != "No calls there.\n"


def test_routes_are_made_shown_changed_and_deleted(talkmeter, tmp_path):
    assert "No routes yet" in talkmeter("routes", "list")
    assert "fast" in talkmeter("routes", "add", "fast", "simulator/sim-fast", "sim-slow", "--retries", "2")
    talkmeter("routes", "add", "gpt-*", "Simulator/")
    (fast, gpt) = json.loads(talkmeter("routes", "list", "--json"))["routes"]
    assert [target["model"] for target in fast["targets"]] == ["sim-fast", "sim-slow"]
    assert (fast["targets"][0]["provider_id"] is None, fast["retries"]) == (False, 2)
    assert gpt["targets"] == [{"provider_id": fast["targets"][0]["provider_id"], "model": None}]
    assert "Simulator/sim-fast, sim-slow" in talkmeter("routes", "list")
    changed = ("routes", "change", "fast", "org/model", "--disable", "--retries", "0", "--data-dir", str(tmp_path))
    done = CliRunner().invoke(commands.talkmeter, changed)
    assert done.stderr == "Note: no provider is called org, so all of org/model is taken for a model's name.\n"
    assert "org/model" in talkmeter("routes", "list")
    assert " off " in talkmeter("routes", "list")
    talkmeter("routes", "change", fast["id"], "--enable")
    assert "Nothing to change" in talkmeter("routes", "change", "fast", status=1)
    assert "no provider" in talkmeter("routes", "add", "x", "nobody/", status=1)
    assert "without a *" in talkmeter("routes", "add", "star*", "Simulator/x*", status=1)
    assert "already a route" in talkmeter("routes", "add", "fast", "m", status=1)
    assert "is deleted" in talkmeter("routes", "delete", "fast")
    assert "no route" in talkmeter("routes", "delete", "fast", status=1)
    assert len(json.loads(talkmeter("routes", "list", "--json"))["routes"]) == 1


def test_the_simulator_is_called_by_its_name(talkmeter, tmp_path):
    async def write():
        store = await open_store(tmp_path / DATABASE)
        await store.commit(an_opening(provider_id="provider_simulator"))
        await store.close()

    asyncio.run(write())
    (row,) = json.loads(talkmeter("usage", "--by", "provider", "--json"))["rows"]
    assert (row["id"], row["name"]) == ("provider_simulator", "Simulator")
