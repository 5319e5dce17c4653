"""The gateway killed by SIGKILL at random moments under many requests at once: every request that the upstream saw has
exactly one settled entry after the next start, and none says more than the bill.

    python -m pytest tests/contracts/test_gateway_sigkill.py                                    # a few kills
    TALKMETER_GATEWAY_KILLS=100 python -m pytest tests/contracts/test_gateway_sigkill.py        # some five minutes
    TALKMETER_GATEWAY_KILLS=1000 …
    TALKMETER_SEED=7 …                                                                          # the same choices again
"""

import asyncio
import os
import random
from contextlib import suppress

import aiohttp
import pytest

from support import books
from support.browser import Browser
from support.gateway_requests import REQUESTS
from support.processes import start_server, start_simulator

KILLS = int(os.environ.get("TALKMETER_GATEWAY_KILLS", "6"))
SEED = os.environ.get("TALKMETER_SEED") or str(random.SystemRandom().randrange(1_000_000))
CLIENTS = 200
SPEEDS = ("", "@20", "@60", "@200")  # tokens per second: some answers are long on their way
FAULTS = ("no-usage", "503", "429", "cut-200", "reset-200", "crlf", "one-byte", "split-utf8", "no-done")
SLOWED = ("sim-fast", "sim-instruct")


async def client(session, url, choose):
    """Asks until the server dies; leaves now and then in the middle of an answer."""
    while True:
        request = choose.choice(REQUESTS)
        body = request.body
        for model in SLOWED:
            body = body.replace(f'"{model}"'.encode(), f'"{model}{choose.choice(SPEEDS)}"'.encode())
        headers = {"Content-Type": request.kind}
        if choose.random() < 0.15:
            headers["X-Simulate"] = f'{{"fault": "{choose.choice(FAULTS)}"}}'
        with suppress(aiohttp.ClientPayloadError):
            async with session.post(f"{url}/v1/{request.path}", data=body, headers=headers) as answer:
                if choose.random() < 0.1:
                    await answer.content.readany()
                else:
                    await answer.read()


async def live(data_dir, simulator, choose, *, first):
    """One server's life: started, asked by all at once, killed."""
    server = await asyncio.to_thread(start_server, data_dir, simulator.url)
    try:
        if first:
            async with Browser(server.url) as browser:
                await browser.sign_in(server.link)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            clients = [asyncio.create_task(client(session, server.url, choose)) for _ in range(CLIENTS)]
            await asyncio.sleep(choose.uniform(0.3, 2.0))
            await asyncio.to_thread(server.kill)
            ended = await asyncio.gather(*clients, return_exceptions=True)
        wrong = [error for error in ended if not isinstance(error, (aiohttp.ClientError, OSError))]
        assert not wrong, wrong[:3]
    finally:
        server.stop()


@pytest.mark.slow
async def test_killed_at_any_moment(tmp_path):
    print(f"TALKMETER_SEED={SEED}")
    choose = random.Random(SEED)
    simulator = start_simulator(tmp_path / "bill.jsonl")
    data_dir = tmp_path / "data"
    left_open = 0
    try:
        for number in range(KILLS):
            await live(data_dir, simulator, choose, first=number == 0)
            with books.reading_a_copy(data_dir, tmp_path / "copy") as left:
                books.check_sound(left)
                left_open += len(books.rows(left, "SELECT id FROM ledger_entries WHERE state = 'open'"))
        server = await asyncio.to_thread(start_server, data_dir, simulator.url)
        server.stop()
        ledger, bill = books.entries(data_dir), await simulator.rows()
    finally:
        simulator.stop()
    books.check_billed(ledger, bill, unknown=True, at_most=True, unseen=True)
    books.check_costs(ledger.values())
    for id_, row in bill.items():
        entry = ledger[id_]
        if entry["provenance"] in books.REPORTED and entry["billing"] == "tokens":
            assert [entry[name] for name in books.FIGURES] == [row[name] for name in books.FIGURES]
    with books.reading(data_dir) as connection:
        assert books.rows(connection, "SELECT * FROM partial_texts") == [], "texts of settled entries are forgotten"
    interrupted = [entry for entry in ledger.values() if entry["outcome"] == "interrupted"]
    assert len(interrupted) == left_open
    assert left_open >= KILLS, "the kills met hardly anything under way"
    with_text = [entry for entry in interrupted if entry["completion_tokens"]]
    print(f"{KILLS} kills, {len(ledger)} calls, {left_open} open at a kill, {len(with_text)} of them with kept text")
    assert len(ledger) > CLIENTS
