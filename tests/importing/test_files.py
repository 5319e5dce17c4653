"""Archives that are made to do harm are refused; nothing outside what was named is read."""

import zipfile
from datetime import UTC, datetime

import pytest

from support.chatgpt_export import archive, talk
from talkmeter.errors import BadInput, TooLarge
from talkmeter.importing import files
from talkmeter.importing.files import Archive, Folder, open_files, read


@pytest.mark.parametrize("name", ["../conversations.json", "/etc/x", "a/../../x", "..\\x", "C:\\x", "C:x"])
async def test_a_name_that_leads_out(take, rooms, tmp_path, name):
    path = archive(tmp_path / "export.zip", [talk()], {name: b"x"})
    with pytest.raises(BadInput, match="leads out of the archive"):
        await take("chatgpt", path)
    assert not await rooms()


async def test_a_bomb(take, rooms, tmp_path):
    path = archive(tmp_path / "export.zip", [talk()], {"conversations-001.json": b" " * (4 << 20)})
    with pytest.raises(BadInput, match="200 times its size"):
        await take("chatgpt", path)
    assert not await rooms()


def test_a_bomb_that_lies_about_its_size(tmp_path):
    path = archive(tmp_path / "export.zip", [], {"file-1.png": b" " * (4 << 20)})
    data = path.read_bytes()
    size = (4 << 20).to_bytes(4, "little")
    assert data.count(size) == 2, "in the file's own header and in the list at the end"
    path.write_bytes(data.replace(size, (1000).to_bytes(4, "little")))
    opened = open_files(path)
    with pytest.raises(BadInput, match="cannot be read"):
        read(opened, "file-1.png", 1 << 20)
    opened.close()


def test_what_is_encrypted(tmp_path):
    path = archive(tmp_path / "export.zip", [])
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(BadInput, match="encrypted"):
        Archive(path)


def test_what_is_no_archive_or_is_not_there(tmp_path):
    (tmp_path / "e.zip").write_bytes(b"PK\x05\x06")
    with pytest.raises(BadInput, match="no zip archive") as refused:
        open_files(tmp_path / "e.zip")
    assert refused.value.message_ko.startswith("e.zip은(는) 읽을 수 있는 zip 파일이 아닙니다.")
    with pytest.raises(BadInput, match="no file"):
        open_files(tmp_path / "none.zip")


async def test_a_damaged_member_of_an_archive_changes_nothing(take, rooms, tmp_path):
    path = archive(tmp_path / "export.zip", [talk(str(number)) for number in range(50)])
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BadInput):
        await take("chatgpt", path)
    assert not await rooms()


def test_too_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_FILES", 3)
    with pytest.raises(BadInput, match="more than 3 files"):
        open_files(archive(tmp_path / "export.zip", [], {str(each): b"" for each in range(3)}))
    (tmp_path / "many").mkdir()
    for each in range(4):
        (tmp_path / "many" / str(each)).write_bytes(b"")
    with pytest.raises(BadInput, match="more than 3 files"):
        open_files(tmp_path / "many")


def test_links_are_not_followed_and_depth_has_an_end(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "file-1.png").write_bytes(b"secret")
    folder = tmp_path / "export"
    (folder / "a" / "b" / "c").mkdir(parents=True)
    for inside in ("x", "a/x", "a/b/x", "a/b/c/x"):
        (folder / inside).write_bytes(b"")
    (folder / "linked").symlink_to(tmp_path / "secret")
    (folder / "file-1.png").symlink_to(tmp_path / "secret" / "file-1.png")
    assert Folder(folder).names == ("a/b/x", "a/x", "x")


def test_a_file_may_only_have_so_many_bytes(tmp_path):
    (tmp_path / "x").write_bytes(b"12345")
    opened = open_files(tmp_path)
    assert read(opened, "x", 5) == b"12345"
    with pytest.raises(TooLarge):
        read(opened, "x", 4)


def test_when_a_file_of_an_archive_was_changed(tmp_path):
    path = tmp_path / "e.zip"
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(zipfile.ZipInfo("good", (2024, 2, 3, 4, 5, 6)), b"")
        out.writestr(zipfile.ZipInfo("bad", (2024, 2, 0, 4, 5, 6)), b"")
    opened = open_files(path)
    assert opened.changed_at("good") == int(datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp()) * 1_000_000
    assert opened.changed_at("bad") == 0
    opened.close()
