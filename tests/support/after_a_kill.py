"""What must hold once a killed gateway runs again: entry by entry against the bill, and budgets against the entries."""

import json
from dataclasses import dataclass, field
from typing import Any

from support import books
from support.houses import House

# Nobody but the provider knows what these come to, unless it says so.
UNKNOWABLE = ("images/", "audio/")
CUT_WORDS = 3  # one in each of up to three choices


@dataclass
class Found:
    """What all checks together have met, to prove that they met something."""

    calls: int = 0
    reported: int = 0
    interrupted: int = 0
    kept: int = 0  # interrupted, with text that had been kept
    unseen: int = 0  # opened, and killed before the upstream heard of it
    lost_seconds: list[float] = field(default_factory=list)  # of interrupted streams: written, and not in the ledger

    def check(self, house: House, bill: dict[str, dict[str, Any]], told: set[str]) -> None:
        """told: the calls that clients have heard of. The server has started again and nobody has asked it yet."""
        ledger = house.new_entries()
        assert told <= set(ledger), "clients were told of calls that have no entry"
        books.check_billed(ledger, bill, unknown=True, at_most=True, unseen=True, cut_words=CUT_WORDS)
        books.check_costs(ledger.values())
        for id_, entry in ledger.items():
            self._check_entry(entry, bill.get(id_))
        check_rest(house, ledger)
        self.calls += len(ledger)

    def _check_entry(self, entry: dict[str, Any], row: dict[str, Any] | None) -> None:
        told = f"{ {name: entry[name] for name in entry if entry[name] is not None} }\nthe bill: {row}"
        if entry["provenance"] in books.REPORTED:
            self.reported += 1
            assert row is not None, told
            assert entry["raw_usage"] is not None, told
        elif entry["outcome"] == "interrupted":
            self._check_interrupted(entry, row, told)
        elif entry["provenance"] == "unknown":
            excused = entry["http_status"] is None or entry["endpoint"].startswith(UNKNOWABLE)
            assert excused, told
        elif row is not None and row["status"] == 200 and entry["billing"] == "tokens":
            assert entry["prompt_tokens"] == row["prompt_tokens"], told
            if entry["outcome"] == "finished":
                assert entry["completion_tokens"] == row["completion_tokens"], told

    def _check_interrupted(self, entry: dict[str, Any], row: dict[str, Any] | None, told: str) -> None:
        """Either its text was kept, and is counted, or nothing is claimed."""
        self.interrupted += 1
        self.unseen += row is None
        written = row["completion_tokens"] if row is not None and row["stream"] else 0
        if entry["provenance"] == "unknown":
            assert [entry[name] for name in books.FIGURES] == [None, None], told
            assert entry["cost_picodollars"] == (0 if entry["billing"] == "nothing" else None), told
        else:
            self.kept += 1
            assert entry["provenance"] in ("counted", "estimated"), told
            assert entry["completion_tokens"] > 0, told
            assert row is not None, told
            assert row["status"] == 200, told
            assert entry["prompt_tokens"] == row["prompt_tokens"], told
            written = max(0, written - entry["completion_tokens"])
        speed = int(entry["model_requested"].partition("@")[2] or 0)
        if speed and written:
            self.lost_seconds.append(written / speed)


def check_rest(house: House, new: dict[str, dict[str, Any]]) -> None:
    """Nothing is open, reserved or kept any more, and every budget has counted what its calls came to."""
    assert house.rows("SELECT id FROM ledger_entries WHERE state = 'open'") == []
    assert house.rows("SELECT entry_id FROM partial_texts") == [], "texts of settled entries are forgotten"
    for entry in new.values():
        for item in json.loads(entry["reservations"] or "{}").get("budgets", ()):
            tokens = [entry[name] for name in books.FIGURES]
            known = None if None in tokens else sum(tokens)
            if item["unit"] == "picodollars":
                known = entry["cost_picodollars"]
            key = item["budget_id"], item["period_start"]
            house.counted[key] = house.counted.get(key, 0) + (item["amount"] if known is None else known)
    found = house.rows("SELECT budget_id, period_start, spent, reserved FROM budget_periods")
    assert {(one["budget_id"], one["period_start"]): (one["spent"], one["reserved"]) for one in found} == {
        key: (spent, 0) for key, spent in house.counted.items()
    }
    over = house.rows(
        "SELECT name, amount, spent FROM budgets JOIN budget_periods ON budget_id = budgets.id "
        "WHERE spent > amount AND name <> 'everything'"
    )
    assert over == []
