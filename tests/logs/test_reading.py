"""Reading the log again: every filter alone and together, and following it whatever happens to the file."""

import json

import pytest

from talkmeter.logs.files import SharedFile
from talkmeter.logs.reading import Filter, Follower, for_people, parsed, pieces

CALL = {
    "at": "2026-11-27T07:14:35.570623Z",
    "level": "info",
    "event": "call",
    "call_id": "call_1",
    "run_id": "run_1",
    "surface": "openai",
    "principal": "user_1",
    "model": "gpt-asked",
    "model_served": "gpt-served",
    "outcome": "refused",
    "status": 404,
}
REQUEST = {
    "at": "2026-11-27T08:00:00.000000Z",
    "level": "error",
    "event": "request",
    "request_id": "req_1",
    "surface": "web",
    "status": 500,
}
RUN = {"at": "2026-11-27T09:00:00.000000Z", "event": "run", "run_id": "run_1", "outcome": "failed", "model": "other"}


@pytest.mark.parametrize(
    ("given", "passing"),
    [
        ({}, "crR"),
        ({"surface": "openai"}, "c"),
        ({"principal": "user_1"}, "c"),
        ({"model": "gpt-asked"}, "c"),
        ({"model": "gpt-served"}, "c"),
        ({"model": "gpt"}, ""),
        ({"id": "run_1"}, "cR"),
        ({"id": "call_1"}, "c"),
        ({"id": "req_1"}, "r"),
        ({"event": "run"}, "R"),
        ({"status": "404"}, "c"),
        ({"status": "5xx"}, "r"),
        ({"status": "failed"}, "R"),
        ({"status": "refused"}, "c"),
        ({"status": "4"}, ""),
        ({"since": "2026-11-27T08:00"}, "rR"),
        ({"level": "warning"}, "r"),
        ({"level": "debug"}, "crR"),
        ({"text": "GPT-SERVED"}, "c"),
        ({"text": "nowhere"}, ""),
        ({"id": "run_1", "event": "call", "status": "4xx"}, "c"),
        ({"id": "run_1", "surface": "web"}, ""),
    ],
)
def test_all_filters_that_are_given_must_hold(given, passing):
    wanted = Filter(**given)
    found = {
        name for name, line in zip("crR", (CALL, REQUEST, RUN), strict=True) if wanted.passes(line, json.dumps(line))
    }
    assert found == set(passing)


@pytest.mark.parametrize("raw", ["", "{", '{"at": "x', "[1]", "1", "Traceback (most recent call last):"])
def test_what_is_no_line_is_passed_over(raw):
    assert parsed(raw) is None


def test_people_read_it_without_what_is_missing_and_on_one_line():
    shown = for_people(
        {"at": "2026-11-27T07:14:35.5Z", "level": "info", "event": "call", "cost": None, "model": "a\nb"}
    )
    assert shown == "07:14:35 info call model='a\\nb'"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.log"


def numbered(number):
    return json.dumps({"number": number}) + "\n"


def numbers(follower):
    return [line["number"] for line, _ in follower.new()]


def test_it_begins_with_the_oldest_piece_and_goes_on_with_what_is_added(path):
    file = SharedFile(path, 40, 50)
    for number in range(9):
        file.write(numbered(number))
    assert len(pieces(path)) > 3
    follower = Follower(path, Filter())
    assert numbers(follower) == list(range(9))
    assert numbers(follower) == []
    file.write(numbered(9))
    assert numbers(follower) == [9]
    for number in range(10, 30):  # several rotations between two looks
        file.write(numbered(number))
    assert numbers(follower) == list(range(10, 30))
    file.close()
    follower.close()


def test_a_line_that_is_being_written_is_told_once_it_is_whole(path):
    follower = Follower(path, Filter())
    assert numbers(follower) == [], "there is no file yet"
    with path.open("w") as file:
        file.write(numbered(1) + '{"num')
        file.flush()
        assert numbers(follower) == [1]
        file.write('ber": 2}\n')
        file.flush()
        assert numbers(follower) == [2]
    follower.close()


def test_a_piece_that_is_thrown_away_before_it_was_read_costs_only_its_lines(path):
    file = SharedFile(path, 20, 1)
    file.write(numbered(1))
    follower = Follower(path, Filter())
    assert numbers(follower) == [1]
    for number in range(2, 10):
        file.write(numbered(number))
    assert numbers(follower) == [8, 9]
    file.close()
    follower.close()


def test_a_file_that_another_program_renames_is_read_to_its_end(path):
    file = SharedFile(path, 0, 0)
    file.write(numbered(1))
    follower = Follower(path, Filter())
    assert numbers(follower) == [1]
    file.write(numbered(2))
    path.replace(path.with_name("elsewhere"))
    file.write(numbered(3))
    assert numbers(follower) == [2, 3]
    file.close()
    follower.close()


def test_following_waits_between_looks(path):
    path.write_text(numbered(1))
    follower = Follower(path, Filter())
    waits = []

    def wait(seconds):
        waits.append(seconds)
        with path.open("a") as file:
            file.write(numbered(len(waits) + 1))

    followed = follower.follow(wait)
    assert [next(followed)[0]["number"] for _ in range(3)] == [1, 2, 3]
    assert len(waits) == 2
    follower.close()
