"""`talkmeter serve` as a process: start, sign-in, refusals, and the ways it ends."""

import json
import os
import signal
import socket
import sqlite3
import stat

import pytest

from support.folders import content
from support.ports import free_port
from support.talkmeter_process import Browser, run, serving, signed_in

CANARY = "sk-canary-0123456789abcdef"
posix = pytest.mark.skipif(os.name != "posix", reason="signals and modes of POSIX")


def entries(data_dir):
    with sqlite3.connect(data_dir / "talkmeter.db") as connection:
        return connection.execute("SELECT outcome, provenance FROM ledger_entries").fetchall()


def test_a_fresh_start_signs_one_browser_in(tmp_path):
    data_dir = tmp_path / "deep" / "data"
    with serving(data_dir) as process:
        browser = Browser(process.port)
        assert browser.json("GET", "/api/session")["signed_in"] is False
        assert browser.request("GET", "/api/bootstrap")[0] == 401
        assert browser.sign_in(process.link) == (303, "/")
        start = browser.json("GET", "/api/bootstrap")
        assert start["simulator"] is True
        assert start["settings"]["default_model"] == "sim-fast"
        assert browser.request("GET", "/")[0] == 200
        assert browser.request("GET", "/healthz")[2] == b"ok"
        assert Browser(process.port).sign_in(process.link) == (303, "/?sign_in=expired")
        assert process.wait_for("not a real model")
        assert process.stop() == 0
    assert "Traceback" not in process.output
    if os.name == "posix":
        assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE((data_dir / "talkmeter.db").stat().st_mode) == 0o600


def test_both_loopback_addresses_answer_on_one_port(tmp_path):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        hosts = ["127.0.0.1"]
    else:
        hosts = ["127.0.0.1", "::1"]
    with serving(tmp_path) as process:
        for host in hosts:
            assert Browser(process.port, host).request("GET", "/healthz")[0] == 200
        with sqlite3.connect(tmp_path / "talkmeter.db") as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_chat_is_kept_and_metered_over_a_restart(tmp_path):
    with signed_in(tmp_path, "--simulator-tokens-per-second", "0") as (process, browser):
        asked = browser.ask("안녕하세요", "c1")
        assert "event: finished" in browser.follow(asked["run_id"])
        cookie = browser.cookie
        assert process.stop() == 0
    assert entries(tmp_path) == [("finished", "reported")]
    with serving(tmp_path) as process:
        browser = Browser(process.port)
        browser.cookie = cookie
        room = browser.json("GET", f"/api/rooms/{asked['room']['id']}")
        assert [message["role"] for message in room["messages"]] == ["user", "assistant"]
        assert room["totals"]["calls"] == 1


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_settles_what_runs_and_leaves_nothing_open(tmp_path, number):
    slow = ("--simulator-tokens-per-second", "5", "--shutdown-seconds", "0.2")
    with signed_in(tmp_path, *slow) as (process, browser):
        asked = browser.ask("Tell me a long story", "c1")
        browser.wait_for_event(asked["run_id"], "started")
        process.stop(number)
        assert process.popen.returncode == 0
    assert [outcome for outcome, _ in entries(tmp_path)] == ["interrupted"]
    with serving(tmp_path) as process:
        again = Browser(process.port)
        again.cookie = browser.cookie
        messages = again.json("GET", f"/api/rooms/{asked['room']['id']}")["messages"]
        assert [message["status"] for message in messages] == ["complete", "interrupted"]


@posix
def test_a_second_signal_ends_at_once_and_the_next_start_settles(tmp_path):
    slow = ("--simulator-tokens-per-second", "5", "--shutdown-seconds", "3600")
    with signed_in(tmp_path, *slow) as (process, browser):
        browser.wait_for_event(browser.ask("Tell me a long story", "c1")["run_id"], "started")
        process.popen.send_signal(signal.SIGINT)
        process.wait_for("Stopping")
        assert process.stop(signal.SIGINT) == 128 + signal.SIGINT
    assert entries(tmp_path) == [(None, None)]
    with serving(tmp_path) as process:
        assert process.link
        assert process.stop() == 0
    assert [outcome for outcome, _ in entries(tmp_path)] == ["interrupted"]


