"""Several processes answer /v1: whichever of them is killed, the ledger is the simulator's bill.

TALKMETER_KILLS=100 python -m pytest tests/contracts/test_workers.py    # as many kills of a worker; 6 without
"""

import asyncio
import json
import os
import signal
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest

from support import books
from support.browser import Browser
from support.processes import command, start_server, start_simulator
from support.worker_processes import Client, children, gone

KILLS = int(os.environ.get("TALKMETER_KILLS", "6"))
ANSWER = "하나 둘 셋 넷 다섯 여섯 일곱 여덟 아홉 열"
BROKEN = (aiohttp.ClientError, ConnectionError)


def asked(answer=ANSWER, *, stream=True, **more):
    body = {"model": "sim-fast", "messages": [{"role": "user", "content": f"say: {answer}"}], **more}
    return body | {"stream": True, "stream_options": {"include_usage": True}} if stream else body


class Street:
    """A server with workers, and its upstream."""

    def __init__(self, folder, simulator, workers):
        self.data_dir = folder / "data"
        self.simulator = simulator
        self.flags = ("--workers", str(workers))
        self.server = None

    async def start(self):
        self.server = await asyncio.to_thread(start_server, self.data_dir, self.simulator.url, flags=self.flags)
        return self.server

    async def clients(self, stack, count, key=None):
        """So many connections, and more until every worker has one."""
        made = []
        while len(made) < count or not self.ready() <= {client.pid for client in made}:
            client = await stack.enter_async_context(Client(self.server, key))
            while (await client.call(asked("x")))[0] == 401:  # a key that was made just now
                await asyncio.sleep(0.02)
            made.append(client)
            assert len(made) < count + 50
        return made

    async def settled(self, count=0):
        """The ledger, once at least so many entries are there and none is open."""
        async with asyncio.timeout(60):
            while True:
                ledger = books.entries(self.data_dir)
                if len(ledger) >= count and all(entry["state"] == "settled" for entry in ledger.values()):
                    return ledger
                await asyncio.sleep(0.02)

    async def all_workers(self, count):
        """Once so many workers live and answer."""
        async with asyncio.timeout(60):
            while len(self.ready()) < count:
                await asyncio.sleep(0.02)

    def ready(self):
        lines = [json.loads(line) for line in self.server.log.read_text().splitlines() if "worker_ready" in line]
        return {line["pid"] for line in lines} & set(children(self.server))


@pytest.fixture
async def street_of(tmp_path):
    simulator = start_simulator(tmp_path / "bill.jsonl")
    streets = []

    async def make(workers):
        street = Street(tmp_path, simulator, workers)
        streets.append(street)
        await street.start()
        return street

    yield make
    for street in streets:
        street.server.stop()
        print(*street.server.log.read_text().splitlines()[-20:], sep="\n")  # shown of a test that has failed
    simulator.stop()


def check(ledger, bill):
    """What was finished is the bill to the token; what was interrupted is no more than it; nothing is only in one."""
    assert set(bill) <= set(ledger)
    interrupted = 0
    for id_, entry in ledger.items():
        row = bill.get(id_)
        if entry["outcome"] == "interrupted":
            interrupted += 1
            if entry["provenance"] == "unknown":  # killed before anything was counted: it does not claim to know
                assert [entry[name] for name in books.FIGURES] == [None, None]
                continue
            assert row is None or entry["completion_tokens"] <= row["completion_tokens"]
            assert row is None or row["status"] is None or entry["prompt_tokens"] == row["prompt_tokens"]
        else:
            figures = [row[name] for name in books.FIGURES]
            assert [entry[name] for name in books.FIGURES] == figures, (entry["outcome"], entry["provenance"], row)
    return interrupted


