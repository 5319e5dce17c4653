"""Conversations are imported from the page: a file is sent, and the page asks how far it is."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from support.chatgpt_export import archive, image_part, multimodal, node, talk
from support.chatgpt_export import conversation as conversation_of
from support.folders import files_in
from support.images import png
from support.web_client import Answer
from support.web_house import House
from talkmeter.conversation.importing.importer import Importer
from talkmeter.surfaces.web import routes_imports

OpenHouse = Callable[..., Awaitable[House]]


async def send(house: House, data: bytes, name: str = "export.zip", form: str = "chatgpt", **options: Any) -> Answer:
    headers = {"Content-Type": "application/octet-stream", "X-File-Name": name, **options.pop("headers", {})}
    options.setdefault("cookie", house.cookie)
    return await house.served.send("POST", f"/api/imports?format={form}", content=data, headers=headers, **options)


async def last(house: House) -> dict[str, Any]:
    return (await house.get("/api/imports"))["import"]


async def ended(house: House) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while (found := await last(house))["state"] not in ("finished", "failed"):
            await asyncio.sleep(0.02)
    return found


def left(house: House) -> list[Path]:
    return [path for path in files_in(house.application.resolved.data_dir) if "imports" in path.parts]


async def test_a_file_is_imported_and_goes(house: House, tmp_path: Path) -> None:
    assert (await house.get("/api/imports")) == {"import": None, "limit": 2_000_000_000}
    drawn = conversation_of(
        node("q", None, "user", content=multimodal(image_part("file-1"), "look")), conversation_id="drawn", title="Drawn"
    )
    path = archive(tmp_path / "e.zip", [talk(title="Talked"), drawn], {"file-1.png": png(3, 2)})
    answer = await send(house, path.read_bytes(), "%EB%82%B4%20export.zip")
    assert answer.status == 202
    begun = answer.json()
    assert (begun["format"], begun["name"], begun["report"]) == ("chatgpt", "내 export.zip", None)
    found = await ended(house)
    assert (found["id"], found["state"], found["error"]) == (begun["id"], "finished", None)
    assert found["report"]["conversations"] == {"new": 2, "grown": 0, "known": 0, "empty": 0, "unreadable": 0}
    assert (found["report"]["images"], found["count"], found["done"] == found["total"]) == (1, 2, True)
    rooms = (await house.get("/api/rooms"))["rooms"]
    assert {room["title"] for room in rooms} == {"Talked", "Drawn"}
    assert not left(house)
    stranger = await house.served.send("GET", "/api/imports", cookie=house.stranger)
    assert stranger.json()["import"] is None


async def test_a_member_imports_into_rooms_of_their_own(house: House, tmp_path: Path) -> None:
    data = archive(tmp_path / "e.zip", [talk()]).read_bytes()
    assert (await send(house, data, cookie=house.stranger)).status == 202
    task = house.application.uploads._task
    assert task is not None
    await task
    assert (await house.get("/api/rooms"))["rooms"] == []
    theirs = await house.served.send("GET", "/api/rooms", cookie=house.stranger)
    assert len(theirs.json()["rooms"]) == 1


@pytest.mark.parametrize(
    ("form", "name", "data"),
    [
        ("chatgpt", "conversations.json", json.dumps([talk()]).encode()),
        ("easy-backend", "../../c.json", json.dumps(["User: q\n\n\nChatGPT: a<|im_end|>\n"]).encode()),
    ],
)
async def test_files_that_are_no_archive(house: House, form: str, name: str, data: bytes) -> None:
    assert (await send(house, data, name, form)).status == 202
    assert (await ended(house))["report"]["conversations"]["new"] == 1


@pytest.mark.parametrize(("form", "why"), [("chatgpt", "no zip archive"), ("tokenmeter", "is damaged"), ("easy-backend", "no zip")])
async def test_what_is_none_of_its_kind(house: House, form: str, why: str) -> None:
    assert (await send(house, b"something else" * 100, "..", form)).status == 202
    found = await ended(house)
    assert (found["state"], found["report"]) == ("failed", None)
    assert why in found["error"]["message"]
    assert found["error"]["hint"] == "Nothing has been imported."
    assert not left(house)


async def test_what_is_refused(open_house: OpenHouse, tmp_path: Path) -> None:
    house = await open_house(import_bytes=1_000, body_bytes=10_000, upload_bytes=1_000)
    answer = await send(house, b"", form="other")
    assert (answer.status, answer.json()["error"]["param"]) == (400, "format")
    assert (await send(house, bytes(1_001))).status == 413
    chunked = b"".join(b"%x\r\n%s\r\n" % (500, bytes(500)) for _ in range(3)) + b"0\r\n\r\n"
    streamed = await send(house, chunked, headers={"Transfer-Encoding": "chunked", "Content-Length": ""})
    assert (streamed.status, streamed.code) == (413, "body_too_large")
    assert (await send(house, b"", origin="http://evil.example")).status == 403
    assert (await send(house, b"", cookie="talkmeter_session=none")).status == 401
    assert await last(house) is None
    assert not left(house)
    (house.application.resolved.data_dir / "imports").write_text("in the way")
    full = await send(house, b"x")
    assert (full.status, full.code) == (507, "store_full")


async def test_one_at_a_time_and_a_stop_ends_it(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = asyncio.Event()
    take = Importer.take

    async def slowly(self: Importer, conversation: Any) -> Any:
        await held.wait()
        return await take(self, conversation)

    monkeypatch.setattr(Importer, "take", slowly)
    data = archive(tmp_path / "e.zip", [talk()]).read_bytes()
    assert (await send(house, data)).status == 202
    second = await send(house, data, cookie=house.stranger)
    assert (second.status, second.code) == (409, "import_under_way")
    await house.application.uploads.close()
    assert not left(house)
    held.set()
    assert (await send(house, data)).status == 202
    assert (await ended(house))["report"]["conversations"]["new"] == 1


async def test_a_sender_who_leaves_leaves_nothing(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes_imports, "WRITE_AT_ONCE", 10)
    _, writer = await house.served.open()
    head = (
        f"POST /api/imports?format=chatgpt HTTP/1.1\r\nHost: {house.served.host}\r\nOrigin: {house.served.origin}\r\n"
        f"Cookie: {house.cookie}\r\nContent-Length: 1000\r\n\r\n"
    )
    writer.write(head.encode() + bytes(500))
    async with asyncio.timeout(60):
        while (await last(house) or {}).get("state") != "uploading" or not left(house):
            await asyncio.sleep(0.01)
        writer.close()
        while await last(house) is not None or left(house):
            await asyncio.sleep(0.01)


async def test_what_nobody_expected_is_told(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Importer, "take", broken)
    assert (await send(house, archive(tmp_path / "e.zip", [talk()]).read_bytes())).status == 202
    assert (await ended(house))["error"]["code"] == "internal_error"
