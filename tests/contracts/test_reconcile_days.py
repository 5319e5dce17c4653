"""The ledger against the provider's books over several days, with everything that can make them differ at once.

Days pass by moving what both have on record into the past, while neither is running.
"""

import json
import sqlite3
import time

import pytest

from support.reconcile_desk import Desk, day

DAYS = 3
DAY = 86_400_000_000  # µs
MODELS = ("sim-fast", "sim-reasoning", "sim-korean")
TIERS = ("default", "flex", "priority")


def differing(report):
    """(day, model) → (requests that the books have more, names of the reasons)."""
    found = {}
    for line in report["usage"]:
        if line["difference"]:
            more, names = found.get((line["day"], line["model"]), (0, set()))
            more += line["difference"].get("requests", 0)
            found[line["day"], line["model"]] = (more, names | {n for one in line["reasons"] for n in one["names"]})
    return found


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    made.close()


def a_night_passes(desk):
    """All that is on record was a day earlier."""
    desk.close()
    with sqlite3.connect(desk.data_dir / "talkmeter.db") as ledger:
        ledger.execute(
            "UPDATE ledger_entries SET opened_at = opened_at - ?1, settled_at = settled_at - ?1, "
            "first_byte_at = first_byte_at - ?1",
            (DAY,),
        )
    ledger.close()
    rows = [json.loads(line) for line in desk.bill_file.read_text().splitlines()]
    for row in rows:
        for name in ("at", "ended_at"):
            if row.get(name) is not None:
                row[name] -= DAY
    desk.bill_file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    desk.open()


def a_day(desk, number):
    for model in MODELS:
        for tier in TIERS:
            assert desk.chat(model, f"say: {'word ' * (number + 2)}", service_tier=tier)[0] == 200
    for _ in range(number):
        assert desk.chat("sim-fast", outside=True)[0] == 200
    desk.chat("sim-fault-no-usage@901", stream=True)
    desk.chat("sim-fault-cut-400@902", stream=True)
    if number == 1:
        desk.chat("sim-fault-no-usage@903", stream=True)
        desk.chat("sim-fault-no-usage@903", stream=True, outside=True)


def test_every_difference_of_several_days_has_its_reason(desk):
    for number in range(DAYS):
        if number:
            a_night_passes(desk)
        a_day(desk, number)
    waiting = desk.leave("sim-slow@0", gate=True)
    status, report = desk.reconcile("--from", day(DAYS - 1), "--to", day(0))
    assert (status, report["explained"]) == (0, True), report
    assert {line["day"] for line in report["usage"]} == {day(ago) for ago in range(DAYS)}
    assert {line["tier"] for line in report["usage"]} == {"standard", "flex", "priority"}
    found = differing(report)
    assert found[day(1), "sim-fast"] == (1, {"outside"})
    assert found[day(0), "sim-fast"] == (2, {"outside"})
    assert found[day(1), "sim-fault-no-usage@903"] == (1, {"counted", "outside"})
    assert found[day(0), "sim-slow@0"][1] == {"open"}
    assert set(found) <= {
        (day(1), "sim-fast"), (day(0), "sim-fast"), (day(1), "sim-fault-no-usage@903"), (day(0), "sim-slow@0"),
    }  # fmt: skip
    for line in report["money"]:
        differs = int(line["difference_picodollars"])
        assert differs == sum(int(reason["picodollars"]) for reason in line["reasons"]), line
    desk.simulator.step(1_000)
    waiting.close()
    until = time.monotonic() + 60
    while any("open" in names for _, names in differing(desk.reconcile("--from", day(0))[1]).values()):
        assert time.monotonic() < until, "an entry stays open"
    status, settled = desk.reconcile("--from", day(DAYS - 1), "--to", day(0), "--settle")
    assert (status, settled["explained"]) == (0, True)
    # What a stranger's call lies beside is not decided; the rest is, on each day.
    assert settled["not_settled"] == {"outside": 1}
    assert {one["model"] for one in settled["settled"]} >= {"sim-fault-no-usage@901", "sim-fault-cut-400@902"}
