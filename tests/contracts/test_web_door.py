"""The contract at the page's door: whatever happens to a client, to the upstream or to the server, each call has one
settled entry, the sum is the simulator's bill, and every acknowledged message is there.

Entries and bill are compared call by call over everything that this file has done so far, after each test.
"""

import asyncio
import contextlib
import socket
import struct

import pytest

from support import books
from support.browser import GONE, Browser, text_of
from support.processes import start_server

TEXT = "하나 둘 셋 네 다섯"
QUESTION = f"say: {TEXT}"
EVENTS = 9  # of the simulator's stream for TEXT: role, five pieces of text, finish, usage, [DONE]
SIM = {"model": "sim-fast"}


@pytest.fixture
async def browser(street):
    async with street.browser() as made:
        yield made
    await street.check_books()


async def gated(street, browser, steps=0, room_id=None):
    """Asks a question whose answer comes event by event, `steps` of them so far."""
    await street.simulator.script({"gate": True})
    asked = await browser.ask(QUESTION, room_id, **({} if room_id else {"room": SIM}))
    await street.simulator.step(steps)
    return asked


async def release(simulator):
    """Lets everything that is held back go."""
    await simulator.step(1000, wait=0.1)


async def written(street, asked):
    """How many characters of the answer the upstream has written."""
    entry = await street.entry_of(asked)
    return (await street.simulator.rows(wait=0))[entry["id"]]["sent_text"]


async def check_kept(browser, asked, status, text=TEXT, question=QUESTION):
    """The room shows the question and the answer, and a reader who comes later gets the whole text from seq 0."""
    end = await browser.finish(asked["run_id"])
    shown = await browser.get(f"/api/rooms/{asked['room']['id']}?limit=60")
    messages = {message["id"]: message for message in shown["messages"]}
    assert messages[asked["question"]["id"]]["text"] == question
    answer = messages[asked["answer"]["id"]]
    assert (answer["status"], answer["text"]) == (status, text)
    assert end.data["answer"] == answer
    assert text_of(await browser.events(asked["run_id"])) == text
    assert shown["totals"]["open_calls"] == 0
    return answer


async def test_finished(street, browser):
    asked = await browser.ask(QUESTION, room=SIM)
    answer = await check_kept(browser, asked, "complete")
    assert answer["figures"]["provenance"] == "reported"
    entry = await street.entry_of(asked)
    assert (entry["outcome"], entry["surface"]) == ("finished", "web")


@pytest.mark.parametrize("steps", range(EVENTS + 1))
async def test_the_client_goes_at_each_event(street, browser, steps):
    asked = await gated(street, browser)
    async with browser.following(asked["run_id"]) as following:
        (released,) = await street.simulator.step(steps)
        assert released["ended"] == (steps == EVENTS)
        await following.until(await written(street, asked))
    await release(street.simulator)
    assert (await check_kept(browser, asked, "complete"))["figures"]["provenance"] == "reported"


@pytest.mark.parametrize("how", ["fin", "rst"])
async def test_the_client_goes_before_it_was_acknowledged(street, browser, how):
    """It may be there or not; if it is, it was asked once and is accounted for."""
    body = f'{{"room_id":null,"client_id":"gone-{how}","text":"{QUESTION}","room":{{"model":"sim-fast"}}}}'.encode()
    head = (
        f"POST /api/ask HTTP/1.1\r\nHost: localhost:{street.server.port}\r\nOrigin: {street.server.url}\r\n"
        f"Cookie: talkmeter_session={street.cookie}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", street.server.port)) as leaving:
        leaving.sendall(head.encode() + body)
        if how == "rst":
            leaving.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    asked = await browser.ask(QUESTION, client_id=f"gone-{how}", room=SIM)
    await check_kept(browser, asked, "complete")
    await street.entry_of(asked)


