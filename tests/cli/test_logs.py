"""The log of a running server, and `talkmeter logs` that reads it."""

import json
import signal
import subprocess
import sys
import time

import pytest

from support.ports import free_port
from support.talkmeter_process import WAIT, environment, run, serving, signed_in
from talkmeter.logs.files import SharedFile

CANARY = "canary-written-by-a-person"
SECRET = "sk-proj-canary-0123456789"


def lines_of(data_dir, *options):
    status, said, errors = run("logs", "--json", *options, data_dir=data_dir)
    assert status == 0, errors
    return [json.loads(line) for line in said.splitlines()]


def until(condition):
    """What the condition gives, once it is something."""
    ends = time.monotonic() + WAIT
    while not (found := condition()):
        assert time.monotonic() < ends
        time.sleep(0.05)
    return found


def asked(browser, model, text="hello"):
    body = {"model": model, "messages": [{"role": "user", "content": text}]}
    return browser.request("POST", "/v1/chat/completions", body)


@pytest.fixture(scope="module")
def talked(tmp_path_factory):
    """A data directory whose server has seen every kind of end."""
    data_dir = tmp_path_factory.mktemp("logs")
    with signed_in(data_dir, "--log-to", "file", "--simulator-tokens-per-second", "20") as (process, browser):
        finished = browser.ask(CANARY, "c1")
        browser.follow(finished["run_id"])
        stopped = browser.ask("say: one two three four five six seven eight nine ten eleven twelve", "c2")
        browser.wait_for_event(stopped["run_id"], "delta")
        browser.json("POST", f"/api/runs/{stopped['run_id']}/stop", {"mode": "cut"})
        browser.follow(stopped["run_id"])
        assert asked(browser, "sim-fast", "say: " + CANARY)[0] == 200
        assert asked(browser, SECRET)[0] == 404
        gone = f"http://127.0.0.1:{free_port()}/v1"
        browser.json("POST", "/api/providers", {"name": "gone", "base_url": gone, "key": SECRET})
        failed = browser.ask("hello", "c3", room={"model": "elsewhere"})
        browser.follow(failed["run_id"])
        assert browser.request("GET", "/v1/nothing")[0] == 404
        assert browser.request("GET", "/nothing/at/all")[0] == 404
        assert process.stop() == 0
        assert "canary" not in process.output
    return data_dir, {"finished": finished["run_id"], "stopped": stopped["run_id"], "failed": failed["run_id"]}


def test_each_run_has_one_line_with_its_outcome_and_its_call_another(talked):
    data_dir, runs = talked
    for outcome, run_id in runs.items():
        (line,) = lines_of(data_dir, "--event", "run", "--id", run_id)
        assert line["outcome"] == outcome
        assert (line["surface"], line["principal"]) == ("web", "owner")
        assert line["milliseconds"] >= 0
        calls = lines_of(data_dir, "--event", "call", "--id", run_id)
        assert [call["call_id"] for call in calls] == [line["call_id"]]
        assert calls[0]["surface"] == "web"
    (line,) = lines_of(data_dir, "--event", "run", "--id", runs["finished"])
    (call,) = lines_of(data_dir, "--event", "call", "--id", runs["finished"])
    for figure in ("prompt_tokens", "completion_tokens", "cost", "model"):
        assert line[figure] == call[figure], figure
    assert float(line["cost"]) > 0
    (line,) = lines_of(data_dir, "--event", "run", "--id", runs["failed"])
    assert line["error"]


def test_each_call_through_v1_has_one_line_and_what_was_refused_at_the_door_a_request(talked):
    data_dir, _ = talked
    calls = lines_of(data_dir, "--event", "call", "--surface", "openai")
    assert [(call["outcome"], call["status"]) for call in calls] == [("finished", 200), ("refused", 404)]
    (request,) = lines_of(data_dir, "--event", "request", "--surface", "openai")
    assert (request["path"], request["status"], request["code"]) == ("/v1/nothing", 404, "unknown_url")


def test_each_request_of_the_page_has_a_line_with_who_asked(talked):
    data_dir, _ = talked
    (line,) = [each for each in lines_of(data_dir, "--surface", "web", "--status", "4xx") if each["event"] == "request"]
    assert line["path"] == "/nothing/at/all"
    asks = [each for each in lines_of(data_dir, "--event", "request") if each.get("route") == "ask"]
    assert {each["principal"] for each in asks} == {"owner"}


def test_neither_contents_nor_keys_are_in_it(talked):
    data_dir, _ = talked
    assert "canary" not in (data_dir / "talkmeter.log").read_text()


