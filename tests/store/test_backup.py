"""Backups: made under load, whole, verified, without the key unless asked for."""

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from support.data_dirs import add_image, some_content
from support.folders import content
from support.store_values import ME, a_message, a_room, a_settlement, an_opening
from talkmeter.conversation.changes import AddMessage, AddRoom, DeleteRoom
from talkmeter.errors import BadInput, StoreError
from talkmeter.store import open_store, sqlite_copy
from talkmeter.store.archive import DATABASE, KEY, SETTINGS
from talkmeter.store.backup import check_backup, make_backup, restore_backup
from talkmeter.store.migrate import OURS
from talkmeter.store.sqlite_copy import check_database, copy_database


async def test_a_backup_brings_everything_back_but_the_key(running, data_dir, tmp_path):
    image, opening = await some_content(running, data_dir)
    file = tmp_path / "backup.tar"
    manifest = await asyncio.to_thread(make_backup, data_dir, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(manifest.files) == {DATABASE, f"attachments/{image.file}"}
    assert manifest.rows["ledger_entries"] == 2
    assert (manifest.revision, manifest.missing, manifest.has_key) == (OURS.head, (), False)
    assert check_backup(file) == manifest

    restored = restore_backup(file, tmp_path / "elsewhere")
    assert (restored.manifest, restored.aside) == (manifest, None)
    again = await open_store(tmp_path / "elsewhere" / DATABASE)
    assert await again.entry(opening.id) == await running.entry(opening.id)
    assert len(await again.open_entries()) == 1
    assert len(await again.attachments([image.id], ME)) == 1
    await again.close()
    here, there = (folder / "attachments" / image.file for folder in (data_dir, tmp_path / "elsewhere"))
    assert there.read_bytes() == here.read_bytes()
    assert not (tmp_path / "elsewhere" / KEY).exists()


async def test_the_key_goes_along_when_asked_for(running, data_dir, tmp_path):
    await some_content(running, data_dir)
    file = tmp_path / "backup.tar"
    manifest = make_backup(data_dir, file, include_key=True)
    assert manifest.has_key
    restore_backup(file, tmp_path / "elsewhere")
    for name in (KEY, SETTINGS):
        assert (tmp_path / "elsewhere" / name).read_bytes() == (data_dir / name).read_bytes()
    assert (tmp_path / "elsewhere" / KEY).stat().st_mode & 0o777 == 0o600


async def test_without_the_flag_no_byte_of_the_key_is_in_the_file(running, data_dir, tmp_path):
    key = os.urandom(32)
    (data_dir / KEY).write_bytes(key)
    make_backup(data_dir, tmp_path / "without.tar")
    make_backup(data_dir, tmp_path / "with.tar", include_key=True)
    assert key not in (tmp_path / "without.tar").read_bytes()
    assert key in (tmp_path / "with.tar").read_bytes()


async def test_a_backup_under_load_is_one_moment_of_it(running, data_dir, tmp_path):
    """Each commit writes a room and an entry; a backup that had one without the other would be no moment at all."""
    stop = asyncio.Event()
    written = 0

    async def write(task):
        nonlocal written
        while not stop.is_set():
            room = a_room()
            opening = an_opening(room_id=room.id)
            await running.commit(AddRoom(room), opening)
            await running.commit(a_settlement(opening))
            if written % 50 == 0:
                await add_image(running, data_dir, a_room(id=f"room_{task}_{written}"))
            written += 1

    await add_image(running, data_dir)
    tasks = [asyncio.create_task(write(number)) for number in range(8)]
    for number in range(3):
        while written < 20 * number:
            await asyncio.sleep(0.01)
        before = written
        await asyncio.to_thread(make_backup, data_dir, tmp_path / f"{number}.tar")
        restore_backup(tmp_path / f"{number}.tar", tmp_path / f"restored-{number}")
        path = tmp_path / f"restored-{number}" / DATABASE
        with closing(sqlite3.connect(path)) as connection:
            (torn,) = connection.execute(
                "SELECT count(*) FROM ledger_entries WHERE room_id NOT IN (SELECT id FROM rooms)"
            ).fetchone()
            named = {name for (name,) in connection.execute("SELECT file FROM attachments WHERE room_id IS NOT NULL")}
            (entries,) = connection.execute("SELECT count(*) FROM ledger_entries").fetchone()
        assert torn == 0
        assert entries >= before
        there = {path.name for path in (tmp_path / f"restored-{number}" / "attachments").iterdir()}
        assert named <= there
    stop.set()
    await asyncio.gather(*tasks)


async def test_writing_goes_on_while_the_copy_is_made(sqlite, tmp_path, monkeypatch):
    loop = asyncio.get_running_loop()
    count = sqlite_copy._count_rows
    meanwhile = an_opening()
    waiting = [meanwhile]

    def count_then_commit(connection):
        counted = count(connection)
        if waiting:  # the snapshot has begun, the copy has not
            asyncio.run_coroutine_threadsafe(sqlite.commit(waiting.pop()), loop).result()
        return counted

    monkeypatch.setattr(sqlite_copy, "_count_rows", count_then_commit)
    rows = await sqlite.backup(tmp_path / "copy.db")
    assert rows["ledger_entries"] == 0
    assert check_database(tmp_path / "copy.db") == rows
    assert (await sqlite.entry(meanwhile.id)).opening == meanwhile


async def test_an_attachment_that_is_gone_is_named(running, data_dir, tmp_path):
    image = await add_image(running, data_dir)
    (data_dir / "attachments" / image.file).unlink()
    manifest = make_backup(data_dir, tmp_path / "backup.tar")
    assert manifest.missing == (image.file,)
    assert check_backup(tmp_path / "backup.tar") == manifest


async def test_a_room_deleted_meanwhile_leaves_nothing_missing(running, data_dir, tmp_path, monkeypatch):
    """Its row is in the copy or its file in the archive; here the file goes right after it was put there."""
    room = a_room()
    image = await add_image(running, data_dir, room)
    copy = copy_database

    def delete_first(*given):
        (data_dir / "attachments" / image.file).unlink()
        return copy(*given)

    monkeypatch.setattr("talkmeter.store.backup.copy_database", delete_first)
    manifest = await asyncio.to_thread(make_backup, data_dir, tmp_path / "backup.tar")
    await running.commit(DeleteRoom(room.id))
    assert manifest.missing == ()
    assert f"attachments/{image.file}" in manifest.files


async def test_a_backup_needs_no_running_server_and_leaves_the_folder_as_it_was(data_dir, tmp_path):
    store = await open_store(data_dir / DATABASE, ballast=4096)
    await some_content(store, data_dir)
    await store.close()
    before = content(data_dir)
    make_backup(data_dir, tmp_path / "backup.tar")
    after = {name: data for name, data in content(data_dir).items() if not name.endswith(("-shm", "-wal"))}
    assert after == before


def test_without_a_database_there_is_nothing_to_back_up(data_dir, tmp_path):
    with pytest.raises(BadInput) as refused:
        make_backup(data_dir, tmp_path / "backup.tar")
    assert refused.value.code == "no_database"
    assert "pg_dump" in refused.value.hint


async def test_a_file_that_exists_is_not_overwritten(running, data_dir, tmp_path):
    file = tmp_path / "important.doc"
    file.write_text("important")
    with pytest.raises(BadInput) as refused:
        make_backup(data_dir, file)
    assert refused.value.code == "file_exists"
    assert file.read_text() == "important"


async def test_a_backup_that_fails_leaves_no_file(running, data_dir, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr("talkmeter.store.backup.copy_database", fail)
    with pytest.raises(BadInput, match="the disk is full"):
        make_backup(data_dir, tmp_path / "backup.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


# The database alone


async def test_the_database_alone_is_copied_while_in_use(sqlite, tmp_path):
    await sqlite.commit(AddRoom(a_room()), an_opening())
    rows = await sqlite.backup(tmp_path / "copy.db")
    assert (rows["rooms"], rows["ledger_entries"], rows["messages"]) == (1, 1, 0)
    assert check_database(tmp_path / "copy.db") == rows
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        await sqlite.backup(tmp_path / "copy.db")


async def test_a_copy_that_lacks_rows_is_not_kept(sqlite, tmp_path, monkeypatch):
    await sqlite.commit(AddRoom(a_room()))
    monkeypatch.setattr("talkmeter.store.sqlite_copy.check_database", lambda _: {"rooms": 0})
    with pytest.raises(StoreError) as refused:
        await sqlite.backup(tmp_path / "copy.db")
    assert refused.value.code == "damaged_database"
    assert not (tmp_path / "copy.db").exists()


async def test_postgres_is_backed_up_with_its_own_tools(postgres_url, tmp_path):
    store = await open_store(postgres_url)
    with pytest.raises(StoreError) as refused:
        await store.backup(tmp_path / "copy.db")
    assert "pg_dump" in refused.value.hint
    await store.close()


async def test_rows_that_refer_to_nothing_are_damage(sqlite, sqlite_path, tmp_path):
    room = a_room()
    await sqlite.commit(AddRoom(room), AddMessage(a_message(room)))
    await sqlite.close()
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM rooms")
    shutil.copy(sqlite_path, tmp_path / "torn.db")
    with pytest.raises(StoreError):
        check_database(tmp_path / "torn.db")


@pytest.mark.parametrize("place", ["no such folder", "talkmeter.sqlite"])
async def test_a_place_where_nothing_can_be_written_is_named(running, data_dir, tmp_path, place):
    (tmp_path / "talkmeter.sqlite").write_bytes(b"a file is no folder")
    file = tmp_path / place / "backup.tar"
    with pytest.raises(BadInput, match=r"backup\.tar cannot be made: (No such file|Not a directory)"):
        make_backup(data_dir, file)