def test_a_busy_port_is_said_clearly(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, _, error = run("serve", "--port", port, data_dir=tmp_path)
    assert status == 2
    assert f"Port {port}" in error
    assert "--port" in error
    assert "Traceback" not in error


def test_two_servers_do_not_share_a_data_directory(tmp_path):
    with serving(tmp_path) as process:
        port = process.port
        status, _, error = run("serve", "--port", "0", data_dir=tmp_path)
        assert status == 2
        assert str(port) in error
        assert "talkmeter link" in error


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_beyond_this_machine_only_with_a_password_and_on_purpose(tmp_path, host):
    status, _, error = run("serve", "--port", "0", "--host", host, data_dir=tmp_path)
    assert status == 2
    assert "no password is set" in error
    assert run("password", data_dir=tmp_path, stdin="correct horse\n")[0] == 0
    status, _, error = run("serve", "--port", "0", "--host", host, data_dir=tmp_path)
    assert status == 2
    assert "--allow-insecure" in error


def test_an_address_that_is_not_ours_is_said_clearly(tmp_path):
    run("password", data_dir=tmp_path, stdin="correct horse\n")
    status, _, error = run("serve", "--host", "192.0.2.1", "--allow-insecure", data_dir=tmp_path)
    assert status == 2
    assert "cannot listen on 192.0.2.1" in error


@pytest.mark.parametrize(
    ("arguments", "env", "said"),
    [
        (["--port", "x"], {}, "port"),
        ([], {"TALKMETER_THEME": "blue"}, "TALKMETER_THEME"),
        ([], {"OPENAI_BASE_URL": "nonsense"}, "nonsense"),
        ([], {"OPENAI_BASE_URL": "http://user:canary@x/v1"}, "a user name or password cannot be in it"),
        ([], {"OPENAI_BASE_URL": "ftp://user:canary@x/v1"}, "must begin with http"),
        (["--websocket-port", "8640"], {}, "port and websocket_port are both 8640"),
        (["--port", "22499", "--grpc-port", "22499"], {}, "port and grpc_port are both 22499"),
        (["--default-provider-id", "nope"], {}, "the id of a provider: provider_simulator"),
        ([], {"TALKMETER_ENCRYPTION_KEY": "c2hvcnQ="}, "encryption key"),
        (["--config", "absent.toml"], {}, "does not exist"),
        ([], {"TALKMETER_DATABASE_URL": "mysql://u:canary@h/d"}, "database URL"),
    ],
)
def test_a_setting_that_cannot_be_ends_the_start_with_status_2(tmp_path, arguments, env, said):
    status, _, error = run("serve", *arguments, data_dir=tmp_path, **env)
    assert status == 2
    assert said in error
    assert ".." not in error.replace("...", "")
    assert "canary" not in error
    assert "Traceback" not in error


def test_errors_are_korean_for_who_reads_korean(tmp_path):
    error = run("serve", "--port", "x", data_dir=tmp_path, LANG="ko_KR.UTF-8")[2]
    assert "설정 port" in error


def test_a_misspelt_variable_is_pointed_out(tmp_path):
    assert "TALKMETER_PORT" in run("link", data_dir=tmp_path, TALKMETER_PROT="1")[2]


def test_a_data_directory_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    status, _, error = run("serve", data_dir=tmp_path / "file" / "data")
    assert status == 2
    assert "cannot be used" in error


def test_a_provider_key_is_in_no_output_and_in_no_file(tmp_path):
    absent = f"http://127.0.0.1:{free_port()}/v1"
    env = {"OPENAI_API_KEY": CANARY, "OPENAI_BASE_URL": absent, "TALKMETER_LOG_LEVEL": "debug"}
    with signed_in(tmp_path, **env) as (process, browser):
        seen = [browser.request("GET", path)[2] for path in ("/api/bootstrap", "/api/providers", "/metrics", "/")]
        stored = browser.json("POST", "/api/providers", {"name": "second", "base_url": absent, "key": CANARY + "-2"})
        seen += [json.dumps(stored).encode(), browser.request("POST", f"/api/providers/{stored['id']}/test", {})[2]]
        asked = browser.ask("hello", "c1", room={"model": "m"})
        events = browser.follow(asked["run_id"])
        assert "event: failed" in events
        assert "could not be reached" in events
        assert process.stop() == 0
    everything = b"\n".join([*seen, events.encode(), process.output.encode(), *content(tmp_path).values()])
    assert CANARY.encode() not in everything
    assert b"cdef" in everything, "its last four characters may be shown"


def test_a_settings_file_in_the_data_directory_counts(tmp_path):
    (tmp_path / "talkmeter.toml").write_text('default_model = "sim-korean"\n')
    with signed_in(tmp_path) as (_, browser):
        answer = browser.json("GET", "/api/settings")
    assert answer["settings"]["default_model"] == "sim-korean"
    assert answer["locked"] == {"default_model": "file"}


def test_deleting_the_database_makes_a_new_one(tmp_path):
    with serving(tmp_path) as process:
        assert process.link
        process.stop()
    for path in tmp_path.glob("talkmeter.db*"):
        path.unlink()
    with signed_in(tmp_path) as (_, browser):
        assert browser.json("GET", "/api/rooms")["total"] == 0


def own_address():
    """One of this machine that is not loopback's, or loopback's second where there is none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.2"


def test_others_sign_in_at_the_address_that_is_listened_on(tmp_path):
    address = own_address()
    assert run("password", data_dir=tmp_path, stdin="correct horse 배터리\n")[0] == 0
    with serving(tmp_path, "--host", address, "--allow-insecure") as process:
        assert f"//{address}:" in process.link
        browser = Browser(process.port, address)
        assert browser.sign_in(process.link) == (303, "/")
        assert browser.request("GET", "/")[0] == 200
        assert browser.request("POST", "/api/sign-in", {"password": "correct horse 배터리"})[0] == 204
        assert "--allowed-hosts" not in process.output


def test_on_all_addresses_the_start_and_the_doctor_say_which_name_is_missing(tmp_path):
    address = own_address()
    assert run("password", data_dir=tmp_path, stdin="correct horse 배터리\n")[0] == 0
    everywhere = ("--host", "0.0.0.0", "--allow-insecure")
    with serving(tmp_path, *everywhere) as process:
        process.wait_for("--allowed-hosts")
        browser = Browser(process.port, address)
        assert browser.request("GET", "/healthz")[0] == 200
        status, _, body = browser.request("GET", "/")
        assert (status, f"--allowed-hosts {address}" in json.loads(body)["error"]["hint"]) == (421, True)
    assert "Set allowed_hosts" in run("doctor", "--host", "0.0.0.0", "--port", "0", data_dir=tmp_path)[1]
    with serving(tmp_path, *everywhere, "--allowed-hosts", address) as process:
        assert Browser(process.port, address).sign_in(process.link) == (303, "/")
        assert "names " not in process.output
    named = ("doctor", "--host", "0.0.0.0", "--port", "0", "--allowed-hosts", address)
    assert "Set allowed_hosts" not in run(*named, data_dir=tmp_path)[1]
