"""A data directory read without Talkmeter, and its ledger held against the simulator's bill."""

import json
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

DATABASE = "talkmeter.db"
FIGURES = ("prompt_tokens", "completion_tokens")
PIECES = ("characters", "seconds", "images")
BILLED = (*FIGURES, *PIECES)
REPORTED = ("reported", "drained", "reconciled")


@contextmanager
def reading(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """The database, read only; a server may run on it."""
    with closing(sqlite3.connect(f"{(data_dir / DATABASE).as_uri()}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


@contextmanager
def reading_a_copy(data_dir: Path, to: Path) -> Iterator[sqlite3.Connection]:
    """The database as a dead process left it. Opening the original would replay its log before Talkmeter does."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    for name in (DATABASE, f"{DATABASE}-wal"):
        if (data_dir / name).exists():
            shutil.copyfile(data_dir / name, to / name)
    with closing(sqlite3.connect(to / DATABASE)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


def rows(connection: sqlite3.Connection, statement: str, *values: Any) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(statement, values)]


def entries(data_dir: Path) -> dict[str, dict[str, Any]]:
    """Every ledger entry by its id."""
    with reading(data_dir) as connection:
        return {row["id"]: row for row in rows(connection, "SELECT * FROM ledger_entries")}


def unfinished(data_dir: Path) -> int:
    """How many answers are being written or wait."""
    with reading(data_dir) as connection:
        return rows(connection, "SELECT count(*) n FROM runs WHERE status IN ('queued', 'running')")[0]["n"]


def check_sound(connection: sqlite3.Connection) -> None:
    assert rows(connection, "PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert rows(connection, "PRAGMA foreign_key_check") == []


def check_costs(ledger: Iterable[dict[str, Any]]) -> int:
    """Each entry's cost is the sum of its lines, and each line is quantity × price; how many had a cost."""
    costed = 0
    for entry in ledger:
        if entry["cost_picodollars"] is None:
            continue
        costed += 1
        lines = json.loads(entry["cost_lines"])
        assert entry["cost_picodollars"] == sum(line["picodollars"] for line in lines)
        for line in lines:
            assert line["picodollars"] * line["per"] == line["quantity"] * line["picodollars_per"]
    return costed


def check_budgets(connection: sqlite3.Connection) -> int:
    """Every budget has counted exactly what the ledger says that its calls reserve and have spent; how many periods."""
    expected: dict[tuple[str, int], list[int]] = {}
    for entry in rows(connection, "SELECT * FROM ledger_entries WHERE reservations IS NOT NULL"):
        tokens = [entry[name] for name in FIGURES]
        for item in json.loads(entry["reservations"])["budgets"]:
            known = (
                entry["cost_picodollars"] if item["unit"] == "picodollars" else None if None in tokens else sum(tokens)
            )
            counted = expected.setdefault((item["budget_id"], item["period_start"]), [0, 0])
            if entry["state"] == "open":
                counted[1] += item["amount"]
            else:
                counted[0] += item["amount"] if known is None else known
    found = rows(connection, "SELECT * FROM budget_periods")
    assert {(one["budget_id"], one["period_start"]): [one["spent"], one["reserved"]] for one in found} == expected
    return len(expected)


def check_equal(ledger: dict[str, dict[str, Any]], bill: dict[str, dict[str, Any]]) -> None:
    """The contract where nothing could get lost: the same calls, settled, and the same figures in each."""
    assert {id_ for id_, entry in ledger.items() if entry["state"] != "settled"} == set()
    assert set(ledger) == set(bill)
    for id_, entry in ledger.items():
        row = bill[id_]
        assert [entry[name] for name in FIGURES] == [row[name] for name in FIGURES], (
            f"{id_}: {entry['outcome']}, {entry['provenance']}; {row['outcome']}"
        )
    for name in FIGURES:
        assert sum(entry[name] for entry in ledger.values()) == sum(row[name] for row in bill.values())


def check_billed(
    ledger: dict[str, dict[str, Any]],
    bill: dict[str, dict[str, Any]],
    *,
    unknown: bool = False,
    at_most: bool = False,
    unseen: bool = False,
    cut_words: int = 0,
) -> None:
    """The gateway's contract: one settled entry for every request that the upstream saw, with the bill's figures.

    A figure that does not apply to a call is missing on our side and 0 on the bill; of calls that are billed by tokens
    only these are compared, and of what nobody bills nothing. unknown: entries may say so.
    at_most: what was not reported may be less than the bill, never more. unseen: entries may be of calls that never
    got through; then they say no more than that. cut_words: by how many tokens an answer that was cut may come to more
    than the longer one on the bill: in the middle of a word a text can have a token more than with all of it.
    """
    assert {id_ for id_, entry in ledger.items() if entry["state"] != "settled"} == set(), "open entries"
    assert set(bill) <= set(ledger), "requests without an entry"
    for id_ in set(ledger) - set(bill):
        assert unseen, f"{id_} has no row on the bill: {ledger[id_]}"
        assert not any(ledger[id_][name] for name in BILLED), f"{id_} was never seen: {ledger[id_]}"
    for id_, row in bill.items():
        entry = ledger[id_]
        told = (
            f"{id_} {entry['endpoint']} {row['model']} {row['fault']}: {entry['outcome']}, {entry['provenance']}, "
            f"{[entry[name] for name in BILLED]}; the bill: {row['outcome']}, {[row[name] for name in BILLED]}"
        )
        if entry["provenance"] == "unknown":
            assert unknown or not any(row[name] for name in BILLED), told
            assert not any(entry[name] for name in BILLED), told
        elif entry["billing"] == "nothing":
            assert entry["cost_picodollars"] == 0, told
        else:
            by_tokens = entry["billing"] == "tokens" or entry["prompt_tokens"] is not None
            names = FIGURES if by_tokens else PIECES
            if at_most and entry["provenance"] not in REPORTED:
                slack = cut_words if row["completion_tokens"] else 0
                assert (entry[names[0]] or 0) <= row[names[0]], told
                assert all((entry[name] or 0) <= row[name] + slack for name in names[1:]), told
            else:
                assert [entry[name] or 0 for name in names] == [row[name] for name in names], told