async def test_mixed_requests_over_workers_are_the_bill(street_of):
    street = await street_of(2)
    async with AsyncExitStack() as stack:
        clients = await street.clients(stack, 8)
        assert {client.pid for client in clients} == set(children(street.server))

        async def talk(client):
            assert (await client.call(asked()))[0] == 200
            assert (await client.call(asked(stream=False)))[0] == 200
            status, _ = await client.call({"model": "sim-embedding", "input": ["하나", "둘"]}, "embeddings")
            assert status == 200
            status, _ = await client.call({"model": "sim-fast", "input": "say: 하나 둘"}, "responses")
            assert status == 200
            async with await client.begin(asked()) as leaves:
                leaves.close()  # the rest is read for the bill

        await asyncio.gather(*(talk(client) for client in clients))
        bill = await street.simulator.rows()
        ledger = await street.settled(len(bill))
        assert street.server.terminate() == 0
    books.check_equal(ledger, bill)
    with books.reading(street.data_dir) as left:
        books.check_sound(left)


@pytest.mark.slow
async def test_a_worker_killed_again_and_again(street_of):
    street = await street_of(2)
    interrupted = 0
    for number in range(KILLS):
        await street.all_workers(2)
        async with AsyncExitStack() as stack:
            clients = await street.clients(stack, 6)
            await street.simulator.script({"gate": True, "times": len(clients)})
            answers = await asyncio.gather(*(client.begin(asked()) for client in clients))
            await street.simulator.step(number)
            victim = sorted(children(street.server))[number % 2]
            os.kill(victim, signal.SIGKILL)
            await gone(victim)
            rest = [answer for client, answer in zip(clients, answers, strict=True) if client.pid != victim]
            broken = [answer for client, answer in zip(clients, answers, strict=True) if client.pid == victim]
            assert broken
            assert rest
            for answer in broken:
                with pytest.raises(BROKEN):
                    await answer.read()
            while any(row["outcome"] == "running" for row in (await street.simulator.bill(wait=0))["requests"]):
                await street.simulator.step(1000)
            for answer in rest:  # the other worker's clients notice nothing
                assert (await answer.read()).endswith(b"data: [DONE]\n\n")
            interrupted += len(broken)
        await street.simulator.script()
    bill = await street.simulator.rows()
    ledger = await street.settled(len(bill))
    assert check(ledger, bill) == interrupted
    assert street.server.process.poll() is None
    assert street.server.terminate() == 0


async def test_the_main_process_killed_takes_its_workers_along_and_the_next_start_settles(street_of):
    street = await street_of(2)
    for _ in range(2):
        workers = children(street.server)
        async with AsyncExitStack() as stack:
            clients = await street.clients(stack, 4)
            await street.simulator.script({"gate": True, "times": len(clients)})
            answers = await asyncio.gather(*(client.begin(asked()) for client in clients))
            await street.simulator.step(3)
            street.server.kill()
            for answer in answers:
                with pytest.raises(BROKEN):
                    await answer.read()
            for pid in workers:
                await gone(pid)
        left_open = {id_ for id_, entry in books.entries(street.data_dir).items() if entry["state"] == "open"}
        assert len(left_open) >= 4
        await street.start()
        ledger = books.entries(street.data_dir)
        assert {ledger[id_]["outcome"] for id_ in left_open} == {"interrupted"}
        await street.simulator.script()
    bill = await street.simulator.rows()
    assert check(await street.settled(len(bill)), bill) >= 8
    assert street.server.terminate() == 0


async def test_a_stop_lets_workers_finish_or_settle_what_is_under_way(street_of):
    street = await street_of(2)
    async with AsyncExitStack() as stack:
        clients = await street.clients(stack, 2)
        await street.simulator.script({"gate": True, "times": len(clients)})
        answers = await asyncio.gather(*(client.begin(asked()) for client in clients))
        street.server.process.send_signal(signal.SIGTERM)
        await street.simulator.step(1000)
        for answer in answers:
            assert (await answer.read()).endswith(b"data: [DONE]\n\n")
    assert await asyncio.to_thread(street.server.wait) == 0
    books.check_equal(books.entries(street.data_dir), await street.simulator.rows())


