"""The log file: whole lines from any number of processes, cut into pieces, none lost."""

import json
import os
import subprocess
import sys

import pytest

from talkmeter.logs.files import SharedFile, piece
from talkmeter.logs.reading import pieces

WRITER = """
import sys
from pathlib import Path
from talkmeter.logs.files import SharedFile

path, name, count = sys.argv[1:]
file = SharedFile(Path(path), 2000, 1000)
for number in range(int(count)):
    file.write('{"who": "%s", "number": %d, "more": "%s"}\\n' % (name, number, "x" * 100))
"""


def texts(path):
    return [file.read_text() for file in pieces(path)]


def test_a_file_is_made_with_its_folder_for_its_owner_only(tmp_path):
    path = tmp_path / "deep" / "a.log"
    file = SharedFile(path, 100, 2)
    file.write("one\n")
    file.close()
    assert path.read_text() == "one\n"
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o600


def test_it_goes_on_in_a_new_piece_and_keeps_so_many(tmp_path):
    path = tmp_path / "a.log"
    file = SharedFile(path, 10, 2)
    for number in range(6):
        file.write(f"line {number}\n")
    file.close()
    assert texts(path) == ["line 3\n", "line 4\n", "line 5\n"]


def test_a_line_longer_than_a_piece_is_whole(tmp_path):
    path = tmp_path / "a.log"
    file = SharedFile(path, 10, 3)
    file.write("x" * 50 + "\n")
    file.write("y" * 50 + "\n")
    file.close()
    assert texts(path) == ["x" * 50 + "\n", "y" * 50 + "\n"]


@pytest.mark.parametrize(("size", "count", "left"), [(0, 5, 6), (10, 0, 1)])
def test_without_a_size_nothing_is_cut_and_without_a_count_nothing_is_kept(tmp_path, size, count, left):
    path = tmp_path / "a.log"
    file = SharedFile(path, size, count)
    for number in range(6):
        file.write(f"line {number}\n")
    file.close()
    assert path.read_text().count("\n") == left
    assert len(pieces(path)) == 1


def test_what_another_program_has_rotated_is_left_to_it(tmp_path):
    path = tmp_path / "a.log"
    file = SharedFile(path, 1000, 2)
    file.write("one\n")
    path.replace(tmp_path / "elsewhere")
    file.write("two\n")
    path.unlink()
    file.write("three\n")
    file.close()
    assert (tmp_path / "elsewhere").read_text() == "one\n"
    assert path.read_text() == "three\n"


def test_processes_that_write_at_once_lose_and_mix_nothing(tmp_path):
    path = tmp_path / "a.log"
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, "300"], stderr=subprocess.PIPE)
        for name in "abc"
    ]
    for process in started:
        assert process.communicate(timeout=120)[1] == b""
    assert len(pieces(path)) > 10
    lines = [json.loads(line) for text in texts(path) for line in text.splitlines()]
    for name in "abc":
        assert [line["number"] for line in lines if line["who"] == name] == list(range(300)), "in their order, too"
    assert all(len(text) < 3000 for text in texts(path)), "a line each may come while it is decided who cuts"


def test_the_newest_piece_has_no_number(tmp_path):
    assert [piece(tmp_path / "a.log", number).name for number in (0, 1, 2)] == ["a.log", "a.log.1", "a.log.2"]
