"""`talkmeter reconcile`: the table for people, and what is said when there is nothing to read it with."""

import json
import time
import urllib.request

import pytest
from click.testing import CliRunner

from support.data_dirs import begin
from support.running import SimulatorProcess
from support.talkmeter_process import run
from talkmeter.cli import commands
from talkmeter.cli.reconcile import dollars

ADMIN = "sk-admin-0123456789abcdefgh"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory):
    with SimulatorProcess(tmp_path_factory.mktemp("simulator") / "bill.jsonl") as made:
        yield made


def today():
    return time.strftime("%Y-%m-%d", time.gmtime())


@pytest.fixture
def reconcile(tmp_path, simulator):
    """(exit status, what is said, the error)"""
    begin(tmp_path)

    def command(*arguments, **env):
        surroundings = {"OPENAI_BASE_URL": simulator.base_url, "OPENAI_ADMIN_KEY": ADMIN} | env
        options = ["reconcile", *arguments, "--data-dir", str(tmp_path)]
        surroundings = {name: value for name, value in surroundings.items() if value is not None}
        done = CliRunner().invoke(commands.talkmeter, options, env={"OPENAI_API_KEY": None, **surroundings})
        return done.exit_code, done.output, done.exception

    return command


def test_an_empty_day_is_equal(reconcile):
    status, said, _ = reconcile("--from", "2026-01-01", "--to", "2026-01-03")
    assert status == 0
    assert "2026-01-01 to 2026-01-03: the ledger and the provider's books are equal" in said
    status, said, _ = reconcile("--from", "2026-01-01", "--json")
    told = json.loads(said)
    assert (status, told["from"], told["to"], told["usage"], told["money"]) == (0, "2026-01-01", "2026-01-01", [], [])


def test_what_came_from_outside_stands_in_the_table(reconcile, simulator):
    body = json.dumps({"model": "sim-fast", "messages": [{"role": "user", "content": "say: a b"}]}).encode()
    headers = {"Content-Type": "application/json", "Authorization": "Bearer sk-another-0123456789"}
    request = urllib.request.Request(f"{simulator.base_url}/chat/completions", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status == 200
    status, said, _ = reconcile("--from", today(), "--lag", "0", "--dry-run")
    assert status == 0, said
    assert "calls from outside" in said
    assert "proj_simulator" in said
    assert "every difference is explained" in said
    status, said, _ = reconcile("--from", today(), "--lag", "0", "--project", "proj_ours", "--json")
    (line,) = json.loads(said)["usage"]
    assert (line["projects"], line["reasons"][0]["names"]) == (["proj_simulator"], ["outside"])


def test_days_that_cannot_be_are_refused(reconcile):
    assert reconcile("--from", "yesterday")[0] == 2
    assert reconcile()[0] == 2
    for last in ("2025-12-31", "2027-06-01"):
        status, said, _ = reconcile("--from", "2026-01-01", "--to", last)
        assert (status, "--to is a day from --from on" in said) == (2, True)


def test_without_an_admin_key_it_says_where_to_put_one(reconcile):
    _, _, error = reconcile("--from", "2026-01-01", OPENAI_ADMIN_KEY=None)
    assert error.code == "no_admin_key"
    assert "OPENAI_ADMIN_KEY" in error.hint
    _, _, error = reconcile("--from", "2026-01-01", "--provider", "provider_environment", OPENAI_ADMIN_KEY=None)
    assert error.code == "no_admin_key"
    _, _, error = reconcile("--from", "2026-01-01", "--provider", "nobody")
    assert error.code == "provider_not_found"
    assert reconcile("--from", "2026-01-01", "--provider", "provider_environment")[0] == 0
    _, _, error = reconcile("--from", "2026-01-01", OPENAI_ADMIN_KEY="sk-no-admin-0123456789")
    assert (error.code, error.details["status"]) == ("books_refused", 403)


def test_of_several_one_must_be_named(tmp_path, reconcile, simulator):
    from talkmeter.accounts.provider_accounts import ProviderAccounts
    from talkmeter.app.administration import opened
    from talkmeter.app.administration import run as running
    from talkmeter.app.wiring import sealer_of
    from talkmeter.config import resolve

    resolved = resolve({"data_dir": str(tmp_path)}, {})

    async def add():
        async with opened(resolved) as store:
            accounts = ProviderAccounts(store, sealer_of(resolved), resolved)
            await accounts.load()
            await accounts.add("Second", simulator.base_url, "sk-0123456789", ADMIN)

    running(add())
    _, _, error = reconcile("--from", "2026-01-01")
    assert error.code == "which_provider"
    assert "Second" in error.hint
    status, said, _ = reconcile("--from", "2026-01-01", "--provider", "Second")
    assert (status, said.startswith("Second, ")) == (0, True)


def test_it_is_a_command_like_the_others(tmp_path):
    status, said, _ = run("reconcile", "--help", data_dir=tmp_path)
    assert status == 0
    assert "--settle / --dry-run" in said


def test_money_is_shown_to_the_picodollar():
    from fractions import Fraction

    assert dollars(Fraction(1_200_000)) == "0.0000012"
    assert dollars(Fraction(-(10**12)), signed=True) == "-1"
    assert dollars(Fraction(1), signed=True) == "+0.000000000001"
    assert dollars(Fraction(1, 3)) == "<0.000000000001"
