"""TLS with workers: each does its own handshakes; what is said to the page goes on to the main process."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from support.certificates import Authority, Files
from support.talkmeter_process import WAIT, serving, signed_in

ASKED = {"model": "sim-fast", "messages": [{"role": "user", "content": "say: 하나 둘"}]}


@pytest.fixture
def authority():
    return Authority()


@pytest.fixture
def options(tmp_path, authority):
    return [*Files(tmp_path, authority).options, "--workers", "2"]


def workers(process):
    pid = process.popen.pid
    found = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [one for one in found if b"worker" in Path(f"/proc/{one}/cmdline").read_bytes().split(b"\0")]


def asked(connection, method, path, body=None, **headers):
    data = None if body is None else json.dumps(body)
    connection.request(method, path, data, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_programs_and_the_page_in_turn_on_one_connection(tmp_path, options, authority):
    with signed_in(tmp_path / "d", *options, context=authority.trusting()) as (process, browser):
        for _ in range(6):  # so that either worker had its share
            connection = browser.connect()
            assert asked(connection, "GET", "/v1/models")[0] == 200
            assert asked(connection, "POST", "/v1/chat/completions", ASKED)[0] == 200
            assert asked(connection, "GET", "/healthz") == (200, b"ok")
            assert asked(connection, "GET", "/metrics")[0] == 200, "the client's own address has come along"
            assert asked(connection, "GET", "/v1/models")[0] == 200
            connection.close()
        script = browser.request("GET", "/")[2]
        assert b"<!doctype html>" in script.lower()
        assert process.stop() == 0


def test_much_goes_through_in_both_directions(tmp_path, options, authority):
    with signed_in(tmp_path / "d", *options, context=authority.trusting()) as (_, browser):
        text = "hello " * 60_000
        run = browser.ask(text, "c1")
        assert "event: finished" in browser.follow(run["run_id"])
        room = browser.json("GET", f"/api/rooms/{run['room']['id']}")
        assert text.strip() in json.dumps(room, ensure_ascii=False)


def test_an_answer_that_is_followed_ends_with_the_stop(tmp_path, options, authority):
    slow = ("--simulator-tokens-per-second", "8", "--shutdown-seconds", "60")
    with signed_in(tmp_path / "d", *options, *slow, context=authority.trusting()) as (process, browser):
        run = browser.ask("say: one two three four five six seven eight nine ten", "c1")
        browser.wait_for_event(run["run_id"], "delta")
        connection = browser.connect()
        connection.request("GET", f"/api/runs/{run['run_id']}/events", headers={"Cookie": browser.cookie})
        answer = connection.getresponse()
        answer.readline()
        assert process.stop() == 0
        assert b"event: finished" in answer.read(), "it was given its time"
        connection.close()


def test_while_workers_are_dead_the_main_process_speaks_tls(tmp_path, options, authority):
    with signed_in(tmp_path / "d", *options, context=authority.trusting()) as (process, browser):
        victims = workers(process)
        assert len(victims) == 2
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + WAIT
        while True:
            try:
                connection = browser.connect()
                assert asked(connection, "GET", "/v1/models")[0] == 200
                assert asked(connection, "GET", "/healthz")[0] == 200
                break
            except OSError:  # that connection was a dead worker's
                assert time.monotonic() < until
            finally:
                connection.close()


def test_new_files_are_taken_up_by_every_worker(tmp_path, authority):
    files = Files(tmp_path, authority)
    with serving(tmp_path / "d", *files.options, "--workers", "2") as process:
        assert process.link
        files.renew("localhost", "new.example")
        until = time.monotonic() + WAIT
        while sum("tls_reloaded" in line for line in process.errors) < 3:
            assert time.monotonic() < until, process.output
            time.sleep(0.05)
