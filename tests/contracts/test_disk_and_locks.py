"""What a data directory can meet: another process's lock, a full or failing disk, a move, a missing, a broken, a newer
database, a second server. Nothing goes upstream that could not be written down, and nothing stays half-written.
"""

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
from dataclasses import dataclass

import pytest

from support import books
from support.browser import Browser
from support.processes import NotStarted, Server, SimulatorProcess, start_server
from support.small_disk import fill

SIM = {"model": "sim-fast"}


@dataclass
class House:
    server: Server
    simulator: SimulatorProcess
    browser: Browser

    @property
    def data_dir(self):
        return self.server.data_dir

    async def gated(self, answer="하나 둘 셋 넷 다섯", steps=3):
        """An answer in the middle of being written."""
        await self.simulator.script({"gate": True, "answer": answer})
        asked = await self.browser.ask("now", room=SIM)
        await self.simulator.step(steps)
        return asked

    async def try_to_ask(self, text, **more):
        return await self.browser.send(
            "POST", "/api/ask", {"room_id": None, "client_id": os.urandom(8).hex(), "text": text, "room": SIM, **more}
        )

    async def check_books(self):
        bill = await self.simulator.rows()
        while books.unfinished(self.data_dir):
            await asyncio.sleep(0.02)
        books.check_equal(books.entries(self.data_dir), bill)


@contextlib.asynccontextmanager
async def house(data_dir, simulator, cookie=None):
    server = start_server(data_dir, simulator.url)
    try:
        async with Browser(server.url, cookie) as browser:
            if cookie is None:
                await browser.sign_in(server.link)
            yield House(server, simulator, browser)
    finally:
        server.stop()


@pytest.fixture
async def home(tmp_path, simulator):
    async with house(tmp_path / "data", simulator) as made:
        yield made


def texts(data_dir):
    with books.reading(data_dir) as connection:
        return {row["text"] for row in books.rows(connection, "SELECT text FROM messages")}


# Locks


