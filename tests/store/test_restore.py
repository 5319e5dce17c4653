"""Backups put back; damaged ones are known before anything is touched."""

import hashlib
import shutil
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from support.data_dirs import some_content
from support.folders import content
from support.small_disk import fill, mounted
from support.store_values import ME, a_room, an_opening
from talkmeter.conversation.changes import AddRoom
from talkmeter.errors import BadInput, StoreBusy, StoreError, StoreTooNew, TalkmeterError
from talkmeter.store import archive, open_store
from talkmeter.store.archive import DATABASE, KEY, MANIFEST, SETTINGS
from talkmeter.store.backup import check_backup, make_backup, restore_backup
from talkmeter.store.sqlite_copy import check_database


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


# Databases elsewhere, copies that updates keep, newer schemas, and what cannot be read or written


async def test_a_database_elsewhere_is_the_one_that_is_saved_and_put_back(tmp_path, data_dir):
    elsewhere = tmp_path / "disk" / "mine.db"
    for path, rooms in ((data_dir / DATABASE, 1), (elsewhere, 2)):  # the first one was left over
        store = await open_store(path, ballast=4096)
        for _ in range(rooms):
            await store.commit(AddRoom(a_room()))
        await store.close()
    file = tmp_path / "backup.tar"
    assert make_backup(data_dir, file, database=elsewhere).rows["rooms"] == 2
    target = tmp_path / "other disk" / "mine.db"
    restore_backup(file, tmp_path / "new", database=target)
    assert check_database(target)["rooms"] == 2
    assert not (tmp_path / "new" / DATABASE).exists()
    with pytest.raises(BadInput, match=r"mine\.db"):
        restore_backup(file, tmp_path / "third", database=target)
    restored = restore_backup(file, tmp_path / "third", force=True, database=target)
    assert check_database(restored.aside / "elsewhere" / "mine.db")["rooms"] == 2
    assert not list(target.parent.glob("*unfinished*"))


async def test_two_databases_of_one_name_are_both_put_aside(backup, data_dir, tmp_path):
    elsewhere = tmp_path / "disk" / DATABASE
    elsewhere.parent.mkdir()
    for path, rooms in ((data_dir / DATABASE, 2), (elsewhere, 3)):
        path.unlink(missing_ok=True)
        store = await open_store(path, ballast=4096)
        for _ in range(rooms):
            await store.commit(AddRoom(a_room()))
        await store.close()
    restored = restore_backup(backup, data_dir, force=True, database=elsewhere)
    assert check_database(restored.aside / DATABASE)["rooms"] == 2
    assert check_database(restored.aside / "elsewhere" / DATABASE)["rooms"] == 3


async def test_one_file_under_two_names_is_put_aside_once(backup, data_dir, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(data_dir)
    restored = restore_backup(backup, data_dir, force=True, database=link / DATABASE)
    assert check_database(data_dir / DATABASE)
    assert (restored.aside / DATABASE).is_file()


async def test_what_is_only_in_the_log_of_a_database_alone_comes_along(running, data_dir, tmp_path):
    await running.commit(AddRoom(a_room()))
    for end in ("", "-wal"):  # as somebody copies them beside a running server
        (tmp_path / f"copy.db{end}").write_bytes((data_dir / f"{DATABASE}{end}").read_bytes())
    assert (tmp_path / "copy.db-wal").stat().st_size
    restore_backup(tmp_path / "copy.db", tmp_path / "new")
    assert check_database(tmp_path / "new" / DATABASE)["rooms"] == 1
    assert not (tmp_path / "new" / f"{DATABASE}-wal").exists()


async def test_a_copy_of_the_database_alone_takes_its_place_and_nothing_else_moves(running, data_dir):
    await some_content(running, data_dir)
    copy = data_dir / f"{DATABASE}.before-0099"
    await running.backup(copy)
    await running.commit(AddRoom(a_room()))
    await running.close()
    with pytest.raises(BadInput, match="database already"):
        restore_backup(copy, data_dir)
    restored = restore_backup(copy, data_dir, force=True)
    assert check_database(data_dir / DATABASE)["rooms"] == 1
    assert check_database(restored.aside / DATABASE)["rooms"] == 2
    assert copy.exists()
    assert list((data_dir / "attachments").iterdir())
    assert (data_dir / KEY).exists()


async def test_a_newer_schema_is_refused_before_anything_is_changed(running, data_dir, tmp_path):
    await some_content(running, data_dir)
    await running.close()
    with closing(sqlite3.connect(data_dir / DATABASE, isolation_level=None)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    file = tmp_path / "newer.tar"
    make_backup(data_dir, file)
    before = content(data_dir)
    with pytest.raises(StoreTooNew, match=r"newer\.tar"):
        restore_backup(file, data_dir, force=True)
    assert content(data_dir) == before
    with pytest.raises(StoreTooNew):
        restore_backup(file, tmp_path / "deep" / "new")
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("there", [False, True])
def test_a_file_that_is_not_there_is_named(tmp_path, there):
    target = tmp_path / "target"
    if there:
        target.mkdir()
        (target / DATABASE).write_text("mine")
    with pytest.raises(BadInput, match=r"nofile cannot be read: No such file"):
        restore_backup(tmp_path / "nofile", target)
    assert target.exists() == there


def test_a_database_of_something_else_is_no_backup(tmp_path):
    with closing(sqlite3.connect(tmp_path / "diary.db")) as connection:
        connection.execute("CREATE TABLE diary (day TEXT)")
    with pytest.raises(BadInput, match="something else"):
        restore_backup(tmp_path / "diary.db", tmp_path / "target")
    assert not (tmp_path / "target").exists()


async def test_without_room_a_backup_says_so_and_leaves_nothing(running, data_dir, tmp_path):
    await some_content(running, data_dir)
    await running.close()
    with mounted(tmp_path / "disk") as disk:
        fill(disk / "filler")
        before = content(disk)
        with pytest.raises(BadInput, match=r"cannot be made: .*[Nn]o space left"):
            make_backup(data_dir, disk / "backup.tar")
        assert content(disk) == before
        with (disk / "filler").open("r+b") as filler:  # room for some of it only
            filler.truncate((disk / "filler").stat().st_size - 100_000)
        with pytest.raises(BadInput, match=r"cannot be made: .*[Nn]o space left"):
            make_backup(data_dir, disk / "backup.tar")
        assert not list(disk.glob("*backup*"))


async def test_without_room_nothing_is_put_back(backup, tmp_path):
    with mounted(tmp_path / "disk") as disk:
        fill(disk / "filler")
        with (disk / "filler").open("r+b") as filler:
            filler.truncate((disk / "filler").stat().st_size - 50_000)
        with pytest.raises(BadInput, match=r"cannot be put back.*No space left"):
            restore_backup(backup, disk / "new" / "data")
        assert [path.name for path in disk.iterdir()] == ["filler"]


async def test_what_fails_in_the_middle_leaves_all_as_it_was(backup, data_dir, monkeypatch):
    held = {path.relative_to(data_dir): path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}
    replace = Path.replace

    def fails(self, target):
        if Path(target).name == DATABASE and self.name.endswith("unfinished"):
            raise OSError(5, "the disk has failed")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(TalkmeterError, match="the disk has failed"):
            restore_backup(backup, data_dir, force=True)
    there = {path.relative_to(data_dir): path.read_bytes() for path in data_dir.rglob("*") if path.is_file()}
    for name in held:
        if not name.name.endswith(("-wal", "-shm")):
            assert name in there, name
    assert check_database(data_dir / DATABASE)
    restore_backup(backup, data_dir, force=True)
