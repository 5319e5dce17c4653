"""When the database cannot: locked, full, failing, gone. Nothing half-written, nothing acknowledged that is not there."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from support.held_writer import HeldWriter
from support.store_values import a_room, a_settlement, an_opening
from talkmeter.accounts.store import SaveSettings
from talkmeter.conversation.changes import AddRoom
from talkmeter.errors import BadInput, Conflict, StoreBusy, StoreError, StoreFull
from talkmeter.store import faults, open_store
from talkmeter.store.ballast import Ballast
from talkmeter.store.faults import Effect

HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


def sound(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


# Another process holds the lock


async def test_a_lock_of_another_process_is_waited_for_then_reported(sqlite_path):
    store = await open_store(sqlite_path, busy_timeout=0.05, ballast=4096)
    process = subprocess.Popen(  # noqa: ASYNC220 (it is read at once)
        [sys.executable, "-c", HOLD, str(sqlite_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    opening = an_opening()
    waiting = asyncio.gather(
        *(store.commit(SaveSettings({"a": 1}), an_opening()) for _ in range(3)), return_exceptions=True
    )
    outcomes = await waiting
    assert [type(each) for each in outcomes] == [StoreBusy] * 3
    with pytest.raises(StoreBusy):
        await store.check()
    assert await store.settings() == {}  # reading goes on
    process.communicate()
    await store.check()
    await store.commit(opening)
    assert [each.opening for each in await store.open_entries()] == [opening]
    await store.close()


async def test_a_lock_in_postgres_is_waited_for_then_reported(postgres_url):
    store = await open_store(postgres_url, busy_timeout=0.05)
    opening = an_opening()
    await store.commit(opening)
    with psycopg.connect(postgres_url) as other:
        other.execute("LOCK TABLE ledger_entries IN SHARE MODE")
        settle = store.commit(SaveSettings({"half": 1}), a_settlement(opening))
        outcomes = await asyncio.gather(settle, store.commit(SaveSettings({"a": 1})), return_exceptions=True)
        assert [type(each) for each in outcomes] == [StoreBusy, tuple]
    await store.commit(a_settlement(opening))
    assert await store.settings() == {"a": 1}
    await store.close()


# The disk is full


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with 2 MB, where we may mount one; else None."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        yield None
        return
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


class Quota:
    """For those who may not mount: SQLite's own limit on the file plays the disk, and the ballast plays the rest."""

    def __init__(self, store, folder):
        self.folder = folder
        self._connection = store._writer._connection
        (self._used,) = self._connection.execute("PRAGMA page_count").fetchone()
        self._connection.execute(f"PRAGMA max_page_count={self._used + 2}")
        store._writer._ballast = self
        self.full = False

    def release(self):
        self.full = True
        self._connection.execute(f"PRAGMA max_page_count={self._used + 20}")

    def recovered(self):
        return not self.full

    def fill(self):
        """It is full from the start."""

    def free(self):
        self._connection.execute("PRAGMA max_page_count=1000000")
        self.full = False


class Disk:
    def __init__(self, store, folder):
        self.folder = folder
        self._store = store

    def fill(self):
        with (self.folder / "filler").open("wb", buffering=0) as file:
            for size in (65536, 512):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    pass

    def free(self):
        (self.folder / "filler").unlink()
        self._store._writer._ballast._looked_at = 0.0  # as if a second had gone by


async def test_a_full_disk_refuses_new_work_settles_what_is_open_and_recovers(tmp_path, small_disk):
    """Promise 1 on a full disk: every call that was sent gets its settlement, and none is sent that could not."""
    path = (small_disk or tmp_path) / "talkmeter.db"
    store = await open_store(path, ballast=300_000)
    openings = [an_opening() for _ in range(20)]
    await store.commit(*openings)
    disk = Disk(store, path.parent) if small_disk else Quota(store, path.parent)
    disk.fill()
    acknowledged, refused = [], None
    while refused is None:
        opening = an_opening(preflight_lines="x" * 5_000)
        try:
            await store.commit(opening)
            acknowledged.append(opening)
        except StoreFull as error:
            refused = error
    assert refused.status == 507
    assert "disk" in refused.message
    assert "디스크" in refused.message_ko
    with pytest.raises(StoreFull):
        await store.commit(AddRoom(a_room()), SaveSettings({"half": 1}))
    with pytest.raises(StoreFull):
        await store.check()
    for opening in openings:
        await store.commit(a_settlement(opening))
    assert await store.settings() == {}
    assert [each.opening for each in await store.open_entries()] == acknowledged
    disk.free()
    await store.check()
    await store.commit(an_opening())
    await store.close()
    assert sound(path)