async def test_another_process_holds_the_database(home):
    """As a backup or a sqlite3 shell would: refused after a while with 503, whole, and well again afterwards."""
    running = await home.gated()
    with contextlib.closing(sqlite3.connect(home.data_dir / "talkmeter.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused, ready = await asyncio.gather(
            home.try_to_ask("too early", client_id="once"), home.browser.send("GET", "/readyz")
        )
        assert (refused.status, refused.code) == (503, "store_busy")
        assert int(refused.headers["retry-after"]) > 0
        assert (ready.status, ready.json()["reasons"]) == (503, ["store_busy"])
        assert len(await home.simulator.rows(wait=0)) == 1
        # Reading goes on, and so does the answer that is being written.
        assert (await home.browser.get(f"/api/rooms/{running['room']['id']}"))["room"]["running"]
        await home.simulator.step(1000)
        assert "too early" not in texts(home.data_dir)
        other.execute("ROLLBACK")
    assert (await home.browser.finish(running["run_id"])).kind == "finished"
    again = await home.try_to_ask("too early", client_id="once")
    assert again.status == 202
    await home.browser.finish(again.json()["run_id"])
    assert (await home.browser.send("GET", "/readyz")).status == 200
    await home.check_books()


async def test_a_second_server_is_refused(home):
    with pytest.raises(NotStarted) as refused:
        await asyncio.to_thread(start_server, home.data_dir, home.simulator.url)
    assert refused.value.status == 2
    assert f"Talkmeter already runs on the data directory {home.data_dir} ({home.server.url})." in refused.value.text
    assert "Traceback" not in refused.value.text
    await home.browser.finish((await home.browser.ask("say: still here", room=SIM))["run_id"])


# The disk


async def until_refused(home):
    """Asks until there is no room for a question. Those before it were acknowledged, so they must be there."""
    for number in range(50):
        text = f"{number} " + "word " * 20_000
        reply = await home.try_to_ask(text)
        if reply.status != 202:
            return reply
        await home.browser.finish(reply.json()["run_id"])
    raise AssertionError("the disk does not get full")


async def test_a_full_disk(small_disk, simulator):
    """New questions are refused before anything is sent; what runs is settled on the room kept for it."""
    async with house(small_disk / "data", simulator) as home:
        running = await home.gated()
        fill(small_disk / "filler")
        refused = await until_refused(home)
        assert (refused.status, refused.code) == (507, "store_full")
        sent = len(await home.simulator.rows(wait=0))
        for _ in range(3):
            refused = await home.try_to_ask("short")
            assert (refused.status, refused.code) == (507, "store_full")
        assert (await home.browser.send("GET", "/readyz")).json() == {"ready": False, "reasons": ["store_full"]}
        await home.simulator.step(1000)
        assert (await home.browser.finish(running["run_id"])).kind == "finished"
        assert len(await home.simulator.rows()) == sent
        await home.check_books()
        (small_disk / "filler").unlink()
        await well_again(home)


async def test_a_disk_that_is_so_full_that_nothing_can_be_settled(small_disk, simulator):
    """An answer that has ended waits for room; its entry is settled then, with the right figures, once."""
    async with house(small_disk / "data", simulator) as home:
        running = await home.gated()
        fill(small_disk / "filler")
        assert (await until_refused(home)).status == 507
        fill(small_disk / "filler")  # the room that was kept, too
        with contextlib.closing(sqlite3.connect(home.data_dir / "talkmeter.db")) as other:
            with pytest.raises(sqlite3.OperationalError, match="full"):
                while True:
                    other.execute("CREATE TABLE x AS SELECT randomblob(100000) AS y")
            await home.simulator.step(1000)
            await home.simulator.rows()
            await asyncio.sleep(0.5)
            waiting = [one for one in books.entries(home.data_dir).values() if one["run_id"] == running["run_id"]]
            assert [one["state"] for one in waiting] == ["open"]
        (small_disk / "filler").unlink()
        assert (await home.browser.finish(running["run_id"])).kind == "finished"
        await well_again(home)


async def well_again(home):
    """There is room again: nobody need restart anything."""
    async with asyncio.timeout(60):
        while (reply := await home.try_to_ask("say: again")).status == 507:
            await asyncio.sleep(0.1)
    assert reply.status == 202
    end = await home.browser.finish(reply.json()["run_id"])
    assert (end.kind, end.data["answer"]["text"]) == ("finished", "again")
    assert (await home.browser.send("GET", "/readyz")).status == 200
    await home.check_books()
    with books.reading(home.data_dir) as left:
        books.check_sound(left)


def limit_files(process, size):
    """From now on the process cannot make a file longer than this: writing fails as on a failing disk."""
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, hard))


async def test_a_failing_disk(home):
    """It says so and stops taking questions, however often they come; the next start has everything."""
    asked = await home.browser.ask("say: before", room=SIM)
    await home.browser.finish(asked["run_id"])
    running = await home.gated()
    async with home.browser.following(running["run_id"]) as following:
        await following.until(1)
        limit_files(home.server.process, 1)
        refused = await home.try_to_ask("too late")
        assert (refused.status, refused.code) == (503, "store_broken")
        assert "restart" in refused.json()["error"]["hint"]
        limit_files(home.server.process, resource.RLIM_INFINITY)
        refused = await home.try_to_ask("still too late")  # what failed once is not trusted again
        assert (refused.status, refused.code) == (503, "store_broken")
        assert (await home.browser.send("GET", "/readyz")).json()["reasons"] == ["store_broken"]
        assert len(await home.simulator.rows(wait=0)) == 2
        await home.simulator.step(1000)
    cookie = home.browser.cookie
    assert await asyncio.to_thread(home.server.terminate, 90) == 0
    async with house(home.data_dir, home.simulator, cookie) as next_one:
        assert (await next_one.browser.finish(asked["run_id"])).data["answer"]["text"] == "before"
        assert (await next_one.browser.finish(running["run_id"])).kind == "interrupted"
        assert {"too late", "still too late"} & texts(home.data_dir) == set()
        again = await next_one.browser.ask("say: after", room=SIM)
        await next_one.browser.finish(again["run_id"])
        ledger, bill = books.entries(home.data_dir), await next_one.simulator.rows()
        assert set(ledger) == set(bill)
        assert {entry["state"] for entry in ledger.values()} == {"settled"}
        assert {id_: entry["prompt_tokens"] for id_, entry in ledger.items()} == {
            id_: row["prompt_tokens"] for id_, row in bill.items()
        }


