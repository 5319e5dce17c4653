"""Opening a store: what it is given, what it imports, what it makes on the disk, what it warns of."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support.store_values import an_opening
from talkmeter.errors import SettingError, StoreBusy, StoreError
from talkmeter.store import databases, open_store
from talkmeter.store import exclusive as store_exclusive
from talkmeter.store.sqlite_facts import has_wal_reset_bug, network_file_system, warnings_about

SOURCE = Path(__file__).resolve().parents[2] / "src"
IMPORTS = """
import asyncio, sys
from talkmeter.store import open_store

async def main():
    store = await open_store(sys.argv[1])
    await store.settings()
    await store.close()

asyncio.run(main())
print(sorted({"alembic", "psycopg", "aiosqlite", "sqlalchemy.orm", "tarfile"} & set(sys.modules)))
"""


@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
async def test_a_path_names_sqlite(tmp_path, form):
    path = tmp_path / "a folder #1?" / "bel%ow" / "talkmeter.db"
    store = await open_store(form.format(path))
    await store.commit(an_opening())
    assert str(path) in store.name
    await store.close()
    assert path.stat().st_size > 0


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgres"])
async def test_a_url_names_postgres(postgres_url, scheme):
    store = await open_store(postgres_url.replace("postgresql", scheme))
    await store.commit(an_opening())
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://root:s3cret@localhost/x",
        "postgresql+asyncpg://u:s3cret@h/x",
        "sqlite://",
        "sqlite:///:memory:",
        "http://[",
    ],
)
async def test_a_url_that_cannot_be_used_is_a_setting_error_without_the_password(url):
    with pytest.raises(SettingError) as refused:
        await open_store(url)
    assert refused.value.param == "database_url"
    assert "s3cret" not in str(refused.value)


async def test_a_password_is_never_in_the_name():
    with pytest.raises(StoreError) as refused:
        await open_store("postgresql://somebody:s3cret@127.0.0.1:1/x", busy_timeout=0.1)
    assert "s3cret" not in refused.value.message
    assert "127.0.0.1" in refused.value.message


async def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError) as refused:
        await open_store(tmp_path / "file" / "talkmeter.db")
    assert str(tmp_path) in refused.value.message


def test_a_normal_start_imports_neither_alembic_nor_psycopg(tmp_path):
    for _ in range(2):  # a new database, and one that is there
        done = subprocess.run(
            [sys.executable, "-c", IMPORTS, str(tmp_path / "talkmeter.db")],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": str(SOURCE)},
        )
        assert done.stdout == "[]\n"


async def test_the_files_are_the_owners_alone(sqlite, sqlite_path):
    await sqlite.commit(an_opening())
    modes = {path.name: path.stat().st_mode & 0o777 for path in sqlite_path.parent.glob("talkmeter.db*")}
    assert modes == dict.fromkeys(("talkmeter.db", "talkmeter.db-wal", "talkmeter.db-shm"), 384)


async def test_the_connections_are_set_as_promised(sqlite):
    writing = sqlite._writer._connection
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "mmap_size": 0, "busy_timeout": 500}
    assert {name: writing.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted} == wanted
    assert writing.execute("PRAGMA wal_autocheckpoint").fetchone() == (4000,)

    def settings(connection):
        names = ("query_only", "wal_autocheckpoint", "mmap_size")
        return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}

    assert await sqlite._readers.read(settings) == {"query_only": 1, "wal_autocheckpoint": 0, "mmap_size": 0}


async def test_readers_cannot_write(store):
    with pytest.raises(StoreError):
        await store._readers.read(lambda connection: connection.exec_driver_sql("DELETE FROM settings"))


async def test_a_read_is_one_snapshot(store):
    """What is committed while a read is under way is not seen by it."""
    loop = asyncio.get_running_loop()

    def count_twice(connection):
        counts = []
        for _ in range(2):
            counts.append(connection.exec_driver_sql("SELECT count(*) FROM ledger_entries").scalar())
            asyncio.run_coroutine_threadsafe(store.commit(an_opening()), loop).result()
        return counts

    assert await store._readers.read(count_twice) == [0, 0]
    assert len(await store.open_entries()) == 2


async def test_more_reads_than_readers_all_get_their_turn(store):
    await store.commit(*(an_opening() for _ in range(3)))
    found = await asyncio.gather(*(store.open_entries() for _ in range(100)))
    assert [len(each) for each in found] == [3] * 100


async def test_nothing_is_left_open_at_the_end(sqlite_path):
    store = await open_store(sqlite_path)
    await store.commit(an_opening())
    await store.settings()
    await store.close()
    assert not sqlite_path.with_name("talkmeter.db-wal").exists()
    with closing(sqlite3.connect(sqlite_path)) as connection:
        assert connection.execute("SELECT count(*) FROM ledger_entries").fetchone() == (1,)


async def test_postgres_acknowledges_only_what_is_on_the_disk(postgres, new_postgres_url):
    name = new_postgres_url.rsplit("/", 1)[1]
    postgres.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    store = await open_store(new_postgres_url)
    assert store._writer._connection.execute("SHOW synchronous_commit").fetchone() == ("on",)
    await store.close()


# One process at a time


async def test_exclusive_work_waits_for_the_other(url):
    stores = [await open_store(url) for _ in range(2)]
    inside = []

    async def work(store):
        async with store.exclusive("recovery"):
            inside.append(store)
            assert len(inside) == 1
            await asyncio.sleep(0.01)
            inside.remove(store)

    await asyncio.gather(*(work(store) for store in stores * 3))
    for store in stores:
        await store.close()


async def test_exclusive_work_may_refuse_to_wait(url):
    one, other = [await open_store(url) for _ in range(2)]
    async with one.exclusive("serve", wait=False):
        with pytest.raises(StoreBusy) as refused:
            async with other.exclusive("serve", wait=False):
                pass
        assert refused.value.code == "store_in_use"
        async with other.exclusive("another thing", wait=False):
            pass
    async with other.exclusive("serve", wait=False):
        pass
    await one.close()
    await other.close()


async def test_a_lock_ends_with_its_process(url):
    code = """