async def test_a_group_that_meets_a_full_disk_is_sorted_out_one_by_one(sqlite, sqlite_path):
    openings = [an_opening() for _ in range(5)]
    await sqlite.commit(*openings)
    Quota(sqlite, sqlite_path.parent)
    async with HeldWriter(sqlite):
        work = [sqlite.commit(an_opening(preflight_lines="x" * 20_000)) for _ in range(5)]
        settling = [sqlite.commit(a_settlement(each)) for each in openings]
        waiting = asyncio.gather(*work, *settling, return_exceptions=True)
        await asyncio.sleep(0)
    outcomes = await waiting
    assert [type(each) for each in outcomes] == [StoreFull] * 5 + [tuple] * 5
    assert await sqlite.open_entries() == []


def test_the_ballast_lies_on_the_disk_and_comes_back_when_there_is_room(tmp_path, monkeypatch):
    path = tmp_path / "ballast"
    ballast = Ballast(path, 100_000)
    assert not ballast.full
    assert path.stat().st_size == 100_000
    assert path.stat().st_blocks * 512 >= 100_000  # really taken, not a hole
    assert ballast.recovered()
    ballast.release()
    assert ballast.full
    assert not path.exists()
    assert not ballast.recovered()  # looked at a moment ago
    free = [150_000]
    monkeypatch.setattr("talkmeter.store.ballast._free", lambda _: free[0])
    ballast._looked_at = 0.0
    assert not ballast.recovered()  # the room is what was just given up
    free[0] = 200_000
    ballast._looked_at = 0.0
    assert ballast.recovered()
    assert not ballast.full
    assert path.stat().st_size == 100_000


def test_without_room_for_the_ballast_the_store_is_full_from_the_start(tmp_path):
    ballast = Ballast(tmp_path / "no such folder" / "ballast", 4096)
    assert ballast.full


# The disk fails

CHILD = """
import asyncio, resource, signal, sys
sys.path[:0] = sys.argv[2:]
from support.held_writer import HeldWriter
from support.store_values import a_settlement, an_opening
from talkmeter.errors import StoreError
from talkmeter.store import open_store

async def main(path):
    store = await open_store(path, ballast=4096)
    opening = an_opening()
    await store.commit(opening)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))  # writes beyond fail with EFBIG: an I/O error
    codes = []
    for _ in range(60):
        try:
            await store.commit(an_opening(preflight_lines="x" * 5_000))
        except StoreError as error:
            codes.append(error.code)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
    for use in (store.commit(a_settlement(opening)), store.check()):
        try:
            await use
        except StoreError as error:
            codes.append(error.code)
    print(set(codes), len(codes) > 10, await store.entry(opening.id) is not None)
    await store.close()

asyncio.run(main(sys.argv[1]))
"""


def test_after_an_io_error_nothing_further_is_written(sqlite_path):
    tests = Path(__file__).resolve().parents[1]
    paths = [str(tests), str(tests.parent / "src")]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(sqlite_path), *paths], capture_output=True, text=True, check=True
    )
    assert done.stdout == "{'store_broken'} True True\n"
    assert sound(sqlite_path)


async def test_a_database_that_is_damaged_is_not_written_to(sqlite, sqlite_path):
    await sqlite.commit(an_opening())
    await sqlite.close()
    data = bytearray(sqlite_path.read_bytes())
    data[4096:] = b"\xaa" * (len(data) - 4096)
    sqlite_path.write_bytes(data)
    with pytest.raises(StoreError) as refused:
        await open_store(sqlite_path)
    assert refused.value.code == "store_broken"


async def test_a_file_that_is_no_database_is_refused(sqlite_path):
    sqlite_path.write_text("Dear diary, " * 100)
    with pytest.raises(StoreError) as refused:
        await open_store(sqlite_path)
    assert str(sqlite_path) in refused.value.message
    assert sqlite_path.read_text().startswith("Dear diary")


# PostgreSQL goes away


async def test_a_lost_connection_is_made_anew(postgres, postgres_url):
    store = await open_store(postgres_url)
    await store.commit(SaveSettings({"a": 1}))
    assert await store.settings() == {"a": 1}
    for round_ in range(2):
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid()",
            postgres_url,
        )
        await store.commit(SaveSettings({"b": round_}))
        assert await store.settings() == {"a": 1, "b": round_}
    await store.close()