def test_people_read_it_and_filters_work_together(talked):
    data_dir, runs = talked
    status, said, _ = run("logs", "--status", "failed", "--event", "run", "--since", "1h", data_dir=data_dir)
    assert status == 0
    assert said.count("\n") == 1
    assert f"run_id={runs['failed']}" in said
    assert " info run " in said
    assert lines_of(data_dir, "-n", "2", "--event", "run") == lines_of(data_dir, "--event", "run")[-2:]
    assert lines_of(data_dir, "--since", "2999-01-01") == []
    status, _, said = run("logs", "--since", "yesterday", data_dir=data_dir)
    assert status == 2
    assert "neither a duration" in said


def test_without_a_file_it_says_how_to_get_one(tmp_path):
    status, _, said = run("logs", data_dir=tmp_path)
    assert status == 1
    assert "--log-to file" in said


def test_contents_are_logged_where_that_is_said_and_keys_not_even_then(tmp_path):
    with signed_in(tmp_path, "--log-to", "file", "--log-content") as (process, browser):
        asked_run = browser.ask(f"{CANARY} {SECRET}", "c1")
        browser.follow(asked_run["run_id"])
        assert process.stop() == 0
    (line,) = lines_of(tmp_path, "--event", "run")
    assert CANARY in line["messages"][-1]["content"]
    assert line["answer"]
    assert SECRET not in (tmp_path / "talkmeter.log").read_text()


def test_it_follows_across_rotations_until_it_is_interrupted(tmp_path):
    path = tmp_path / "talkmeter.log"
    file = SharedFile(path, 200, 100)
    file.write('{"event": "first"}\n')
    command = [sys.executable, "-m", "talkmeter", "logs", "-f", "--json", "--data-dir", str(tmp_path)]
    before = signal.signal(
        signal.SIGINT, signal.SIG_DFL
    )  # a shell's background jobs, and all that they start, ignore it
    try:
        following = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        assert json.loads(following.stdout.readline())["event"] == "first"
        for number in range(50):
            file.write(json.dumps({"event": "more", "number": number}) + "\n")
        assert [json.loads(following.stdout.readline())["number"] for _ in range(50)] == list(range(50))
        following.send_signal(signal.SIGINT)
        out, errors = following.communicate(timeout=WAIT)
        assert (following.returncode, out, errors) == (0, "", "")
    finally:
        following.kill()
        following.communicate()
        file.close()
    assert (tmp_path / "talkmeter.log.5").exists()


def test_workers_write_to_the_same_file_and_calls_are_told_once(tmp_path):
    small = ("--log-file-bytes", "3000", "--log-file-count", "100", "--simulator-tokens-per-second", "0")
    with signed_in(tmp_path, "--log-to", "file", "--workers", "2", *small) as (process, browser):
        for _ in range(12):
            assert asked(browser, "sim-fast")[0] == 200
            assert browser.request("GET", "/v1/nothing")[0] == 404
        assert process.stop() == 0
    calls = lines_of(tmp_path, "--event", "call")
    assert len({call["call_id"] for call in calls}) == len(calls) == 12
    assert len(lines_of(tmp_path, "--event", "request", "--surface", "openai")) == 12
    assert (tmp_path / "talkmeter.log.1").exists()


def test_lines_go_to_standard_output_where_that_is_said(tmp_path):
    with serving(tmp_path, "--log-to", "stdout", "--log-level", "info") as process:
        assert process.link
        assert process.stop() == 0
    assert process.errors == []


def test_a_log_file_that_cannot_be_written_ends_the_start(tmp_path):
    (tmp_path / "x").write_text("a file")
    with serving(tmp_path, "--log-to", "file", "--log-file", tmp_path / "x" / "a.log") as process:
        assert process.ended() == 2
        assert "a.log" in process.output


def test_what_a_crash_left_open_has_its_lines_after_the_next_start(tmp_path):
    slow = ("--simulator-tokens-per-second", "5", "--log-to", "file")
    with signed_in(tmp_path, *slow) as (process, browser):
        asked_run = browser.ask("say: one two three four five six seven eight nine ten", "c1")
        browser.wait_for_event(asked_run["run_id"], "delta")
        process.stop(signal.SIGKILL)
    with serving(tmp_path, *slow) as process:
        assert process.link
        assert process.stop() == 0
    (call,) = lines_of(tmp_path, "--event", "call")
    assert (call["outcome"], call["surface"], call["run_id"]) == ("interrupted", "web", asked_run["run_id"])
    (line,) = lines_of(tmp_path, "--event", "run")
    assert (line["outcome"], line["call_id"]) == ("interrupted", call["call_id"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--surface", "foo"), "'websocket'"),
        (("--status", "abc"), "finished, stopped"),
        (("--status", "9xx"), "nor one of"),
    ],
)
def test_a_value_that_no_line_can_have_is_named(tmp_path, arguments, said):
    (tmp_path / "talkmeter.log").touch()
    status, _, error = run("logs", *arguments, data_dir=tmp_path)
    assert (status, said in error, arguments[1] in error) == (2, True, True)