import asyncio, sys
from talkmeter.store import open_store

async def main():
    store = await open_store(sys.argv[1])
    async with store.exclusive("serve", wait=False):
        print("in", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""
    child = subprocess.Popen(  # noqa: ASYNC220 (it is read at once)
        [sys.executable, "-c", code, url], stdout=subprocess.PIPE, env={"PYTHONPATH": str(SOURCE)}
    )
    assert child.stdout.readline() == b"in\n"
    store = await open_store(url)
    with pytest.raises(StoreBusy):
        async with store.exclusive("serve", wait=False):
            pass
    child.kill()
    child.communicate()
    async with asyncio.timeout(30), store.exclusive("serve"):
        pass
    await store.close()


def holders(postgres, url):
    """Ends the connections that hold a lock in this database; how many there were."""
    return postgres.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        url,
    )


async def test_a_lock_that_the_database_let_go_of_is_taken_again(postgres, postgres_url, monkeypatch):
    monkeypatch.setattr(store_exclusive, "_LOOK_AGAIN", 0.01)
    one, other = [await open_store(postgres_url) for _ in range(2)]
    async with one.exclusive("serve", wait=False) as held:
        losing = asyncio.create_task(held.lost())
        for _ in range(2):
            async with asyncio.timeout(30):
                while not await asyncio.to_thread(holders, postgres, postgres_url):
                    await asyncio.sleep(0.01)
        postgres_lock = held._lock
        async with asyncio.timeout(30):
            while held._lock is postgres_lock:
                await asyncio.sleep(0.01)
        with pytest.raises(StoreBusy):
            async with other.exclusive("serve", wait=False):
                pass
        assert not losing.done()
        losing.cancel()
        await asyncio.wait([losing])
    await one.close()
    await other.close()


