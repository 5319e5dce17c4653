"""A run's log stays small in memory, and whoever follows it reads the same, however it has been merged meanwhile."""

import asyncio

import pytest

from talkmeter.conversation.runlog import FLUSH_DELTAS, RunLog
from talkmeter.errors import StoreError

PIECES = [f"{number} " for number in range(10 * FLUSH_DELTAS)]
TEXT = "".join(PIECES)


class Disk:
    """A store that takes commits, or fails as often as it is told to."""

    def __init__(self):
        self.failures = 0
        self.kept = []

    async def commit(self, change):
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise StoreError("full", "가득 참")
        self.kept += change.events


async def write(log, pieces=PIECES):
    """As an upstream would: a few pieces at a time, then it lets others run."""
    for start in range(0, len(pieces), 7):
        for piece in pieces[start : start + 7]:
            log.text(piece)
        for _ in range(4):
            await asyncio.sleep(0)


def read(events, text=""):
    for event in events:
        if event.kind == "delta":
            text = text[: event.data["offset"]] + event.data["text"]
    return text


async def followed(log, after=0):
    return [event async for event in log.follow(after)]


@pytest.fixture
def disk():
    return Disk()


async def ended(disk):
    log = RunLog("run_x", disk)
    log.add("started", {})
    await write(log)
    await log.close()
    log.add("finished", {})
    return log


async def test_what_is_persisted_is_held_in_few_pieces(disk):
    log = await ended(disk)
    assert len(log._events) < len(PIECES) / 3
    assert read(log._events) == TEXT
    assert log._events[: len(disk.kept)] == disk.kept


async def test_a_reader_reads_on_from_any_seq(disk):
    log = await ended(disk)
    last = 1 + len(PIECES) + 1
    for after in range(last):
        seen = "".join(PIECES[: max(after - 1, 0)])
        events = await followed(log, after)
        assert read(events, seen) == TEXT
        assert [event.kind for event in events].count("finished") == 1
        assert all(event.seq > after for event in events)
    assert await followed(log, last) == await followed(log, 10**12) == []


async def test_a_reader_that_is_slow_loses_nothing(disk):
    log = RunLog("run_x", disk)
    events = []

    async def slowly():
        async for event in log.follow(0):
            events.append(event)
            for _ in range(40):
                await asyncio.sleep(0)

    reading = asyncio.create_task(slowly())
    await write(log)
    await log.close()
    log.add("finished", {})
    await reading
    assert read(events) == TEXT
    assert [event.seq for event in events] == sorted({event.seq for event in events})


async def test_a_disk_that_fails_for_a_while_changes_nothing(disk, caplog):
    disk.failures = 3
    log = await ended(disk)
    assert "cannot be written yet" in caplog.text
    assert read(await followed(log)) == TEXT
    assert read(disk.kept) == TEXT[: len(read(disk.kept))] != ""


async def test_a_log_is_flushed_at_once_where_that_matters():
    disk = Disk()
    log = RunLog("run_1", disk)
    await log.flush()
    assert disk.kept == [], "there is nothing"
    for piece in PIECES[: FLUSH_DELTAS + 1]:  # the last one comes while the others are being written
        log.text(piece)
    await log.flush()
    assert read(disk.kept) == "".join(PIECES[: FLUSH_DELTAS + 1])
    log.text("more")
    await log.close()
    assert log.closed
    await log.flush()
    assert "more" not in read(disk.kept), "that is written with the settlement"
