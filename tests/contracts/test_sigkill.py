"""Killed by SIGKILL at a random moment, again and again, mid-stream: nothing acknowledged is lost, nothing uncounted.

    python -m pytest tests/contracts/test_sigkill.py                        # 50 kills
    TALKMETER_KILLS=500 python -m pytest tests/contracts/test_sigkill.py    # some ten minutes
    TALKMETER_SEED=7 …                                                      # the same choices as the run that printed 7

Two servers, each with a data directory of its own, answer several rooms at once from one simulator. Each is killed,
started again on the same data and asked on; sometimes it is killed while it starts. In the end the two ledgers
together must be the simulator's bill.
"""

import asyncio
import json
import os
import random
import sqlite3
import statistics
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support import books
from support.browser import GONE, Browser, text_of
from support.processes import Server, SimulatorProcess, spawn_server, start_server, start_simulator
from talkmeter.metering.tokens import count_completion

KILLS = int(os.environ.get("TALKMETER_KILLS", "50"))
SEED = os.environ.get("TALKMETER_SEED") or str(random.SystemRandom().randrange(1_000_000))
LANES = 2
KILLS_ON_ONE_DIRECTORY = 25
SPEEDS = (50, 120, 250)  # tokens per second
WORDS = [
    "river",
    "stone",
    "paper",
    "window",
    "garden",
    "silver",
    "morning",
    "letter",
    "market",
    "bridge",
    "바람",
    "강물",
    "종이",
    "아침",
    "시장",
    "편지",
    "하늘",
    "나무",
]
INPUT_PRICE, OUTPUT_PRICE = 2_500_000, 10_000_000  # picodollars for one token

FLUSH_SECONDS, FLUSH_DELTAS = 0.25, 32  # what the product says it may lose of a text
# Both processes and the disk share this machine with whatever else runs on it: a single loss may be as much larger as
# they stood still at that moment. The median may not.
STANDSTILL_SECONDS = 1.0


@dataclass
class Asked:
    """An acknowledged question. expected: the whole answer; seen: the longest beginning that a reader has had."""

    run_id: str
    room_id: str
    question_id: str
    answer_id: str
    question: str
    expected: str
    speed: int
    seen: str = ""
    stopped: bool = False


@dataclass
class Counts:
    """What the kills met, to prove that they met something."""

    kills: int = 0
    while_starting: int = 0
    open_entries: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    unsent: int = 0
    without_headers: int = 0
    interrupted: int = 0
    answered_later: int = 0
    lost_seconds: list[float] = field(default_factory=list)


