"""The same questions by the page, `POST /ask`, a WebSocket and gRPC: four entries for each, with equal tokens and cost, and
the sum is the simulator's bill.
"""

import grpc

from support import books
from support.asking import Asker
from support.browser import Browser
from support.every_door import MODEL, Ports, open_house
from support.grpc_house import Client
from support.sockets import open_socket

ANSWERS = ("하나 둘 셋 넷 다섯", "one two three, and the price is $5")
SURFACES = ["web", "ask", "websocket", "grpc"]
SAME = ("prompt_tokens", "completion_tokens", "preflight_tokens", "cost_picodollars", "model_served", "provenance")


async def by_the_page(house):
    async with Browser(house.server.url) as browser:
        await browser.sign_in(house.server.link)
        room_id = None
        for answer in ANSWERS:
            room = {"room": {"model": MODEL}} if room_id is None else {}
            asked = await browser.ask(f"say: {answer}", room_id, **room)
            room_id = asked["room"]["id"]
            yield (await browser.finish(asked["run_id"])).data["answer"]["text"]


async def by_ask(house):
    conversation_id = "new"
    for answer in ANSWERS:
        reply = await Asker(house).reply(f"say: {answer}", conversation_id)
        conversation_id = reply["conversation_id"]
        yield reply["message"]


async def by_websocket(house):
    async with await open_socket(house) as socket:
        conversation_id = parent_id = "new"
        for answer in ANSWERS:
            await socket.send(f"<|ask|>${conversation_id}${parent_id}$say: {answer}")
            text, end = await socket.answer()
            _, conversation_id, parent_id = end.split("$")
            yield text


async def by_grpc(house):
    async with grpc.aio.insecure_channel(house.grpc_target) as channel:
        for answer in ANSWERS:  # one connection, one conversation
            yield (await Client(channel).text(f"say: {answer}")).partition("<|end|>")[0]


async def test_the_same_question_by_four_doors_has_the_same_figures(simulator, tmp_path):
    house = await open_house(tmp_path / "data", simulator, Ports.free())
    try:
        for door in (by_the_page, by_ask, by_websocket, by_grpc):
            assert tuple([text async for text in door(house)]) == ANSWERS
        bill, ledger = await simulator.rows(), books.entries(tmp_path / "data")
        books.check_equal(ledger, bill)
        assert books.check_costs(ledger.values()) == len(ledger) == len(ANSWERS) * len(SURFACES)
        entries = sorted(ledger.values(), key=lambda one: bill[one["id"]]["at"])
        assert [one["surface"] for one in entries] == [name for name in SURFACES for _ in ANSWERS]
        figures = [tuple(one[name] for name in SAME) for one in entries]
        for turn in range(len(ANSWERS)):
            assert len(set(figures[turn :: len(ANSWERS)])) == 1
        assert figures[1][0] > figures[0][0] > 0, "the second question has the first one before it"
        assert figures[0][3] > 0
        assert house.server.terminate() == 0
    finally:
        house.server.stop()