async def test_a_hundred_calls_over_three_workers_race_for_a_budget_for_ten(street_of):
    street = await street_of(3)
    data_dir = str(street.data_dir)

    async def talkmeter(*arguments):
        done = await asyncio.to_thread(command, *arguments, "--data-dir", data_dir)
        assert done.returncode == 0, done.stderr
        return done.stdout

    key = json.loads(await talkmeter("keys", "create", "racer", "--json"))
    await talkmeter("budgets", "add", "ten", "1000000 tokens", "--period", "total", "--key", key["key"]["id"])
    body = asked(max_completion_tokens=200)
    async with AsyncExitStack() as stack:
        clients = await street.clients(stack, 100, key["token"])
        await clients[0].call(body)
        ledger = await street.settled()
        (last,) = [entry for entry in ledger.values() if entry["max_output_tokens"] == 200]
        worst = json.loads(last["reservations"])["budgets"][0]["amount"]
        with books.reading(street.data_dir) as left:
            spent = books.rows(left, "SELECT sum(spent) n FROM budget_periods")[0]["n"]
        await talkmeter("budgets", "change", "ten", "--amount", f"{spent + 10 * worst} tokens")
        await street.simulator.script({"gate": True, "times": 100})
        answers = await asyncio.gather(*(client.begin(body) for client in clients))
        statuses = [answer.status for answer in answers]
        assert (statuses.count(200), statuses.count(429)) == (10, 90)
        assert len({client.pid for client in clients}) == 3
        for answer in answers:
            answer.close()
        await street.simulator.script()
        while any(row["outcome"] == "running" for row in (await street.simulator.bill(wait=0))["requests"]):
            await street.simulator.step(1000)
    bill = await street.simulator.rows()
    books.check_equal(await street.settled(len(bill)), bill)
    with books.reading(street.data_dir) as left:
        counter = books.rows(left, "SELECT sum(spent) spent, sum(reserved) reserved FROM budget_periods")[0]
    assert counter["reserved"] == 0
    assert counter["spent"] <= spent + 10 * worst


async def test_an_answer_of_another_worker_is_found_at_once(street_of):
    """While it streams, and right after it has come: a member reaches the own response through any process."""
    street = await street_of(2)
    data_dir = str(street.data_dir)
    for arguments in (("users", "add", "kim"), ("users", "add", "lee")):
        assert command(*arguments, "--data-dir", data_dir).returncode == 0
    keys = []
    for user in ("kim", "lee"):
        made = command("keys", "create", user, "--user", user, "--json", "--data-dir", data_dir)
        keys.append(json.loads(made.stdout)["token"])
    async with AsyncExitStack() as stack:
        mine = await street.clients(stack, 4, keys[0])
        others = await street.clients(stack, 1, keys[1])
        here = mine[0]
        there = next(client for client in mine if client.pid != here.pid)
        body = {"model": "sim-fast@20", "input": f"say: {ANSWER}", "background": True, "stream": True}
        stream = await here.begin(body, "responses")
        begun = json.loads((await stream.content.readuntil(b"\n\n")).partition(b"data: ")[2])["response"]["id"]
        assert (await others[0].call({}, f"responses/{begun}/cancel"))[0] == 404, "it is nobody else's"
        assert (await there.call({}, f"responses/{begun}/cancel"))[0] == 200
        await stream.read()
        for number in range(20):
            status, made = await here.call({"model": "sim-fast", "input": f"say: {number}"}, "responses")
            assert status == 200, made
            assert await there.get(f"/v1/responses/{json.loads(made)['id']}") == 200
    await street.settled()