class Lane:
    """One data directory and the servers that lived and died on it."""

    def __init__(self, folder, number, kills, simulator: SimulatorProcess, counts: Counts) -> None:
        self.data_dir = folder / f"data{number}"
        self.copy = folder / f"copy{number}"
        self.kills = kills
        self.simulator = simulator
        self.counts = counts
        self.random = random.Random(f"{SEED}-{number}")
        self.server: Server | None = None
        self.cookie: str | None = None
        self.asked: dict[str, Asked] = {}
        self.rooms: list[str] = []
        self.ledger: dict = {}
        self.stopped: set[str] = set()  # runs, by somebody before the last kill
        self.streaming = asyncio.Event()

    async def run(self) -> None:
        try:
            for number in range(self.kills):
                if number and self.random.random() < 0.15:
                    await self.kill_while_starting()
                else:
                    await self.live()
            await self.prove()
        except BaseException as error:
            if self.server is not None:
                state, said = self.server.process.poll(), self.server.log.read_text().splitlines()[-5:]
                error.add_note("\n".join([f"The server's exit status: {state}. Its log ends:", *said]))
            raise
        finally:
            if self.server is not None:
                self.server.stop()

    async def start(self) -> Browser:
        left_open = self.left_open()
        self.server = await asyncio.to_thread(start_server, self.data_dir, self.simulator.url)
        browser = Browser(self.server.url, self.cookie)
        if self.cookie is None:
            self.cookie = await browser.sign_in(self.server.link)
            await add_prices(browser)
            await add_budgets(browser)
        # From the first answer on, what the dead process had left open is settled.
        assert (await browser.get("/api/session"))["signed_in"]
        ledger = books.entries(self.data_dir)
        for id_ in left_open:
            outcome = "stopped" if ledger[id_]["run_id"] in self.stopped else "interrupted"
            assert (ledger[id_]["state"], ledger[id_]["outcome"]) == ("settled", outcome)
        return browser

    async def live(self) -> None:
        async with await self.start() as browser:
            self.streaming.clear()
            talks = [asyncio.create_task(self.talk(browser)) for _ in range(self.random.randint(2, 4))]
            if self.random.random() < 0.6:  # else at any moment, also before anything has come
                begun = asyncio.create_task(self.streaming.wait())
                await asyncio.wait([begun, *talks], return_when=asyncio.FIRST_COMPLETED)
                begun.cancel()
            await asyncio.sleep(self.random.uniform(0.05, 1.2))
            await asyncio.to_thread(self.server.kill)
            self.counts.kills += 1
            # Not cancelled: an acknowledgement may still lie in a socket.
            await asyncio.wait_for(asyncio.gather(*talks), 60)

    async def kill_while_starting(self) -> None:
        self.left_open()
        starting = await asyncio.to_thread(spawn_server, self.data_dir, self.simulator.url)
        await asyncio.sleep(self.random.uniform(0.05, 0.6))
        await asyncio.to_thread(starting.kill)
        self.counts.kills += 1
        self.counts.while_starting += 1

    def left_open(self) -> set[str]:
        """The entries that the last kill left open; the database it left is sound."""
        if not self.data_dir.exists():
            return set()
        with books.reading_a_copy(self.data_dir, self.copy) as left:
            books.check_sound(left)
            books.check_budgets(left)
            found = {row["id"] for row in books.rows(left, "SELECT id FROM ledger_entries WHERE state = 'open'")}
            queued = books.rows(left, "SELECT id FROM runs WHERE status = 'queued'")
            self.stopped = {row["id"] for row in books.rows(left, "SELECT id FROM runs WHERE stop_mode IS NOT NULL")}
        self.counts.open_entries |= found
        self.counts.waiting |= {row["id"] for row in queued}
        return found

    async def talk(self, browser: Browser) -> None:
        """One person who asks until the server dies."""
        with suppress(*GONE):
            while True:
                room_id = self.random.choice(self.rooms) if self.random.random() < 0.4 and self.rooms else None
                asked = await self.ask(browser, room_id)
                if self.random.random() < 0.4:
                    await self.ask(browser, asked.room_id)  # waits its turn
                if self.random.random() < 0.8:
                    await self.follow(browser, asked)

    async def ask(self, browser: Browser, room_id: str | None) -> Asked:
        speed = self.random.choice(SPEEDS)
        words = self.random.choices(WORDS, k=self.random.randint(5, 70))
        expected = f"q{self.random.randrange(10**9)} {' '.join(words)}"
        question = f"say: {expected}"
        settings = {"room": {"model": f"sim-fast@{speed}"}} if room_id is None else {}
        answer = await browser.ask(question, room_id, **settings)
        room = answer["room"]
        asked = Asked(
            run_id=answer["run_id"],
            room_id=room["id"],
            question_id=answer["question"]["id"],
            answer_id=answer["answer"]["id"],
            question=question,
            expected=expected,
            speed=int(room["model"].partition("@")[2]),
        )
        self.asked[asked.run_id] = asked
        if room_id is None:
            self.rooms = [*self.rooms[-5:], asked.room_id]
        return asked

    async def follow(self, browser: Browser, asked: Asked) -> None:
        stop_at = self.random.randrange(len(asked.expected)) if self.random.random() < 0.15 else None
        async with browser.following(asked.run_id) as following:
            try:
                async for event in following:
                    if event.kind == "delta":
                        self.streaming.set()
                    if stop_at is not None and len(following.text) >= stop_at and not asked.stopped:
                        asked.stopped = True
                        await browser.stop(asked.run_id, "drain")
            finally:
                asked.seen = following.text

    async def prove(self) -> None:
        """After the last kill: what waits is answered, and every promise about what was acknowledged holds."""
        async with await self.start() as browser:
            for asked in self.asked.values():
                await check_answer(browser, asked)
            while books.unfinished(self.data_dir):  # asked, but killed before the 202
                await asyncio.sleep(0.05)
            self.ledger = books.entries(self.data_dir)
            await check_rooms(browser, self.ledger)
            await check_receipts(browser, self.random.sample(sorted(self.ledger), min(20, len(self.ledger))))
        assert await asyncio.to_thread(self.server.terminate) == 0
        with books.reading(self.data_dir) as left:
            books.check_sound(left)
            assert books.check_budgets(left) == (2 if self.ledger else 0)
            self.check_runs(left)
        assert books.check_costs(self.ledger.values()) == len(self.ledger)
        check_log(self.server.log)

    def check_runs(self, left: sqlite3.Connection) -> None:
        runs = {run["id"]: run for run in books.rows(left, "SELECT * FROM runs")}
        assert set(self.asked) <= set(runs)  # the others were stored, and the kill came before their 202
        assert {run["status"] for run in runs.values()} <= {"finished", "interrupted", "stopped"}
        assert books.rows(left, "SELECT * FROM run_events") == []
        by_run: dict[str, list] = {}
        for entry in self.ledger.values():
            by_run.setdefault(entry["run_id"], []).append(entry)
        assert set(by_run) == set(runs), "a question without a call, or a call without a question"
        assert all(len(calls) == 1 for calls in by_run.values()), "a question was asked twice"
        # Waiting questions are answered: each was sent, and has its whole answer unless it was killed in the middle.
        answered = [run_id for run_id in self.counts.waiting & set(runs) if runs[run_id]["status"] == "finished"]
        self.counts.answered_later += len(answered)