@pytest.mark.parametrize("steps", [0, 2, 5, EVENTS])
async def test_two_readers_have_the_same_answer(street, browser, steps):
    asked = await gated(street, browser)
    async with browser.following(asked["run_id"]) as first:
        await street.simulator.step(steps)
        length = await written(street, asked)
        await first.until(length)
        seen, text = first.seq, first.text
        async with browser.following(asked["run_id"]) as second:
            await second.until(length)
            assert second.text == text
        await release(street.simulator)
        async for _ in first:
            pass
        assert first.text == TEXT
    late = await browser.events(asked["run_id"], after=seen)  # a reader that lost its connection there
    rebuilt = text
    for event in late:
        assert event.id > seen
        if event.kind == "delta":
            rebuilt = rebuilt[: event.data["offset"]] + event.data["text"]
    assert rebuilt == TEXT
    await check_kept(browser, asked, "complete")


@pytest.mark.parametrize("fault", ["cut", "reset"])
@pytest.mark.parametrize("bytes_", [0, 200, 700, 1500])
async def test_the_upstream_drops(street, browser, fault, bytes_):
    await street.simulator.script({"fault": fault, "after_bytes": bytes_})
    asked = await browser.ask(QUESTION, room=SIM)
    end = await browser.finish(asked["run_id"])
    assert end.kind == "failed"
    answer = await check_kept(browser, asked, "failed", text=end.data["answer"]["text"])
    assert TEXT.startswith(answer["text"])
    assert answer["error"]["code"] == "upstream_broke"
    assert answer["figures"]["provenance"] == "counted"


@pytest.mark.parametrize("fault", ["401", "429", "500", "503", "error-in-200"])
async def test_the_upstream_refuses(street, browser, fault):
    asked = await browser.ask(QUESTION, room={"model": f"sim-fault-{fault}"})
    end = await browser.finish(asked["run_id"])
    answer = await check_kept(browser, asked, "failed", text=end.data["answer"]["text"])
    assert answer["error"]["status"] == (200 if fault == "error-in-200" else int(fault))
    again = await browser.again(asked["question"]["id"])  # a call of its own, with an entry of its own
    await browser.finish(again["run_id"])
    assert (await street.entry_of(again))["id"] != (await street.entry_of(asked))["id"]


@pytest.mark.parametrize(
    ("fault", "provenance", "tokens"),
    [("no-usage", "counted", None), ("zero-usage", "reported", 0), ("usage-twice", "reported", None)],
)
async def test_usage_that_is_missing_or_zero(street, browser, fault, provenance, tokens):
    asked = await browser.ask(QUESTION, room={"model": f"sim-fault-{fault}"})
    figures = (await check_kept(browser, asked, "complete"))["figures"]
    assert figures["provenance"] == provenance
    if tokens is None:
        assert figures["prompt_tokens"] == figures["preflight_tokens"] > 0
    else:
        assert (figures["prompt_tokens"], figures["completion_tokens"]) == (tokens, tokens)


@pytest.mark.parametrize("steps", range(EVENTS + 1))
async def test_stop_and_drain_at_each_event(street, browser, steps):
    asked = await gated(street, browser)
    async with browser.following(asked["run_id"]) as following:
        await street.simulator.step(steps)
        await following.until(await written(street, asked))
        shown = following.text
        await browser.stop(asked["run_id"], "drain")
        await release(street.simulator)
    end = await browser.finish(asked["run_id"])
    assert end.kind in ("stopped", "finished")  # it may have been at its end already
    answer = await check_kept(browser, asked, end.data["answer"]["status"], text=shown)
    assert answer["figures"]["provenance"] == ("drained" if end.kind == "stopped" else "reported")


@pytest.mark.parametrize("steps", range(1, EVENTS + 1))
async def test_stop_and_cut_at_each_event(street, browser, steps):
    """Before the first event nobody can tell whether the upstream has begun: test_every_fault.py has that."""
    asked = await gated(street, browser)
    async with browser.following(asked["run_id"]) as following:
        await street.simulator.step(steps)
        await following.until(await written(street, asked))
        shown = following.text
        await browser.stop(asked["run_id"], "cut")
        with contextlib.suppress(*GONE):
            async for _ in following:
                pass
    end = await browser.finish(asked["run_id"])
    answer = await check_kept(browser, asked, end.data["answer"]["status"], text=shown)
    assert answer["status"] in ("stopped", "complete")
    assert answer["figures"]["provenance"] in ("counted", "reported")


