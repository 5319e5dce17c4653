"""Images: the header bytes decide, the name is only a name, and what is given back can do nothing."""

import struct
from pathlib import Path

import pytest

from support.folders import content
from support.web_house import House


def png(width: int = 3, height: int = 2) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBB", 13, b"IHDR", width, height, 8, 2, 0, 0, 0) + b"\0" * 40


GIF = b"GIF89a" + struct.pack("<HH", 7, 5) + b"\x00\x00\x00"


async def test_an_image_is_kept_and_given_back_where_it_can_do_nothing(house: House):
    data = png()
    answer = await house.upload(data, "%EA%B0%80%20%EB%82%98.png")
    assert answer.status == 201
    kept = answer.json()
    assert set(kept) == {"id", "name", "mime", "bytes", "width", "height"}
    assert (kept["name"], kept["mime"], kept["bytes"]) == ("가 나.png", "image/png", len(data))
    assert (kept["width"], kept["height"]) == (3, 2)
    back = await house.send("GET", f"/api/attachments/{kept['id']}")
    assert (back.status, back.body) == (200, data)
    assert back.headers["content-type"] == "image/png"
    assert back.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert back.headers["x-content-type-options"] == "nosniff"
    cached = await house.send("GET", f"/api/attachments/{kept['id']}", headers={"If-None-Match": back.headers["etag"]})
    assert (cached.status, cached.body, back.headers["cache-control"]) == (304, b"", "private, no-cache")
    assert back.headers["content-disposition"].startswith("inline; filename*=utf-8''%EA%B0%80")


async def test_header_bytes_decide_not_the_stated_type(house: House):
    answer = await house.served.send(
        "POST",
        "/api/attachments",
        content=GIF,
        headers={"Content-Type": "text/html", "X-File-Name": "a.html"},
        cookie=house.cookie,
    )
    assert answer.status == 201
    back = await house.send("GET", f"/api/attachments/{answer.json()['id']}")
    assert back.headers["content-type"] == "image/gif"


@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html><script>alert(1)</script>", b"%PDF-1.7",
     b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBPVP8 ", b"BM" + b"\0" * 60, b"\0" * 100],
)  # fmt: skip
async def test_what_is_no_image_is_415(house: House, data: bytes):
    answer = await house.upload(data)
    assert answer.status == 415, answer.body
    assert answer.json()["error"]["message_ko"]


async def test_too_many_pixels_and_too_many_bytes(open_house):
    house = await open_house(upload_bytes=1000, upload_pixels=100)
    assert (await house.upload(png(10, 10))).status == 201
    pixels = await house.upload(png(101, 1))
    assert (pixels.status, pixels.code) == (422, "too_many_pixels")
    bomb = await house.upload(png(2**31 - 1, 2**31 - 1))
    assert bomb.status in (415, 422)
    large = await house.upload(png() + b"\0" * 1000)
    assert (large.status, large.code) == (413, "body_too_large")


@pytest.mark.parametrize(
    "name",
    ["..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd", "C%3A%5Cx.png", "a%00b.png", "a%0D%0ASet-Cookie:%20x=y", "", "%20",
     "a" * 3000, "con", ".htaccess", "%22%3E%3Cscript%3E", "%E2%80%AEgnp.exe"],
)  # fmt: skip
async def test_names_are_never_paths(house: House, name: str):
    answer = await house.upload(png(), name)
    assert answer.status == 201
    back = await house.send("GET", f"/api/attachments/{answer.json()['id']}")
    assert (back.status, back.body) == (200, png())
    assert "set-cookie" not in back.headers
    assert "\u202e" not in answer.json()["name"]
    assert files_like(house.application.resolved.data_dir, png()) == ["attachments/blob_"]


def files_like(folder: Path, data: bytes) -> list[str]:
    """Where the bytes lie, without the random part of the names."""
    return [name[: len("attachments/blob_")] for name, found in content(folder).items() if found == data]


async def test_a_name_that_is_no_text_is_400(house: House):
    assert (await house.upload(png(), "%FF%FE")).code == "bad_file_name"


async def test_an_image_goes_with_its_question_and_is_counted(house: House):
    uploaded = (await house.upload(png(64, 64))).json()
    asked = await house.ask("What is this?", attachment_ids=[uploaded["id"]])
    assert [item["name"] for item in asked["question"]["attachments"]] == ["a.png"]
    end = await house.finish(asked["run_id"])
    assert end["answer"]["status"] == "complete"
    receipt = await house.get(f"/api/entries/{end['answer']['figures']['entry_id']}/receipt")
    assert receipt["sent"][0]["image_tokens"] > 0
    shown = await house.get(f"/api/rooms/{asked['room']['id']}")
    again = shown["messages"][0]["attachments"][0]
    assert (await house.send("GET", f"/api/attachments/{again['id']}")).body == png(64, 64)
    other = await house.send("GET", f"/api/attachments/{again['id']}", cookie=house.stranger)
    assert other.status == 404
