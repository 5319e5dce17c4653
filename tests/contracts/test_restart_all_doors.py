"""A restart in the middle of fifty answers over all doors: whoever can follow again gets the rest or the marked
interruption, whoever waited is answered afterwards, and nothing is billed twice: the ledger is the simulator's bill.
"""

import asyncio
from collections import Counter

import pytest

from support import books
from support.browser import Browser
from support.door_clients import Ask, Chat, Conversations, Dialect, Page, Program, Responses
from support.every_door import Ports, open_house

COUNTS = {Page: 10, Ask: 10, Dialect: 8, Responses: 7, Chat: 4, Conversations: 5, Program: 6}
STREAMS = sum(COUNTS.values())
WAITING = (Page, Ask, Dialect, Conversations)  # one more question each, behind an answer under way
RUNS = sum(count for kind, count in COUNTS.items() if kind.follows)  # the others' answers are no conversation's
SHUTDOWN_SECONDS = 5
SECONDS = 60  # far beyond what anything here takes


def is_short(number):
    """Whether an answer ends in the time that is left to it."""
    return number % 3 == 0


def answer_of(kind, number):
    words = 15 if is_short(number) else 100
    return f"{kind.__name__} " + " ".join(f"word{number}" for _ in range(words))


async def until(condition):
    async with asyncio.timeout(SECONDS):
        while not await condition():
            await asyncio.sleep(0.02)


async def begin(house, simulator):
    """Fifty answers, each in its middle and all of what was sent upstream heard. The text of each by its client, and the
    ids of the short ones on the bill.
    """
    await simulator.script({"gate": True, "times": STREAMS})
    made = [(kind, number) for kind, count in COUNTS.items() for number in range(count)]
    made.sort(key=lambda one: not is_short(one[1]))
    answers = {kind(house, f"say: {answer_of(kind, number)}"): answer_of(kind, number) for kind, number in made}
    clients = list(answers)
    count = sum(is_short(number) for _, number in made)
    await asyncio.gather(*(client.ask() for client in clients[:count]))
    short = [row["id"] for row in await sent(simulator, count)]
    await asyncio.gather(*(client.ask() for client in clients[count:]))
    await sent(simulator, STREAMS)
    await simulator.step(8)

    async def all_heard():
        said = sum(row["sent_text"] for row in (await simulator.bill(wait=0))["requests"])
        return sum(len(client.text) for client in clients) == said

    await until(all_heard)
    assert all(client.text for client in clients)
    return answers, short


async def sent(simulator, count):
    """The rows of the bill, once so many questions are there."""
    rows = []

    async def there():
        rows[:] = (await simulator.bill(wait=0))["requests"]
        return len(rows) >= count

    await until(there)
    assert len(rows) == count
    return rows


async def wait_behind(house, answers):
    """A further question behind a long answer, by every door that has conversations."""
    waiting = {}
    for kind in WAITING:
        before = next(one for one, text in answers.items() if type(one) is kind and len(text.split()) > 50)
        client = kind(house, f"say: later by {kind.__name__}", before.conversation_id)
        waiting[client] = f"later by {kind.__name__}"
        await client.ask()

    async def all_kept():
        return books.unfinished(house.server.data_dir) == RUNS + len(WAITING)

    await until(all_kept)
    return waiting


async def stop(house, simulator, short):
    """SIGTERM; the short answers get what they need to end, the long ones nothing more."""
    ending = asyncio.create_task(asyncio.to_thread(house.server.terminate))

    async def nobody_comes_in():
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", house.server.port)
        except ConnectionError:
            return True
        writer.close()
        return False

    await until(nobody_comes_in)
    await asyncio.gather(*(simulator.step(1000, request=id_) for id_ in short))
    assert await ending == 0


def check_told(answers, waiting, left):
    """What those who stayed were told until they were let go."""
    for client, text in answers.items():
        if client in left:
            assert client.end == "", client
        elif len(text.split()) > 50:
            assert client.end == "interrupted", client
            assert text.startswith(client.text)
        else:
            assert (client.end, client.text) == ("finished", text), client
    for client in waiting:
        assert (client.end, client.text) == ("restarting", ""), client


async def follow_again(house, answers, waiting):
    """By every door where it can be done, also after the end was told: it is told again, and nothing but it."""
    for client, text in answers.items():
        if not client.follows:
            continue
        seen = client.text
        await client.again(house)
        if len(text.split()) > 50:
            assert (client.end, client.text) == ("interrupted", seen), client
        else:
            assert (client.end, client.text) == ("finished", text), client
    for client, text in waiting.items():
        await client.again(house)
        assert (client.end, client.text) == ("finished", text), client


@pytest.mark.slow
async def test_a_restart_in_the_middle_of_fifty_answers_over_all_doors(simulator, tmp_path):
    data_dir, flags = tmp_path / "data", ("--shutdown-seconds", str(SHUTDOWN_SECONDS))
    house = await open_house(data_dir, simulator, Ports.free(), *flags)
    try:
        async with Browser(house.server.url) as browser:
            Page.cookie = await browser.sign_in(house.server.link)
        answers, short = await begin(house, simulator)
        waiting = await wait_behind(house, answers)
        left = [client for client in list(answers)[::4] if client.follows]
        for client in left:
            await client.leave()
        await stop(house, simulator, short)
        staying = [client for client in (*answers, *waiting) if client not in left]
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(client.heard() for client in staying))
        check_told(answers, waiting, left)
        assert {one["state"] for one in books.entries(data_dir).values()} == {"settled"}
        for client in staying:
            await client.close()

        house = await open_house(data_dir, simulator, house.ports, *flags)
        await follow_again(house, answers, waiting)
        bill, ledger = await simulator.rows(), books.entries(data_dir)
        assert await asyncio.to_thread(house.server.terminate) == 0
    finally:
        house.server.stop()
    books.check_equal(ledger, bill)
    assert Counter(one["surface"] for one in ledger.values()) == Counter(
        client.surface for client in (*answers, *waiting)
    )
    of_runs = [one["run_id"] for one in ledger.values() if one["run_id"] is not None]
    assert len(of_runs) == len(set(of_runs)) == RUNS + len(WAITING)
    with books.reading(data_dir) as kept:
        books.check_sound(kept)