async def add_prices(browser: Browser) -> None:
    for speed in SPEEDS:
        for unit, picodollars in (("input", INPUT_PRICE), ("output", OUTPUT_PRICE)):
            usd = f"{picodollars / 1_000_000:.2f}"
            body = {"model": f"sim-fast@{speed}", "unit": unit, "usd_per_million": usd, "effective_from": 0}
            reply = await browser.send("POST", "/api/prices", body)
            assert reply.status == 201, reply.body


async def add_budgets(browser: Browser) -> None:
    for name, amount in (("money", "1000000 USD"), ("tokens", "1000000000000 tokens")):
        reply = await browser.send("POST", "/api/budgets", {"name": name, "amount": amount, "period": "total"})
        assert reply.status == 201, reply.body


async def check_answer(browser: Browser, asked: Asked) -> None:
    """The question is there, the answer is a beginning of the right one and says how it ended, from seq 0 on."""
    events = await browser.events(asked.run_id)
    end = events[-1]
    question, answer = end.data["question"], end.data["answer"]
    assert (question["id"], question["text"]) == (asked.question_id, asked.question)
    assert (answer["id"], answer["parent_id"]) == (asked.answer_id, asked.question_id)
    assert answer["status"] == {"finished": "complete"}.get(end.kind, end.kind)
    assert text_of(events) == answer["text"]
    assert asked.expected.startswith(asked.seen)
    assert [event.id for event in events] == sorted({event.id for event in events})
    if end.kind == "finished":
        assert answer["text"] == asked.expected
    else:
        assert end.kind == "interrupted" or (end.kind == "stopped" and asked.stopped)
        assert asked.expected.startswith(answer["text"])


async def check_rooms(browser: Browser, ledger: dict[str, dict]) -> None:
    """What a room says that it cost is what its calls cost."""
    rooms, cursor = [], ""
    while cursor is not None:
        page = await browser.get(f"/api/rooms?limit=50{cursor and '&cursor=' + cursor}")
        rooms, cursor = rooms + page["rooms"], page["next"]
    for room in rooms:
        calls = [entry for entry in ledger.values() if entry["room_id"] == room["id"]]
        totals = (await browser.get(f"/api/rooms/{room['id']}?limit=1"))["totals"]
        assert (totals["calls"], totals["open_calls"], totals["unpriced_calls"]) == (len(calls), 0, 0)
        assert room["message_count"] == 2 * len(calls)
        for name in ("prompt_tokens", "completion_tokens"):
            assert totals[name] == sum(entry[name] for entry in calls)
        assert int(totals["cost"]) == sum(entry["cost_picodollars"] for entry in calls)
    assert {room["id"] for room in rooms} == {entry["room_id"] for entry in ledger.values()}


def check_log(log: Path) -> None:
    """Nothing went wrong on the way but being killed."""
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    warnings = [line["event"] for line in lines if line["level"] not in ("debug", "info")]
    assert [event for event in warnings if "were interrupted by the last end of the process" not in event] == []


