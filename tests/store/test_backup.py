"""Backups: made under load, verified, put back; damaged ones are known before anything is touched."""

import asyncio
import hashlib
import os
import shutil
import sqlite3
import tarfile
from contextlib import closing

import pytest

from support.store_values import ME, a_message, a_room, a_settlement, an_attachment, an_opening
from talkmeter.conversation.changes import AddAttachment, AddMessage, AddRoom, DeleteRoom, LinkAttachments
from talkmeter.errors import BadInput, StoreBusy, StoreError
from talkmeter.store import archive, open_store
from talkmeter.store.archive import DATABASE, KEY, MANIFEST, SETTINGS
from talkmeter.store.backup import check_backup, make_backup, restore_backup
from talkmeter.store.sqlite_copy import check_database, copy_database


@pytest.fixture
def data_dir(tmp_path):
    folder = tmp_path / "data"
    (folder / "attachments").mkdir(parents=True)
    (folder / KEY).write_bytes(bytes(32))
    (folder / SETTINGS).write_text("port = 8080\n")
    return folder


@pytest.fixture
async def running(data_dir):
    store = await open_store(data_dir / DATABASE, ballast=4096)
    yield store
    await store.close()


async def add_image(store, data_dir, room=None):
    """A room with a question that has an image; gives the attachment."""
    room = room or a_room()
    question = a_message(room)
    image = an_attachment()
    (data_dir / "attachments" / image.file).write_bytes(image.id.encode() * 1000)
    await store.commit(AddRoom(room), AddMessage(question), AddAttachment(image))
    await store.commit(
        LinkAttachments(principal=ME, room_id=room.id, message_id=question.id, attachment_ids=(image.id,))
    )
    return image