async def test_a_question_that_waits_is_answered_in_its_turn(street, browser):
    asked = await gated(street, browser, 3)
    waiting = await browser.ask("say: 그다음", asked["room"]["id"])
    assert waiting["answer"]["status"] == "queued"
    unsent = await browser.ask("say: 아니요", asked["room"]["id"])
    await browser.stop(unsent["run_id"], "cut")
    assert (await browser.finish(unsent["run_id"])).kind == "stopped"
    await release(street.simulator)
    await browser.finish(waiting["run_id"])
    await check_kept(browser, asked, "complete")
    await check_kept(browser, waiting, "complete", "그다음", "say: 그다음")
    ledger = books.entries(street.server.data_dir).values()
    assert [one for one in ledger if one["run_id"] == unsent["run_id"]] == []


async def test_a_room_that_is_deleted_in_the_middle(street, browser):
    asked = await gated(street, browser, 4)
    async with browser.following(asked["run_id"]) as following:
        await following.until(await written(street, asked))
        assert (await browser.send("DELETE", f"/api/rooms/{asked['room']['id']}")).status == 204
    assert (await browser.send("GET", f"/api/rooms/{asked['room']['id']}")).code == "room_not_found"
    assert (await street.entry_of(asked))["outcome"] == "stopped"


@pytest.mark.parametrize("grace", ["0", "20"])
@pytest.mark.parametrize("steps", [1, 4])
async def test_sigterm_in_the_middle(simulator, tmp_path, steps, grace):
    """Without grace the answer is interrupted and settled before the end; with enough of it, it is finished."""
    data_dir, flags = tmp_path / "data", ("--shutdown-seconds", grace)
    server = start_server(data_dir, simulator.url, flags=flags)
    try:
        async with Browser(server.url) as browser:
            cookie = await browser.sign_in(server.link)
            await simulator.script({"gate": True})
            asked = await browser.ask(QUESTION, room=SIM)
            waiting = await browser.ask("say: 그다음", asked["room"]["id"])
            async with browser.following(asked["run_id"]) as following:
                await simulator.step(steps)
                (row,) = (await simulator.rows(wait=0)).values()
                await following.until(row["sent_text"])
                seen = following.text
                ending = asyncio.create_task(asyncio.to_thread(server.terminate))
                if grace != "0":
                    await new_ones_are_turned_away(server)
                    await release(simulator)
                with contextlib.suppress(*GONE):
                    async for _ in following:
                        pass
                assert await ending == 0
        assert {one["state"] for one in books.entries(data_dir).values()} == {"settled"}
        await simulator.script({"gate": True})
        server = start_server(data_dir, simulator.url, flags=flags)
        async with Browser(server.url, cookie) as browser:
            newest = await browser.ask("say: 마지막", asked["room"]["id"])
            assert newest["answer"]["status"] == "queued", "it must not overtake the one that waits"
            await simulator.step(1000)
            await browser.finish(waiting["run_id"])
            await check_last(browser, newest)
            if grace == "0":
                answer = await check_kept(browser, asked, "interrupted", seen)
                assert answer["figures"]["provenance"] == "counted"
            else:
                await check_kept(browser, asked, "complete")
            await check_kept(browser, waiting, "complete", "그다음", "say: 그다음")
        books.check_equal(books.entries(data_dir), await simulator.rows())
    finally:
        server.stop()


async def check_last(browser, newest):
    await browser.finish(newest["run_id"])
    await check_kept(browser, newest, "complete", "마지막", "say: 마지막")


async def new_ones_are_turned_away(server):
    """Once it is ending, the server takes no new connections."""
    async with asyncio.timeout(60):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            except ConnectionError:
                return
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            await asyncio.sleep(0.02)
