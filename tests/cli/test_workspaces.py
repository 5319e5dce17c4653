"""Which commands begin a workspace, which bring one up to date, and which leave everything as it is."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from support.data_dirs import begin
from support.folders import content
from support.small_disk import fill, mounted
from support.talkmeter_process import run, serving
from talkmeter.app.occupancy import Occupancy
from talkmeter.store.databases import database
from talkmeter.store.migrate import OURS, Migrations, upgrade

OLDER = f"{int(OURS.head) - 1:04}"


def schema(data_dir):
    with closing(sqlite3.connect(f"file:{data_dir / 'talkmeter.db'}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


@pytest.fixture
def workspace(tmp_path):
    begin(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def older(tmp_path):
    """As a Talkmeter from before the last update left it."""
    (tmp_path / "data").mkdir(mode=0o700)
    engine = database(tmp_path / "data" / "talkmeter.db", 5.0).writing()
    with engine.begin() as connection:
        upgrade(connection, Migrations(OLDER, OURS.folder))
    engine.dispose()
    return tmp_path / "data"


READING = [
    ("usage",), ("users", "list"), ("keys", "list"), ("budgets", "list"), ("routes", "list"), ("prices", "list"),
    ("link",), ("calls", "export", "FILE"), ("backup", "FILE"), ("password", "--remove"), ("rotate-key",),
    ("forget-keys", "--yes"), ("reconcile", "--from", "2026-01-01"), ("prices", "delete", "x"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("command", READING, ids=" ".join)
@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_was_mistyped_does_not_become_a_workspace(tmp_path, command, there):
    typo = tmp_path / "typo"
    if there:
        typo.mkdir(mode=0o700)
    given = [str(tmp_path / "file.csv") if word == "FILE" else word for word in command]
    status, said, error = run(*given, data_dir=typo)
    assert (status, said) == (1, ""), error
    assert str(typo) in error
    assert typo.exists() == there
    assert not there or content(typo) == {}


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        (("password",), "correct horse 배터리\n"),
        (("prices", "add", "llama3.3", "output", "0.60"), ""),
        (("keys", "create", "laptop"), ""),
        (("users", "add", "kim"), ""),
        (("budgets", "add", "team", "5 USD"), ""),
        (("routes", "add", "fast", "sim-fast"), ""),
    ],
)
def test_what_one_sets_up_before_the_first_start_begins_one(tmp_path, command, typed):
    assert run(*command, data_dir=tmp_path / "new", stdin=typed)[0] == 0
    assert schema(tmp_path / "new") == OURS.head


def kept(data_dir):
    """Without what SQLite makes for whoever reads."""
    return {name: data for name, data in content(data_dir).items() if not name.endswith(("-shm", "-wal"))}


def test_the_doctor_changes_nothing(older):
    before = kept(older)
    said = run("doctor", "--port", "0", data_dir=older)[1]
    assert f"its schema is {OLDER}" in said
    assert kept(older) == before
    typo = older.with_name("typo")
    assert "does not exist yet" in run("doctor", "--port", "0", data_dir=typo)[1]
    assert not typo.exists()


def test_under_a_running_server_no_command_updates_the_database(older):
    held = Occupancy(older)
    held.say_where("http://localhost:1")
    try:
        for command in (("usage",), ("users", "add", "kim"), ("link",)):
            status, _, error = run(*command, data_dir=older)
            assert status == 1
            assert "restart the server first" in error
        run("doctor", "--port", "0", data_dir=older)
        assert schema(older) == OLDER
        assert not list(older.glob("*.before-*"))
    finally:
        held.release()
    assert run("users", "list", data_dir=older)[0] == 0
    assert schema(older) == OURS.head
    assert (older / f"talkmeter.db.before-{OURS.head}").exists()


def test_one_goes_back_by_the_copy_that_an_update_kept(workspace):
    file, copy = workspace / "talkmeter.db", workspace / "talkmeter.db.before-0099"
    shutil.copy(file, copy)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    status, _, error = run("usage", data_dir=workspace)
    assert status == 1
    told = f"`talkmeter restore --data-dir {copy.parent} --force {copy}`"
    assert told in error
    assert run("restore", "--force", copy, data_dir=workspace)[0] == 0
    assert run("usage", data_dir=workspace)[0] == 0
    assert schema(workspace) == OURS.head


def test_the_database_that_a_url_names_is_the_one_that_is_saved(workspace, tmp_path):
    other = tmp_path / "other.db"
    url = {"TALKMETER_DATABASE_URL": f"sqlite:///{other}"}
    assert run("usage", data_dir=workspace, **url)[0] == 1
    assert not other.exists()
    assert run("users", "add", "kim", data_dir=workspace, **url)[0] == 0
    assert run("backup", tmp_path / "copy.tar", data_dir=workspace, **url)[0] == 0
    assert run("restore", tmp_path / "copy.tar", data_dir=tmp_path / "new")[0] == 0
    assert "kim" in run("users", "list", data_dir=tmp_path / "new")[1]
    other.unlink()
    assert run("restore", "--force", tmp_path / "copy.tar", data_dir=tmp_path / "third", **url)[0] == 0
    assert "kim" in run("users", "list", data_dir=tmp_path / "third", **url)[1]
    assert not (tmp_path / "third" / "talkmeter.db").exists()


def test_a_file_left_over_is_not_taken_for_what_postgresql_holds(workspace, tmp_path):
    url = {"TALKMETER_DATABASE_URL": "postgresql://user:secret@localhost:1/talk"}
    before = content(workspace)
    for command in (("backup", tmp_path / "copy.tar"), ("restore", tmp_path / "copy.tar")):
        status, said, error = run(*command, data_dir=workspace, **url)
        assert (status, said, "pg_dump" in error, "secret" in error) == (1, "", True, False)
    assert content(workspace) == before
    assert not (tmp_path / "copy.tar").exists()


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    for command in ("usage", "serve"):
        status, _, error = run(command, data_dir=tmp_path / "file")
        assert (status, "it is a file" in error) == (2, True)


def test_a_first_start_on_a_full_disk_says_so(tmp_path):
    with mounted(tmp_path / "disk") as disk:
        fill(disk / "filler")
        with serving(disk / "data") as process:
            assert process.ended() == 1
        assert "is full" in process.output
        assert "Traceback" not in process.output


def test_a_restore_that_cannot_be_made_is_told_in_words(tmp_path):
    status, _, error = run("restore", tmp_path / "nofile", data_dir=tmp_path / "new")
    assert (status, "nofile cannot be read" in error) == (1, True)
    assert not (tmp_path / "new").exists()


def test_built_in_prices_need_no_workspace(tmp_path):
    status, said, _ = run("prices", "list", "gpt-4o", data_dir=tmp_path / "none")
    assert status == 0
    assert "gpt-4o" in said
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("place", ["data/db/own.db", "data/own.db"])
def test_a_database_below_the_data_directory_is_put_back(tmp_path, place):
    """Also where what makes way holds it, and a restore that was killed has left its copy."""
    folder, file = tmp_path / "data", tmp_path / place
    file.parent.mkdir(parents=True)
    url = {"TALKMETER_DATABASE_URL": f"sqlite:///{file}"}
    assert run("users", "add", "Kim", data_dir=folder, **url)[0] == 0
    assert run("backup", tmp_path / "b.tar", data_dir=folder, **url)[0] == 0
    assert run("users", "add", "Lee", data_dir=folder, **url)[0] == 0
    (folder / "own.db.unfinished").write_bytes(b"of before")
    status, _, error = run("restore", "--force", tmp_path / "b.tar", data_dir=folder, **url)
    assert status == 0, error
    listed = run("users", "list", data_dir=folder, **url)[1]
    assert "Kim" in listed
    assert "Lee" not in listed
    (aside,) = folder.glob("before-restore-*")
    assert len(list(aside.rglob("own.db"))) == 1
    assert not list(folder.rglob("*.unfinished"))
