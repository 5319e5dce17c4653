"""SIGKILL while sockets are told their answers: after the next start the ledger is the bill, each conversation has what
had been kept of its answer, and goes on.
"""

import asyncio
import json

import pytest

from support import books
from support.asking import Asker
from support.every_door import MODEL, Ports, open_house
from support.sockets import open_responses, open_socket

EACH = 4  # sockets of each kind
WORDS = " ".join(f"word{number}" for number in range(60))
SECONDS = 60  # far beyond what anything here takes


async def rows(simulator, count):
    """Those of the bill, once so many questions are there."""
    async with asyncio.timeout(SECONDS):
        while len(found := (await simulator.bill(wait=0))["requests"]) < count:
            await asyncio.sleep(0.02)
    assert len(found) == count
    return found


async def hears(socket, is_text):
    """Until a piece of the answer has come."""
    while not (said := is_text(await socket.frame())):
        pass
    return said


def delta_of(frame):
    event = json.loads(frame)
    return event["delta"] if event["type"] == "response.output_text.delta" else ""


@pytest.mark.parametrize("steps", [0, 6, 40])
async def test_killed_while_sockets_are_told_their_answers(tmp_path, simulator, steps):
    """steps: how many events of each answer have left the upstream."""
    await simulator.script({"gate": True, "times": 2 * EACH})
    house = await open_house(tmp_path / "data", simulator, Ports.free())
    try:
        dialects = [await open_socket(house) for _ in range(EACH)]
        responses = [await open_responses(house) for _ in range(EACH)]
        for number, socket in enumerate(dialects):
            await socket.send(f"<|ask|>$c{number}$new$say: {number} {WORDS}")
        for number, socket in enumerate(responses):
            await socket.send({"type": "response.create", "model": MODEL, "input": f"say: {number} {WORDS}"})
        await rows(simulator, 2 * EACH)
        if steps:
            await simulator.step(steps)
            said = await asyncio.gather(*(hears(socket, lambda frame: frame) for socket in dialects))
            assert [text.split()[0] for text in said] == [str(number) for number in range(EACH)]
            await asyncio.gather(*(hears(socket, delta_of) for socket in responses))
        house.server.kill()
        assert {(await socket.closed())[0] for socket in (*dialects, *responses)} == {1006}
        house = await open_house(tmp_path / "data", simulator, house.ports)
        ledger = books.entries(tmp_path / "data")
        assert {entry["outcome"] for entry in ledger.values()} == {"interrupted"}
        for number in range(EACH):
            (_, answer) = (await Asker(house).history(f"c{number}"))["messages"]
            assert answer["status"] == "interrupted"
            assert f"{number} {WORDS}".startswith(answer["text"])
            async with await open_socket(house) as socket:
                await socket.send(f"<|ask|>$c{number}$say: and on {number}")
                assert await socket.answer() == (f"and on {number}", "<|end|>")
        bill, ledger = await simulator.rows(), books.entries(tmp_path / "data")
        assert await asyncio.to_thread(house.server.terminate) == 0
    finally:
        house.server.stop()
    assert len(bill) == 3 * EACH
    assert {entry["surface"] for entry in ledger.values()} == {"websocket"}
    books.check_billed(ledger, bill, unknown=True, at_most=True, cut_words=1)
    with books.reading(tmp_path / "data") as kept:
        books.check_sound(kept)