async def test_a_revoked_key_opens_no_worker(street_of):
    street = await street_of(2)
    data_dir = str(street.data_dir)
    made = command("keys", "create", "short", "--json", "--data-dir", data_dir)
    key = json.loads(made.stdout)
    async with AsyncExitStack() as stack:
        clients = await street.clients(stack, 4, key["token"])
        assert [await client.get("/v1/models") for client in clients] == [200] * len(clients)
        revoked = command("keys", "revoke", key["key"]["id"], "--data-dir", data_dir)
        assert revoked.returncode == 0, revoked.stderr
        async with asyncio.timeout(60):
            for client in clients:
                while await client.get("/v1/models") == 200:
                    await asyncio.sleep(0.02)
                assert await client.get("/v1/models") == 401


async def test_the_page_and_its_streams_through_workers(street_of):
    street = await street_of(2)
    async with Browser(street.server.url) as browser:
        await browser.sign_in(street.server.link)
        await street.simulator.script({"gate": True, "answer": ANSWER})
        acknowledged = await browser.ask("say it", room={"model": "sim-fast"})
        async with browser.following(acknowledged["run_id"]) as following:
            await street.simulator.step(3)
            await following.until(1)  # what has been said is here while the rest is not said yet
            await street.simulator.step(1000)
            ended = [event async for event in following][-1]
        assert ended.data["answer"]["text"] == ANSWER
        assert (await browser.get("/api/session"))["signed_in"]
    async with Client(street.server) as client:  # one connection for programs and page, in turn
        assert await client.get("/v1/models") == 200
        assert await client.get("/healthz") == 200
        assert await client.get("/v1/models") == 200
        assert await client.get("/metrics") == 200  # its own address has come along: this machine
    workers = children(street.server)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    async with Browser(street.server.url) as browser:  # the main process stands in
        assert (await browser.send("GET", "/healthz")).status == 200
        assert (await browser.send("GET", "/v1/models")).status == 200
    await street.settled(1)
    with suppress(ProcessLookupError):
        for pid in workers:
            await gone(pid)
    assert street.server.terminate() == 0


async def test_time_outs_of_a_providers_own_hold_in_every_worker(street_of):
    """From when they are set on the page, which the main process serves: each phase, and again once they change."""
    street = await street_of(2)
    hurried = {"headers": 2, "first_token": 2, "silence": 2}
    async with Browser(street.server.url) as browser:
        await browser.sign_in(street.server.link)
        given = {"name": "Own", "base_url": street.simulator.url, "timeouts": hurried}
        own = (await browser.send("POST", "/api/providers", given)).json()["id"]
        await everywhere(
            street, (200, None), {404, 504}, stream=False
        )  # 404: of the other provider, which has no such model
        await everywhere(street, (504, "headers"), stream=False, fault="hang-headers")
        await everywhere(street, (200, "first_token"), gate=True)
        await everywhere(street, (200, "silence"), fault="hang-stream")
        changed = await browser.send("PATCH", f"/api/providers/{own}", {"timeouts": dict.fromkeys(hurried, 60)})
        assert changed.status == 200
        await everywhere(street, (200, None), {504}, stream=False, delay=4)
    ledger = await street.settled()
    said = [entry["error"] for entry in ledger.values() if entry["provider_name"] == "Own" and entry["error"]]
    for phase in ("headers", "first token", "silence"):
        assert len([one for one in said if f"(time-out: {phase})" in one]) >= 2


async def everywhere(street, expected, before=frozenset(), **asking):
    """Asks until each worker has answered just that: status, and phase that ran out. before: statuses until it knows."""
    left = set(children(street.server))
    async with asyncio.timeout(120):
        while left:
            async with Client(street.server) as client:
                found = await phase_of(client, **asking)
            if found[0] not in before:
                assert found == expected
                left.discard(client.pid)


async def phase_of(client, *, stream=True, **simulate):
    answer = await client.begin(asked(model="Own/sim-fast", stream=stream, simulate=simulate))
    body = b""
    async with answer:
        with suppress(aiohttp.ClientPayloadError):
            async for piece in answer.content.iter_any():
                body += piece
    last = body.removesuffix(b"data: [DONE]\n\n").rpartition(b"data: ")[2]
    return answer.status, json.loads(last).get("error", {}).get("talkmeter", {}).get("phase")