async def test_a_lock_that_another_process_has_taken_is_lost(postgres, postgres_url):
    one, other = [await open_store(postgres_url) for _ in range(2)]
    async with one.exclusive("serve", wait=False) as held:
        assert await asyncio.to_thread(holders, postgres, postgres_url) == 1
        async with asyncio.timeout(30), other.exclusive("serve"):
            await held.lost()
    await one.close()
    await other.close()


async def test_a_lock_is_looked_after_while_the_database_is_away(monkeypatch):
    """Nobody has it then; once the database is back it is taken again."""
    monkeypatch.setattr(store_exclusive, "_LOOK_AGAIN", 0)
    answers = [OSError("away"), OSError("away"), Lock(), None]

    def acquire():
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    await store_exclusive.Held(Lock(), acquire).lost()
    assert answers == []


class Lock:
    """Of a connection that is broken."""

    def execute(self, _statement):
        raise OSError("broken")

    def close(self):
        """It is broken anyway."""


async def test_two_databases_of_one_server_have_locks_of_their_own(postgres_url, new_postgres_url):
    one, other = await open_store(postgres_url), await open_store(new_postgres_url)
    async with one.exclusive("serve", wait=False), other.exclusive("serve", wait=False):
        pass
    await one.close()
    await other.close()


# Facts about SQLite


@pytest.mark.parametrize(
    ("version", "has_it"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_the_versions_with_the_wal_reset_bug_are_known(version, has_it):
    assert has_wal_reset_bug(version) is has_it


def test_a_network_file_system_is_noticed():
    mounts = (
        "/dev/vda / ext4 rw 0 0\n"
        "server:/home /home nfs4 rw 0 0\n"
        "/dev/vdb /home/local xfs rw 0 0\n"
        "//nas/share /mnt/my\\040share cifs rw 0 0\n"
        "nonsense\n"
    )
    found = {
        path: network_file_system(Path(path), mounts)
        for path in ("/data", "/home/me/talkmeter.db", "/home/local/x", "/homes", "/mnt/my share/x")
    }
    assert found == {
        "/data": None,
        "/home/me/talkmeter.db": "nfs4",
        "/home/local/x": None,
        "/homes": None,
        "/mnt/my share/x": "cifs",
    }


async def test_warnings_say_what_to_do_in_both_languages(monkeypatch, sqlite, sqlite_path):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    monkeypatch.setattr("talkmeter.store.sqlite_facts._mounts", lambda: "server:/ / nfs rw 0 0\n")
    codes = [warning.code for warning in sqlite.warnings]
    assert codes == ["sqlite_wal_reset_bug", "sqlite_on_network"]
    for warning in warnings_about(sqlite_path):
        assert "Talkmeter" in warning.message or "PostgreSQL" in warning.message
        assert any("가" <= letter <= "힣" for letter in warning.message_ko)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 53, 1))
    monkeypatch.setattr("talkmeter.store.sqlite_facts._mounts", lambda: "")
    assert sqlite.warnings == ()


async def test_postgres_needs_no_warning(postgres_url):
    store = await open_store(postgres_url)
    assert store.warnings == ()
    await store.close()


class Cursor:
    def close(self):
        """There is nothing to close."""


class Contended:
    """A connection whose change to WAL mode is refused so many times, as SQLite does where two begin at once."""

    def __init__(self, times, code=sqlite3.SQLITE_BUSY):
        self.times = times
        self.code = code

    def execute(self, _text):
        if self.times:
            self.times -= 1
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorcode = self.code
            raise error
        return Cursor()


def test_two_starts_for_a_new_file_wait_for_each_other():
    connection = Contended(3)
    databases._begin_log(connection, 60)
    assert connection.times == 0
    with pytest.raises(sqlite3.OperationalError):
        databases._begin_log(Contended(10**9), 0.05)
    with pytest.raises(sqlite3.OperationalError):
        databases._begin_log(Contended(1, sqlite3.SQLITE_IOERR), 60)
