"""The pure parts of benchmarks/gateway.py: what it calls complete, what it calls a percentile, how its table looks."""

import math
import os
import shutil
import sys
from array import array
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))  # last: nothing of ours is hidden by it

from gateways import committing, report, words
from gateways.checking import StreamCheck, difference, percentile
from gateways.measuring import Bench, Phase, Target, _next
from gateways.processes import FakeUpstream
from gateways.targets import Gateway

EVENTS = 5


def a_stream(numbers=range(EVENTS), ending=None):
    events = b"".join(words.event(number, 1_000) for number in numbers)
    return words.OPENING + events + (words.ending(480, 200) if ending is None else ending)


def checked(body, size=10**6):
    delays = array("q")
    check = StreamCheck(EVENTS, delays)
    for begin in range(0, len(body), size):
        check.feed(body[begin : begin + size], 3_000)
    return check, delays


@pytest.mark.parametrize("size", [1, 7, 100, 355, 10**6])
def test_a_stream_is_complete_however_it_is_cut(size):
    check, delays = checked(a_stream(), size)

    assert check.problem(200, ended=True) == ""
    assert list(delays) == [2_000] * EVENTS


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (a_stream([0, 1, 2, 4, 3]), "events out of order"),
        (a_stream([0, 1, 1, 2, 3, 4]), "events out of order"),
        (a_stream([0, 1, 2, 3]), "events missing"),
        (a_stream(ending=words.DONE), "no finish"),
        (a_stream(ending=words.FINISH + words.DONE), "no usage"),
        (a_stream().removesuffix(words.DONE), "no [DONE]"),
    ],
)
def test_what_is_missing_has_a_name(body, problem):
    assert checked(body)[0].problem(200, ended=True) == problem


def test_a_stream_that_breaks_off_is_not_complete():
    assert checked(a_stream())[0].problem(200, ended=False) == "not ended"
    assert checked(b"")[0].problem(503, ended=True) == "status 503"


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.5, 50), (0.51, 51), (0.95, 95), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_percentiles_of_one_to_a_hundred(share, value):
    assert percentile(list(range(100, 0, -1)), share) == value


def test_no_values_have_no_percentile():
    assert math.isnan(percentile([], 0.5))


def test_the_difference_counts_calls_that_only_one_side_has():
    bill = {(480, 200): 3, (481, 201): 1}

    assert difference(bill, dict(bill)) == 0
    assert difference(bill, {(480, 200): 2, (481, 202): 1}) == 3


@pytest.mark.parametrize(
    ("value", "base", "bound", "shown"),
    [
        (41.0, 20.5, False, "41.0 µs (2×)"),
        (20.5, 20.5, False, "20.5 µs"),
        (41.0, math.nan, False, "41.0 µs"),
        (60_000, 20_000, True, "≥ 60,000 µs (3×)"),
        (math.nan, 20.5, False, "–"),
    ],
)
def test_a_cell_has_its_ratio_to_nginx(value, base, bound, shown):
    assert report.cell(value, "µs", base, bound=bound) == shown


def test_the_result_replaces_what_stood_between_the_marks(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"above\n{report.BEGIN}\nold\n{report.END}\nbelow\n", encoding="utf-8")

    report.put_between_marks(page, r"new \1")

    assert page.read_text(encoding="utf-8") == f"above\n{report.BEGIN}\n\nnew \\1\n\n{report.END}\nbelow\n"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ValueError, match="gateways: begin"):
        report.put_between_marks(page, "new")


@pytest.mark.parametrize("real", [3, 17, 90, 255, 256, 300, 511, 700, 1023, 1024, 5000])
def test_the_search_for_the_most_streams_comes_near_and_ends(real):
    good, bad, tried, steps = 0, 0, 256, 0
    while tried:
        good, bad = (tried, bad) if tried <= real else (good, tried)
        tried = _next(good, bad, 1024)
        steps += 1

    assert steps <= 7
    assert good <= real
    if real < 16:
        assert good == 0
    else:
        assert good >= min(real, 1024) * 0.75


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists() or not shutil.which("taskset"), reason="Linux only")
@pytest.mark.parametrize("phase", [Phase("plain", 3), Phase("flood", 3, 20), Phase("paced", 3, 4, 5, spread=0.1)])
def test_load_and_upstream_agree_about_what_was_done(tmp_path, phase):
    core = min(os.sched_getaffinity(0))
    with FakeUpstream(tmp_path, core) as upstream:
        direct = Target(Gateway("direct", "", "", upstream, upstream.port), upstream)
        seen = Bench(core, core, 0.0).run(direct, phase)

    assert seen.load["problems"] == {}
    assert seen.load["done"] == sum(direct.bill.values()) == 3
    assert seen.load["events"] == 3 * phase.events
    assert seen.cpu > 0


def test_commits_are_measured_on_the_disk_and_said(tmp_path):
    seconds = committing.commit_times(tmp_path, 5)
    assert len(seconds) == 5
    assert all(each > 0 for each in seconds)
    assert len(committing.commit_times(tmp_path, 2)) == 2, "again in the same folder"
    assert report.of_commits([0.00025] * 100) == "p50 0.25 ms, p99 0.25 ms"
    assert report.of_commits([]) == "not measured"