# The directory


async def talked(data_dir, simulator):
    """A data directory with an answer and a stored provider; the session that saw them."""
    async with house(data_dir, simulator) as home:
        provider = {"name": "Mine", "base_url": simulator.url, "key": "sk-secret-of-mine-0001"}
        stored = (await home.browser.send("POST", "/api/providers", provider)).json()
        asked = await home.browser.ask("say: kept", room={**SIM, "provider_id": stored["id"]})
        await home.browser.finish(asked["run_id"])
        cookie = home.browser.cookie
        assert await asyncio.to_thread(home.server.terminate) == 0
    return asked, cookie


async def test_a_directory_that_is_moved(tmp_path, simulator):
    asked, cookie = await talked(tmp_path / "data", simulator)
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    async with house(tmp_path / "elsewhere", simulator, cookie) as home:
        assert (await home.browser.finish(asked["run_id"])).data["answer"]["text"] == "kept"
        again = await home.browser.again(asked["question"]["id"])  # with the provider whose key was sealed there
        assert (await home.browser.finish(again["run_id"])).kind == "finished"
        await home.check_books()


@pytest.mark.parametrize("killed", [False, True])
async def test_a_database_that_is_deleted(tmp_path, simulator, killed):
    data_dir = tmp_path / "data"
    asked, cookie = await talked(data_dir, simulator)
    if killed:  # with a write-ahead log beside it that belongs to the deleted one
        async with house(data_dir, simulator, cookie) as home:
            await home.browser.finish((await home.browser.again(asked["question"]["id"]))["run_id"])
            home.server.kill()
        assert (data_dir / "talkmeter.db-wal").stat().st_size > 0
    (data_dir / "talkmeter.db").unlink()
    async with house(data_dir, simulator) as home:
        async with Browser(home.server.url, cookie) as old:
            assert (await old.send("GET", "/api/rooms")).code == "not_signed_in"
        assert (await home.browser.get("/api/rooms"))["total"] == 0
        assert (await home.browser.send("GET", f"/api/rooms/{asked['room']['id']}")).status == 404
        new = await home.browser.ask("say: anew", room=SIM)
        assert (await home.browser.finish(new["run_id"])).data["answer"]["text"] == "anew"
        with books.reading(data_dir) as left:
            books.check_sound(left)


async def test_a_database_of_a_newer_talkmeter(tmp_path, simulator):
    data_dir = tmp_path / "data"
    await talked(data_dir, simulator)
    with contextlib.closing(sqlite3.connect(data_dir / "talkmeter.db")) as newer, newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
    before = (data_dir / "talkmeter.db").read_bytes()
    with pytest.raises(NotStarted) as refused:
        await asyncio.to_thread(start_server, data_dir, simulator.url)
    assert refused.value.status == 1
    assert "was written by a newer Talkmeter (its schema is 9999, this program knows" in refused.value.text
    assert "Use the newer Talkmeter, or restore a backup from before the update" in refused.value.text
    assert "Traceback" not in refused.value.text
    assert (data_dir / "talkmeter.db").read_bytes() == before


@pytest.mark.parametrize("damage", ["rubbish", "cut"])
async def test_a_database_that_is_none(tmp_path, simulator, damage):
    data_dir = tmp_path / "data"
    await talked(data_dir, simulator)
    whole = (data_dir / "talkmeter.db").read_bytes()
    broken = b"this is no database at all\n" * 1000 if damage == "rubbish" else whole[:-40_000]
    (data_dir / "talkmeter.db").write_bytes(broken)
    with pytest.raises(NotStarted) as refused:
        await asyncio.to_thread(start_server, data_dir, simulator.url)
    assert refused.value.status == 1
    assert f"The database {data_dir / 'talkmeter.db'}" in refused.value.text
    assert "Traceback" not in refused.value.text
    assert (data_dir / "talkmeter.db").read_bytes() == broken
