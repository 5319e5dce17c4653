"""SIGKILL at any moment: what was acknowledged is there, what was not is there whole or not at all."""

import asyncio
import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg

from support.store_values import ME
from talkmeter.store import open_store

TESTS = Path(__file__).resolve().parents[1]
ROUNDS = int(os.environ.get("TALKMETER_TEST_STORE_KILLS", "8"))

# Each commit is a room, a message and an entry, all with one number; half of them settle it in a second commit.
WRITER = """
import asyncio, sys
from support.store_values import a_message, a_room, a_settlement, an_opening
from talkmeter.conversation.changes import AddMessage, AddRoom
from talkmeter.store import open_store

async def task(store, first, step):
    number = first
    while True:
        name = f"{sys.argv[2]}_{number}"
        room = a_room(id=f"room_{name}")
        opening = an_opening(id=f"call_{name}", room_id=room.id)
        message = a_message(room, id=f"msg_{name}", text="x" * (number % 3000))
        await store.commit(AddRoom(room), AddMessage(message), opening)
        sys.stdout.write(f"opened {name}\\n")
        if number % 2:
            await store.commit(a_settlement(opening))
            sys.stdout.write(f"settled {name}\\n")
        sys.stdout.flush()
        number += step

async def main():
    store = await open_store(sys.argv[1], ballast=4096)
    await asyncio.gather(*(task(store, number, 16) for number in range(16)))

asyncio.run(main())
"""


def write_and_kill(url, round_, after):
    """Lets a process write until it has acknowledged `after` commits, kills it, and gives all it acknowledged."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, url, str(round_)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent / 'src'}"},
    )
    lines = [child.stdout.readline() for _ in range(after)]
    child.kill()
    rest, _ = child.communicate()
    lines += [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
    acknowledged = {"opened": set(), "settled": set()}
    for line in lines:
        what, name = line.split()
        acknowledged[what].add(name)
    return acknowledged


def rows(url, statement):
    if "://" in url:
        with psycopg.connect(url) as connection:
            return {name for (name,) in connection.execute(statement)}
    with closing(sqlite3.connect(url)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return {name for (name,) in connection.execute(statement)}


def test_what_was_acknowledged_survives_sigkill(url):
    opened, settled = set(), set()
    for round_ in range(ROUNDS if "://" not in url else max(2, ROUNDS // 4)):
        acknowledged = write_and_kill(url, round_, after=random.randint(1, 400))
        opened |= acknowledged["opened"]
        settled |= acknowledged["settled"]
        in_ledger = rows(url, "SELECT substr(id, 6) FROM ledger_entries")
        assert in_ledger >= opened
        assert rows(url, "SELECT substr(id, 6) FROM ledger_entries WHERE state = 'settled'") >= settled
        # Every commit whole: an entry has its room and its message, and they have their entry.
        assert rows(url, "SELECT substr(id, 6) FROM rooms") == in_ledger
        assert rows(url, "SELECT substr(id, 5) FROM messages") == in_ledger
        assert rows(url, "SELECT substr(id, 6) FROM rooms WHERE message_count <> 1") == set()
    assert opened

    async def go_on():
        store = await open_store(url)
        for entry in await store.open_entries():
            assert (await store.room(entry.opening.room_id, ME)) is not None
        await store.close()

    asyncio.run(go_on())
