"""The schema: made, brought up to date, refused; killed in the middle of it and taken up again."""

import asyncio
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from support.store_values import a_message, a_room, an_opening
from talkmeter.accounts.store import Session, UseSignInToken
from talkmeter.conversation.changes import AddMessage, AddRoom
from talkmeter.errors import Conflict, StoreError, StoreTooNew
from talkmeter.metering.calls import CallFilter
from talkmeter.store import migrate, open_store
from talkmeter.store.databases import database
from talkmeter.store.migrate import OURS, Migrations, prepare, upgrade
from talkmeter.store.schema import metadata

NEXT = f"{int(OURS.head) + 1:04}"
SECOND = '''
"""One more revision, for tests: a column with a value worked out from the old ones, and a table made anew."""
import os, time
import sqlalchemy as sa
from alembic import op

revision = "NEXT"
down_revision = "HEAD"


def upgrade():
    op.add_column("rooms", sa.Column("title_length", sa.Integer()))
    op.execute("UPDATE rooms SET title_length = length(title)")
    with op.batch_alter_table("rooms") as batch:
        batch.alter_column("title_length", nullable=False)
    marker = os.environ.get("STOP_IN_MIGRATION")
    if marker:
        open(marker, "w").close()
        time.sleep(60)
'''.replace("NEXT", NEXT).replace("HEAD", OURS.head)

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def second(tmp_path):
    """Our migrations and one more."""
    folder = tmp_path / "migrations %"  # a name that a configuration file would take for a reference
    shutil.copytree(OURS.folder, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / f"{NEXT}_second.py").write_text(SECOND)
    return Migrations(NEXT, folder)


def query(url, statement):
    engine = database(url, 5.0).writing()
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]
    finally:
        engine.dispose()


async def fill(url):
    """A room and an entry, by the present program; gives the room."""
    store = await open_store(url)
    room = a_room(title="일곱 글자 제목")
    await store.commit(AddRoom(room), AddMessage(a_message(room)), an_opening(room_id=room.id))
    await store.close()
    return room


def shape(connection):
    """Everything that an inspector sees."""
    seen = inspect(connection)
    where = f"{connection.dialect.name}_where"
    return {
        table: (
            [{**column, "type": str(column["type"])} for column in seen.get_columns(table)],
            seen.get_pk_constraint(table),
            sorted(map(str, seen.get_foreign_keys(table))),
            sorted(map(str, seen.get_unique_constraints(table))),
            sorted(
                (index["name"], index["unique"], index["column_names"], str(index["dialect_options"].get(where)))
                for index in seen.get_indexes(table)
            ),
        )
        for table in sorted(seen.get_table_names())
    }


@pytest.fixture(params=["sqlite", "postgresql"])
def two_urls(request, tmp_path):
    if request.param == "sqlite":
        yield str(tmp_path / "one.db"), str(tmp_path / "two.db")
        return
    postgres = request.getfixturevalue("postgres")
    urls = postgres.create(), postgres.create()
    yield urls
    for url in urls:
        postgres.drop(url)


def test_migrations_and_schema_agree(two_urls):
    """What a new database gets at once is what an old one gets step by step."""
    made, migrated = (database(url, 5.0) for url in two_urls)
    prepare(made)
    engine = migrated.writing()
    with engine.begin() as connection:
        upgrade(connection)
    shapes = []
    for each in (made, migrated):
        looking = each.writing()
        with looking.connect() as connection:
            shapes.append(shape(connection))
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
        looking.dispose()
    engine.dispose()
    assert shapes[0] == shapes[1]
    for rows in ("id, name, name_key, role, password FROM users", "* FROM revisions", "* FROM settings"):
        assert query(two_urls[0], f"SELECT {rows}") == query(two_urls[1], f"SELECT {rows}")
    assert set(shapes[0]) == {*metadata.tables, "alembic_version"}