async def check_receipts(browser: Browser, entry_ids: list[str]) -> None:
    for id_ in entry_ids:
        receipt = await browser.get(f"/api/entries/{id_}/receipt")
        assert int(receipt["cost"]) == sum(int(line["picodollars"]) for line in receipt["cost_lines"])
        assert receipt["prompt_tokens"] == sum(line["tokens"] for line in receipt["lines"])
        assert receipt["completion_tokens"] == sum(line["tokens"] for line in receipt["output_lines"])


def check_entry(entry: dict, row: dict | None, kept: str, counts: Counts) -> None:
    """One call in the ledger against the same call on the bill (None: it never got there). kept: the stored text."""
    assert entry["state"] == "settled"
    assert entry["cost_picodollars"] == (
        entry["prompt_tokens"] * INPUT_PRICE + entry["completion_tokens"] * OUTPUT_PRICE
    )
    if entry["id"] not in counts.open_entries:
        assert entry["provenance"] in ("reported", "drained")
        assert (entry["prompt_tokens"], entry["completion_tokens"]) == (row["prompt_tokens"], row["completion_tokens"])
        return
    counts.interrupted += 1
    if row is None or row["status"] is None:
        # Killed before the upstream had begun: it may not even have been sent, and the entry does not claim to know.
        counts.unsent += row is None
        counts.without_headers += row is not None
        assert (entry["provenance"], entry["completion_tokens"], kept) == ("estimated", 0, "")
        return
    assert entry["prompt_tokens"] == row["prompt_tokens"]
    assert entry["completion_tokens"] <= row["completion_tokens"]
    assert entry["provenance"] == ("counted" if entry["completion_tokens"] else "estimated")
    speed = int(entry["model_requested"].partition("@")[2])
    lost = row["completion_tokens"] - entry["completion_tokens"]
    assert lost <= max(FLUSH_DELTAS, speed * FLUSH_SECONDS) + speed * STANDSTILL_SECONDS, (entry, row)
    counts.lost_seconds.append(lost / speed)


def check_ledgers(lanes: list[Lane], bill: dict[str, dict], counts: Counts) -> None:
    ledger = {id_: entry for lane in lanes for id_, entry in lane.ledger.items()}
    assert set(bill) <= set(ledger), "a request upstream that the ledger does not know"
    for lane in lanes:
        with books.reading(lane.data_dir) as left:
            kept = {row["id"]: row["text"] for row in books.rows(left, "SELECT id, text FROM messages")}
            stopped = {row["id"] for row in books.rows(left, "SELECT id FROM runs WHERE stop_mode IS NOT NULL")}
        for id_, entry in lane.ledger.items():
            text = kept[entry["answer_id"]]
            check_entry(entry, bill.get(id_), text, counts)
            if entry["run_id"] not in stopped:  # else what was drained is counted too
                assert entry["completion_tokens"] == count_completion(text, entry["model_requested"]).tokens
    sent = [entry for id_, entry in ledger.items() if id_ in bill and bill[id_]["status"] == 200]
    assert sum(entry["prompt_tokens"] for entry in sent) == sum(row["prompt_tokens"] for row in bill.values())


@pytest.mark.slow
async def test_whatever_the_moment(tmp_path):
    print(f"{KILLS} kills, TALKMETER_SEED={SEED}")
    simulator = start_simulator(tmp_path / "bill.jsonl")
    counts = Counts()
    lanes: list[Lane] = []
    try:
        while (left := KILLS - sum(lane.kills for lane in lanes)) > 0:
            shares = [share for share in (left - left // 2, left // 2) if share]
            together = [
                Lane(tmp_path, len(lanes) + number, min(share, KILLS_ON_ONE_DIRECTORY), simulator, counts)
                for number, share in enumerate(shares)
            ]
            lanes += together
            # Each to its end, so that no server is left behind by a failure in the other lane.
            for failure in await asyncio.gather(*(lane.run() for lane in together), return_exceptions=True):
                if failure is not None:
                    raise failure
        check_ledgers(lanes, await simulator.rows(), counts)
    finally:
        simulator.stop()
    print({name: value if isinstance(value, int) else len(value) for name, value in vars(counts).items()})
    print(f"lost seconds: median {statistics.median(counts.lost_seconds):.3f}, most {max(counts.lost_seconds):.3f}")
    assert counts.kills == KILLS
    assert len(counts.open_entries) > KILLS  # more than one answer was being written at each
    assert counts.interrupted == len(counts.open_entries)
    assert counts.answered_later > 0
    assert statistics.median(counts.lost_seconds) <= FLUSH_SECONDS
