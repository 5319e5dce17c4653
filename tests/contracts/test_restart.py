"""A restart in the middle of fifty answers: whoever follows again gets the rest or the marked interruption, whoever
waits is answered afterwards, and nothing is billed twice.
"""

import asyncio
from contextlib import suppress

import aiohttp
import pytest

from support import books
from support.browser import Browser
from support.processes import start_server

PAGES, WAITING, PROGRAMS = 20, 10, 20
SIM = {"model": "sim-fast@20"}
GONE = (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError)


def words(number):
    """Some are over in a moment, some need far longer than they are given."""
    return f"w{number}" if number % 4 == 0 else " ".join(f"w{number}x{index}" for index in range(120))


async def follow(browser, asked):
    """(what was seen, the kind of the last event) until the server lets go."""
    async with browser.following(asked["run_id"]) as following:
        with suppress(*GONE):
            async for _ in following:
                pass
        return following.text, following.kinds[-1]


async def call(session, url, number, begun):
    """Whether the answer of a program came to its end."""
    body = {**SIM, "stream": True, "messages": [{"role": "user", "content": f"say: {words(number)}"}]}
    try:
        async with session.post(f"{url}/v1/chat/completions", json=body) as answer:
            assert answer.status == 200
            read = await answer.content.readany()
            begun.append(number)
            async for piece in answer.content.iter_any():
                read += piece
    except GONE:
        return False
    return read.endswith(b"data: [DONE]\n\n")


async def stop_in_the_middle(server, browser, session):
    """The questions, what became of their followers, and which programs were answered whole."""
    asked = [await browser.ask(f"say: {words(number)}", room=SIM) for number in range(PAGES)]
    waiting = [await browser.ask("say: later", one["room"]["id"], room=None) for one in asked[:WAITING]]
    followers = [asyncio.create_task(follow(browser, one)) for one in (*asked, *waiting)]
    begun = []
    calls = [asyncio.create_task(call(session, server.url, number, begun)) for number in range(PROGRAMS)]
    async with asyncio.timeout(60):
        while len(begun) < PROGRAMS:
            await asyncio.sleep(0.02)
    assert await asyncio.to_thread(server.terminate) == 0
    return asked, waiting, await asyncio.gather(*followers), await asyncio.gather(*calls)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
async def test_a_restart_in_the_middle_of_fifty_answers(simulator, tmp_path, workers):
    data_dir, flags = tmp_path / "data", ("--shutdown-seconds", "2", "--workers", str(workers))
    server = await asyncio.to_thread(start_server, data_dir, simulator.url, flags=flags)
    try:
        async with Browser(server.url) as browser, aiohttp.ClientSession() as session:
            cookie = await browser.sign_in(server.link)
            asked, waiting, followed, whole = await stop_in_the_middle(server, browser, session)
        states = {one["state"] for one in books.entries(data_dir).values()}
        assert states == {"settled"}
        ends = dict(zip([one["run_id"] for one in (*asked, *waiting)], followed, strict=True))
        assert {end for _, end in ends.values()} <= {"finished", "interrupted", "restarting"}
        assert [end for _, end in ends.values()].count("interrupted") > 0
        assert sum(whole) < PROGRAMS
        server = await asyncio.to_thread(start_server, data_dir, simulator.url, flags=flags)
        async with Browser(server.url, cookie) as browser:
            for one in (*asked, *waiting):
                seen, end = ends[one["run_id"]]
                last = await browser.finish(one["run_id"])
                text = last.data["answer"]["text"]
                if end == "restarting":
                    assert last.kind == "finished", "it waited, and was answered after the restart"
                else:
                    assert (last.kind, text) == (end, seen), "what was marked stays as it was"
        assert await asyncio.to_thread(server.terminate) == 0
        await check(data_dir, simulator, len(asked) + len(waiting))
    finally:
        server.stop()


async def check(data_dir, simulator, runs):
    """One entry for each request that the upstream saw, one for each run; no figure above the bill."""
    bill, ledger = await simulator.rows(), books.entries(data_dir)
    assert set(bill) <= set(ledger)
    of_runs = [one["run_id"] for one in ledger.values() if one["run_id"] is not None]
    assert len(of_runs) == len(set(of_runs)) == runs
    assert len(ledger) == runs + PROGRAMS
    for id_, entry in ledger.items():
        if entry["outcome"] == "interrupted":
            assert entry["completion_tokens"] <= bill[id_]["completion_tokens"]
            assert entry["prompt_tokens"] == bill[id_]["prompt_tokens"]
        else:
            assert [entry[name] for name in books.FIGURES] == [bill[id_][name] for name in books.FIGURES]
    with books.reading(data_dir) as left:
        books.check_sound(left)


async def test_who_waits_is_told_that_it_continues_after_the_restart(simulator, tmp_path):
    server = await asyncio.to_thread(
        start_server, tmp_path / "data", simulator.url, flags=("--shutdown-seconds", "0.5")
    )
    try:
        async with Browser(server.url) as browser:
            await browser.sign_in(server.link)
            await simulator.script({"gate": True})
            first = await browser.ask("say: one", room=SIM)
            second = await browser.ask("say: two", first["room"]["id"])
            async with browser.following(second["run_id"]) as following:
                ending = asyncio.create_task(asyncio.to_thread(server.terminate))
                events = [event async for event in following]
            assert await ending == 0
        assert events[-1].kind == "restarting"
        assert "continues after the restart" in events[-1].data["message"]
        assert events[-1].id == events[-2].id, "who follows again misses nothing by it"
    finally:
        server.stop()