async def test_entries_from_before_have_one_name_of_their_model(two_urls):
    """0010: nothing is made up for what was not kept."""
    engine = database(two_urls[0], 5.0).writing()
    with engine.begin() as connection:
        upgrade(connection, Migrations("0009", OURS.folder))
        columns = "id, state, surface, principal, endpoint, provider_id, provider_name, model_requested"
        connection.execute(
            text(
                f"INSERT INTO ledger_entries ({columns}, opened_at, attempt)"
                " VALUES ('call_1', 'open', 'openai', 'owner', 'chat/completions', 'p', 'P', 'm-1', 1, 1)"
            )
        )
    engine.dispose()
    store = await open_store(two_urls[0])
    opened = an_opening(model_requested="m-2", model_asked="fast", opened_at=2)
    await store.commit(opened)
    found = (await store.calls(CallFilter(), "newest", None, 10)).calls
    assert [(call.model_asked, call.model_requested) for call in found] == [("fast", "m-2"), (None, "m-1")]
    assert (await store.entry(opened.id)).opening == opened
    await store.close()


def test_the_last_migration_is_the_one_that_the_program_needs():
    names = sorted(path.name for path in (OURS.folder / "versions").glob("[0-9]*.py"))
    assert names[-1].startswith(f"{OURS.head}_")
    assert [name[:4] for name in names] == [f"{number:04}" for number in range(1, len(names) + 1)]


async def test_an_older_database_is_brought_up_to_date_with_everything_in_it(new_url, second):
    room = await fill(new_url)
    prepare(database(new_url, 5.0), second)
    assert query(new_url, "SELECT id, title_length FROM rooms") == [(room.id, 8)]
    assert query(new_url, "SELECT version_num FROM alembic_version") == [(NEXT,)]
    assert query(new_url, "SELECT count(*) FROM messages") == [(1,)]


async def test_before_an_update_sqlite_keeps_a_verified_copy(sqlite_path, second):
    room = await fill(sqlite_path)
    kept = sqlite_path.with_name(f"talkmeter.db.before-{NEXT}")
    kept.with_name(kept.name + ".unfinished").write_text("of a process that was killed")
    prepare(database(sqlite_path, 5.0), second)
    assert not kept.with_name(kept.name + ".unfinished").exists()
    assert kept.stat().st_mode & 0o777 == 0o600
    kept.replace(sqlite_path)
    store = await open_store(sqlite_path)  # the program from before the update takes it up again
    assert await store.room(room.id, room.principal) is not None
    await store.close()


async def test_an_update_that_fails_changes_nothing(new_url, second):
    room = await fill(new_url)
    path = second.folder / "versions" / f"{NEXT}_second.py"
    path.write_text(SECOND + "    raise RuntimeError('in the middle')\n")
    with pytest.raises(RuntimeError, match="in the middle"):
        prepare(database(new_url, 5.0), second)
    store = await open_store(new_url)
    assert (await store.room(room.id, room.principal)).message_count == 1
    await store.close()