async def test_a_server_that_is_away_is_an_error_for_those_who_wait(monkeypatch, postgres_url):
    store = await open_store(postgres_url)
    writer = store._writer
    connect = writer._connect

    def refuse():
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(writer, "_connect", refuse)
    writer._connection.close()
    with pytest.raises(StoreError):
        await store.commit(SaveSettings({"a": 1}))
    with pytest.raises(StoreError):
        await store.check()
    monkeypatch.setattr(writer, "_connect", connect)
    await store.commit(SaveSettings({"a": 2}))
    assert await store.settings() == {"a": 2}
    await store.close()


async def test_a_commit_whose_outcome_is_not_known_is_not_repeated(postgres_url):
    """The connection ends while COMMIT is under way: only the committer can find out what became of it."""
    store = await open_store(postgres_url)
    connection = store._writer._connection
    execute = connection.execute

    def cut(text, *values):
        if text == "COMMIT":
            execute("COMMIT")
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return execute(text, *values)

    connection.execute = cut
    opening = an_opening()
    with pytest.raises(StoreError) as refused:
        await store.commit(opening)
    assert "not known" in refused.value.message
    assert [each.opening for each in await store.open_entries()] == [opening]
    await store.commit(a_settlement(opening))
    await store.close()


# What a driver's error means


@pytest.mark.parametrize(
    ("error", "effect", "ours"),
    [
        (psycopg.errors.DiskFull(), Effect.FULL, StoreFull),
        (psycopg.errors.IoError(), Effect.BROKEN, StoreError),
        (psycopg.errors.DataCorrupted(), Effect.BROKEN, StoreError),
        (psycopg.errors.ReadOnlySqlTransaction(), Effect.BROKEN, StoreError),
        (psycopg.errors.LockNotAvailable(), Effect.BUSY, StoreBusy),
        (psycopg.errors.DeadlockDetected(), Effect.BUSY, StoreBusy),
        (psycopg.errors.TooManyConnections(), Effect.BUSY, StoreBusy),
        (psycopg.errors.AdminShutdown(), Effect.LOST, StoreError),
        (psycopg.errors.ConnectionFailure(), Effect.LOST, StoreError),
        (psycopg.OperationalError("the connection is closed"), Effect.LOST, StoreError),
        (psycopg.errors.UndefinedTable(), Effect.REFUSED, StoreError),
        (psycopg.errors.NumericValueOutOfRange(), Effect.REFUSED, BadInput),
        (sqlite3.OperationalError("without a code"), Effect.REFUSED, StoreError),
        (OverflowError(), Effect.REFUSED, BadInput),
        (KeyError("a mistake of ours"), Effect.REFUSED, KeyError),
        (Conflict("as it is", "그대로"), Effect.REFUSED, Conflict),
    ],
    ids=lambda value: getattr(value, "name", None) or type(value).__name__,
)
def test_each_error_has_its_meaning(error, effect, ours):
    assert faults.effect(error) is effect
    told = faults.as_ours(error, "talkmeter.db")
    assert type(told) is ours
    if isinstance(told, StoreError):
        assert "talkmeter.db" in told.message
        assert told.hint
        assert told.hint_ko


def test_the_ballast_needs_no_particular_system(tmp_path, monkeypatch):
    monkeypatch.delattr("os.posix_fallocate")
    ballast = Ballast(tmp_path / "ballast", 100_001)
    assert not ballast.full
    assert (tmp_path / "ballast").stat().st_size == 100_001
    ballast.release()
    ballast._looked_at = 0.0
    assert ballast.recovered()


def test_what_people_wrote_is_not_in_the_log_of_a_refused_row(postgres_url, caplog):
    """PostgreSQL's own words quote the row."""
    with psycopg.connect(postgres_url.replace("postgresql+psycopg", "postgresql")) as connection:
        connection.execute("CREATE TEMPORARY TABLE said (id TEXT PRIMARY KEY, text TEXT, at INTEGER NOT NULL)")
        with pytest.raises(psycopg.errors.NotNullViolation) as caught:
            connection.execute("INSERT INTO said VALUES ('m1', 'my secret question', NULL)")
    assert "my secret question" in str(caught.value)
    ours = faults.as_ours(caught.value, "PostgreSQL")
    (record,) = [record for record in caplog.records if record.message == "database_error"]
    assert record.reason == "NotNullViolation SQLSTATE 23502 said at"
    assert "my secret question" not in f"{ours}{record.__dict__}"