async def some_content(store, data_dir):
    image = await add_image(store, data_dir)
    opening = an_opening()
    await store.commit(opening, a_settlement(opening), an_opening())
    return image, opening


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_a_backup_brings_everything_back_but_the_key(running, data_dir, tmp_path):
    image, opening = await some_content(running, data_dir)
    file = tmp_path / "backup.tar"
    manifest = await asyncio.to_thread(make_backup, data_dir, file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert set(manifest.files) == {DATABASE, f"attachments/{image.file}"}
    assert manifest.rows["ledger_entries"] == 2
    assert (manifest.revision, manifest.missing, manifest.has_key) == ("0001", (), False)
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
        before = written
        await asyncio.to_thread(make_backup, data_dir, tmp_path / f"{number}.tar")
        assert written > before  # writing went on
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
    with pytest.raises(OSError, match="full"):
        make_backup(data_dir, tmp_path / "backup.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


# Restoring


@pytest.fixture
async def backup(running, data_dir, tmp_path):
    await some_content(running, data_dir)
    await running.close()
    file = tmp_path / "backup.tar"
    make_backup(data_dir, file)
    return file


@pytest.mark.parametrize("name", ["talkmeter.db", "anything"])
async def test_a_folder_that_is_not_empty_is_refused(backup, tmp_path, name):
    target = tmp_path / "target"
    target.mkdir()
    (target / name).write_text("mine")
    with pytest.raises(BadInput) as refused:
        restore_backup(backup, target)
    assert refused.value.code == "data_dir_not_empty"
    assert content(target) == {name: b"mine"}


async def test_a_key_that_was_put_there_first_does_not_count(backup, tmp_path):
    target = tmp_path / "target"
    target.mkdir()
    for name in (KEY, SETTINGS, "talkmeter.db.server.lock"):
        (target / name).write_text("mine")
    assert restore_backup(backup, target).aside is None
    assert (target / KEY).read_text() == "mine"
    assert (target / DATABASE).exists()


async def test_what_is_no_attachment_stays_out_and_a_folder_may_be_missing(running, data_dir, tmp_path):
    await some_content(running, data_dir)
    (data_dir / "attachments" / "a folder").mkdir()
    (data_dir / "attachments" / ".unfinished upload").touch()
    image = next(path for path in (data_dir / "attachments").iterdir() if path.name.startswith("blob"))
    assert set(make_backup(data_dir, tmp_path / "1.tar").files) == {DATABASE, f"attachments/{image.name}"}
    shutil.rmtree(data_dir / "attachments")
    (data_dir / KEY).unlink()
    manifest = make_backup(data_dir, tmp_path / "2.tar", include_key=True)
    assert set(manifest.files) == {DATABASE, SETTINGS}
    assert manifest.missing == (image.name,)


async def test_a_file_that_goes_while_it_is_read_is_left_out(running, data_dir, tmp_path, monkeypatch):
    await some_content(running, data_dir)
    add = archive.Writing.add

    def gone(self, name, path):
        if name != DATABASE:
            path.unlink()
        add(self, name, path)

    monkeypatch.setattr(archive.Writing, "add", gone)
    manifest = make_backup(data_dir, tmp_path / "backup.tar")
    assert set(manifest.files) == {DATABASE}
    assert len(manifest.missing) == 1


async def test_by_force_the_former_content_is_put_aside_and_the_key_stays(backup, data_dir):
    store = await open_store(data_dir / DATABASE, ballast=4096)
    await store.commit(AddRoom(a_room()))
    await store.close()
    (data_dir / "attachments" / "blob_later").write_bytes(b"later")
    restored = restore_backup(backup, data_dir, force=True)
    assert restored.aside.parent == data_dir
    assert (restored.aside / "attachments" / "blob_later").read_bytes() == b"later"
    assert check_database(restored.aside / DATABASE)["rooms"] == 2
    assert check_database(data_dir / DATABASE) == restored.manifest.rows
    assert (data_dir / KEY).read_bytes() == bytes(32)
    assert (data_dir / SETTINGS).exists()
    assert not list(data_dir.glob(".restore-*"))
    second = restore_backup(backup, data_dir, force=True)  # what was put aside once is left alone
    assert restored.aside.exists()
    assert second.aside != restored.aside


async def test_a_key_in_the_backup_replaces_the_one_that_is_there(running, data_dir, tmp_path):
    await some_content(running, data_dir)
    await running.close()
    make_backup(data_dir, tmp_path / "backup.tar", include_key=True)
    (data_dir / KEY).write_bytes(b"other")
    restored = restore_backup(tmp_path / "backup.tar", data_dir, force=True)
    assert (data_dir / KEY).read_bytes() == bytes(32)
    assert (restored.aside / KEY).read_bytes() == b"other"


async def test_a_damaged_database_is_put_aside_like_any_other(backup, data_dir):
    (data_dir / DATABASE).write_bytes(b"\xaa" * 10_000)
    restored = restore_backup(backup, data_dir, force=True)
    assert (restored.aside / DATABASE).read_bytes() == b"\xaa" * 10_000
    assert check_database(data_dir / DATABASE) == restored.manifest.rows


async def test_a_running_talkmeter_is_not_pulled_away_from_under(backup, data_dir):
    store = await open_store(data_dir / DATABASE, ballast=4096)
    room = a_room()
    await store.commit(AddRoom(room))
    with pytest.raises(StoreBusy):
        restore_backup(backup, data_dir, force=True)
    assert await store.room(room.id, ME) == room
    await store.commit(an_opening())
    await store.close()
    assert not list(data_dir.glob("before-restore-*"))


# Damage


def rewrite(file, change):
    """Unpacks a backup, lets `change` alter name → content, and packs it again without correcting the manifest."""
    with tarfile.open(file) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}
    change(members)
    with tarfile.open(file, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            if data is None:
                info.type = tarfile.SYMTYPE
                info.linkname = "/etc/passwd"
                tar.addfile(info)
                continue
            info.size = len(data)
            with (file.parent / "part").open("w+b") as part:
                part.write(data)
                part.seek(0)
                tar.addfile(info, part)


def flip_a_bit(members):
    data = bytearray(members[DATABASE])
    data[len(data) // 2] ^= 1
    members[DATABASE] = bytes(data)


def put_first(name, data):
    def change(members):
        others = dict(members)
        members.clear()
        members[name] = data
        members.update(others)

    return change


def wrong_rows_with_right_sums(members):
    members[MANIFEST] = members[MANIFEST].replace(b'"rooms": 1', b'"rooms": 2')


def unsound_database_with_right_sums(members):
    old = hashlib.sha256(members[DATABASE]).hexdigest()
    data = bytearray(members[DATABASE])
    data[4096 * 3 : 4096 * 4] = b"\xaa" * 4096
    members[DATABASE] = bytes(data)
    members[MANIFEST] = members[MANIFEST].replace(old.encode(), hashlib.sha256(data).hexdigest().encode())


DAMAGES = {
    "a bit": flip_a_bit,
    "no database": lambda members: members.pop(DATABASE),
    "no manifest": lambda members: members.pop(MANIFEST),
    "an attachment less": lambda members: members.pop(next(name for name in members if name.startswith("attach"))),
    "an attachment more": put_first("attachments/blob_x", b"x"),
    "a path upwards": put_first("../evil", b"x"),
    "an absolute path": put_first("/tmp/evil", b"x"),
    "a path upwards below": put_first("attachments/../../evil", b"x"),
    "a link": put_first("attachments/blob_x", None),
    "another format": lambda members: members.update(
        {MANIFEST: members[MANIFEST].replace(b'"format": 1', b'"format": 2')}
    ),
    "a manifest that is none": lambda members: members.update({MANIFEST: b"{"}),
    "something after the manifest": lambda members: members.update({KEY: b"x"}),
    "wrong row counts": wrong_rows_with_right_sums,
    "a torn page": unsound_database_with_right_sums,
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_damaged_backup_is_known_and_nothing_is_touched(backup, data_dir, damage):
    rewrite(backup, DAMAGES[damage])
    before = content(data_dir)
    with pytest.raises((BadInput, StoreError)) as refused:
        check_backup(backup)
    assert refused.value.code in ("damaged_backup", "damaged_database")
    with pytest.raises((BadInput, StoreError)):
        restore_backup(backup, data_dir, force=True)
    assert content(data_dir) == before
    assert not list(data_dir.parent.glob("evil"))


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 0.95])
async def test_a_backup_that_was_cut_short_is_known(backup, part):
    data = backup.read_bytes()
    with tarfile.open(backup) as tar:
        end = max(member.offset_data + member.size for member in tar)
    backup.write_bytes(data[: int(end * part)])
    with pytest.raises(BadInput) as refused:
        check_backup(backup)
    assert refused.value.code == "damaged_backup"


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 1000, bytes(10_240)])
def test_any_other_file_is_not_a_backup(tmp_path, data):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(BadInput) as refused:
        check_backup(tmp_path / "file")
    assert refused.value.code == "damaged_backup"


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