async def test_an_update_that_would_tear_rows_apart_is_not_carried_out(sqlite_path, second):
    await fill(sqlite_path)
    path = second.folder / "versions" / f"{NEXT}_second.py"
    path.write_text(SECOND + "    op.execute('DELETE FROM rooms')\n")
    with pytest.raises(StoreError) as refused:
        prepare(database(sqlite_path, 5.0), second)
    assert "not carried out" in refused.value.message
    assert query(sqlite_path, "SELECT count(*) FROM rooms") == [(1,)]


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from talkmeter.store.databases import database
from talkmeter.store.migrate import Migrations, prepare
prepare(database(sys.argv[1], 5.0), Migrations(sys.argv[4], Path(sys.argv[2])))
"""


async def test_an_update_that_is_killed_in_the_middle_is_taken_up_again(new_url, second, tmp_path):
    room = await fill(new_url)
    marker = tmp_path / "in the middle"
    child = subprocess.Popen(  # noqa: ASYNC220 (it is killed at once)
        [sys.executable, "-c", CHILD, new_url, str(second.folder), str(SOURCE), NEXT],
        env={"STOP_IN_MIGRATION": str(marker), "PATH": ""},
    )
    while not marker.exists():
        assert child.poll() is None
        await asyncio.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    store = await open_store(new_url)  # the program from before still finds its own schema
    assert (await store.room(room.id, room.principal)).message_count == 1
    await store.close()
    prepare(database(new_url, 5.0), second)
    assert query(new_url, "SELECT title_length FROM rooms") == [(8,)]
    if "://" not in new_url:
        assert query(new_url, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("revision", ["0099", "9f3c1a2b4d5e", "rev"])
async def test_a_newer_database_is_not_touched(new_url, revision):
    await fill(new_url)
    engine = database(new_url, 5.0).writing()
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
    engine.dispose()
    with pytest.raises(StoreTooNew) as refused:
        await open_store(new_url)
    assert revision in refused.value.message
    assert OURS.head in refused.value.message
    assert "backup" in refused.value.hint
    assert query(new_url, "SELECT version_num FROM alembic_version") == [(revision,)]


async def test_a_database_of_something_else_is_not_touched(new_url):
    engine = database(new_url, 5.0).writing()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE diary (day TEXT)"))
    engine.dispose()
    with pytest.raises(StoreError) as refused:
        await open_store(new_url)
    assert refused.value.code == "not_our_database"
    assert query(new_url, "SELECT count(*) FROM diary") == [(0,)]


async def test_several_starts_at_once_make_one_schema(new_url):
    stores = await asyncio.gather(*(open_store(new_url) for _ in range(4)))
    for store in stores:
        await store.commit(an_opening())
    assert [len(await store.open_entries()) for store in stores] == [4] * 4
    for store in stores:
        await store.close()


async def test_several_starts_at_once_update_once(new_url, second, monkeypatch):
    await fill(new_url)
    done = []
    monkeypatch.setattr(migrate, "upgrade", lambda *given: done.append(upgrade(*given)))
    await asyncio.gather(*(asyncio.to_thread(prepare, database(new_url, 5.0), second) for _ in range(4)))
    assert len(done) == 1
    assert query(new_url, "SELECT title_length FROM rooms") == [(8,)]


async def test_an_emptied_file_is_a_new_database(sqlite_path):
    sqlite_path.touch()
    store = await open_store(sqlite_path)
    await store.commit(an_opening())
    await store.close()
    with closing(sqlite3.connect(sqlite_path)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("password", ["$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA", None])
async def test_the_password_and_the_links_of_before_users_stay_the_owners(new_url, password):
    engine = database(new_url, 5.0).writing()
    with engine.begin() as connection:
        upgrade(connection, Migrations("0001", OURS.folder))
        if password is not None:
            value = json.dumps(password)
            connection.execute(text("INSERT INTO settings VALUES ('owner_password', :value)"), {"value": value})
        connection.execute(text("INSERT INTO settings VALUES ('theme', '\"dark\"')"))
        for name in (b"used", b"new"):
            token = {"hash": name, "used": 5 if name == b"used" else None}
            connection.execute(text("INSERT INTO sign_in_tokens VALUES (:hash, 1, 100, :used)"), token)
        session = {"hash": b"session"}
        connection.execute(text("INSERT INTO sessions VALUES (:hash, 'owner', 1, 100)"), session)
    engine.dispose()
    store = await open_store(new_url)
    (owner,) = await store.users()
    assert (owner.id, owner.role, owner.has_password) == ("owner", "owner", password is not None)
    assert (await store.credentials("owner")).hashed == password
    assert await store.settings() == {"theme": "dark"}
    assert await store.sign_in_user(b"new") == "owner"
    await store.commit(UseSignInToken(b"new", used_at=50))
    with pytest.raises(Conflict):
        await store.commit(UseSignInToken(b"used", used_at=50))
    assert await store.session(b"session", 50) == Session("owner", "owner", 1, 100)
    await store.close()
