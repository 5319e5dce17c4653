"""Thousands of rooms, a room of thousands of messages, and figures of every origin: written before the server starts."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from playwright.async_api import Route, expect

from support.chat_page import ChatPage
from support.running import Server
from support.store_values import a_message, a_room, a_run, a_settlement, an_opening
from talkmeter.app.wiring import make_data_dir, open_database
from talkmeter.config import resolve
from talkmeter.conversation.changes import AddMessage, AddRoom, AddRun
from talkmeter.messages import Message, Room
from talkmeter.metering.cost import Cost
from talkmeter.metering.usage import Usage

ROOMS = 3_000
MESSAGES = 2_000
SECOND = 1_000_000
DAY = 86_400 * SECOND
START = 1_700_000_000 * SECOND
UNPRICED = Cost(None, (), ("local-llama: input", "local-llama: output"))
PRICED = Cost(123_000_000, ())
# provenance → what is known about the call
ORIGINS: dict[str, dict[str, Any]] = {
    "reported": {"usage": Usage(prompt_tokens=41, cached_tokens=0, completion_tokens=909), "cost": PRICED},
    "drained": {"usage": Usage(prompt_tokens=12, completion_tokens=7), "cost": PRICED, "outcome": "stopped"},
    "counted": {
        "usage": Usage(prompt_tokens=12, completion_tokens=0),
        "cost": PRICED,
        "outcome": "stopped",
        "raw_usage": None,
    },
    "estimated": {"usage": Usage(prompt_tokens=30, completion_tokens=40), "cost": UNPRICED, "raw_usage": None},
    "unknown": {"usage": None, "cost": Cost(None, ()), "outcome": "failed", "raw_usage": None},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    asyncio.run(write(folder))
    with Server(folder) as running:
        yield running


async def write(folder: Path) -> None:
    make_data_dir(folder)
    store = await open_database(resolve({"data_dir": str(folder)}, {}), begins=True)
    rooms = [
        a_room(id=f"room_{n}", title=f"Room number {n}", last_used_at=START + n * 60 * SECOND) for n in range(ROOMS)
    ]
    await store.commit(*map(AddRoom, rooms))
    await store.commit(*long_room())
    await store.commit(*room_of_origins())
    await store.close()


def long_room() -> list[Struct]:
    messages: list[Message] = []
    room = a_room(id="room_long", title="A very long talk", last_used_at=START + ROOMS * 60 * SECOND)
    for n in range(MESSAGES):
        text = f"Message {n}. " + "Some words that fill a line or two. " * (1 + n % 5)
        messages.append(
            a_message(room, messages[-1] if messages else None, id=f"msg_{n}", text=text, created_at=START + n * SECOND)
        )
    return [AddRoom(_with_leaf(room, messages[-1])), *map(AddMessage, messages)]


def room_of_origins() -> list[Struct]:
    room = a_room(id="room_origins", title="Where figures come from", last_used_at=START + 2 * ROOMS * 60 * SECOND)
    changes: list[Struct] = []
    parent: Message | None = None
    for provenance, known in ORIGINS.items():
        question = a_message(room, parent, id=f"q_{provenance}", role="user", text=f"A {provenance} question")
        answer = a_message(room, question, id=f"a_{provenance}", role="assistant", text=f"A {provenance} answer")
        run = a_run(question, answer, status="finished")
        links = {"room_id": room.id, "run_id": run.id, "question_id": question.id, "answer_id": answer.id}
        opening = an_opening(id=f"call_{provenance}", model_requested="local-llama", preflight_lines="[]", **links)
        settled = a_settlement(opening, provenance=provenance, **known)
        changes += [AddMessage(question), AddMessage(answer), AddRun(run), opening, settled]
        parent = answer
    assert parent is not None
    return [AddRoom(_with_leaf(room, parent)), *changes]


def _with_leaf(room: Room, leaf: Message) -> Room:
    return a_room(id=room.id, title=room.title, last_used_at=room.last_used_at, leaf_id=leaf.id)


async def frames(chat: ChatPage, count: int = 2) -> None:
    for _ in range(count):
        await chat.page.evaluate("new Promise(requestAnimationFrame)")


async def size(chat: ChatPage) -> int:
    return int(await chat.page.evaluate("document.querySelectorAll('*').length"))


# What the document holds now; then on to the next rooms, or up to the messages before.
_TWO_FRAMES = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
_ROOMS_AND_ON = f"""async (list) => {{
  const rooms = [...list.querySelectorAll('a')].map((link) => link.pathname)
  list.scrollBy(0, 1.4 * list.clientHeight)
  {_TWO_FRAMES}
  return rooms
}}"""
_TURNS_AND_UP = f"""async (view) => {{
  const turns = [...document.querySelectorAll('[data-turn]')].map((turn) => turn.dataset.turn)
  view.scrollBy(0, -2500)
  {_TWO_FRAMES}
  return turns
}}"""


async def test_three_thousand_rooms_scroll_in_a_small_document(chat: ChatPage) -> None:
    listing = chat.page.locator("nav.sidebar .list")
    await expect(listing.get_by_role("link", name="A very long talk")).to_be_visible()
    smallest = await size(chat)
    seen: set[str] = set()
    async with asyncio.timeout(40):
        while not {f"/room/room_{n}" for n in range(ROOMS)} <= seen:
            seen |= set(await listing.evaluate(_ROOMS_AND_ON))
    assert await listing.locator("a").count() < 100
    assert await size(chat) < smallest + 1500
    await expect(listing.get_by_role("link", name="Room number 0", exact=True)).to_be_visible()
    await listing.get_by_role("link", name="Room number 0", exact=True).click()
    await expect(chat.page.locator("header h1")).to_have_text("Room number 0")
    # The place in the list is kept.
    await expect(listing.get_by_role("link", name="Room number 0", exact=True)).to_be_in_viewport()


async def in_view(chat: ChatPage) -> tuple[str, float]:
    """The first message in view and how far its top is from the top of the view, once nothing moves any more."""
    found = await chat.page.evaluate(
        """async () => {
          const first = () => {
            const view = document.querySelector('main .view').getBoundingClientRect()
            for (const turn of document.querySelectorAll('[data-turn]')) {
              const box = turn.getBoundingClientRect()
              if (box.bottom > view.top + 1) return [turn.dataset.turn, box.top - view.top]
            }
          }
          let seen = first()
          for (let still = 0; still < 4; ) {
            await new Promise(requestAnimationFrame)
            const now = first()
            still = now[0] === seen[0] && now[1] === seen[1] ? still + 1 : 0
            seen = now
          }
          return seen
        }"""
    )
    return found[0], found[1]


async def test_a_room_of_two_thousand_messages_opens_small_and_loads_upwards(chat: ChatPage) -> None:
    await chat.open("/room/room_long")
    await expect(chat.page.get_by_text(f"Message {MESSAGES - 1}.")).to_be_in_viewport()
    assert await chat.page.locator("[data-turn]").count() <= 90
    assert await size(chat) < 4_000
    view = chat.page.locator("main .view")
    numbers: set[int] = set()
    largest = 0
    async with asyncio.timeout(60):
        while 0 not in numbers:
            turns = await view.evaluate(_TURNS_AND_UP)
            numbers |= {int(turn.removeprefix("msg_")) for turn in turns}
            largest = max(largest, len(turns))
    assert numbers == set(range(MESSAGES))
    assert largest <= 300
    assert await size(chat) < 8_000


async def test_older_messages_do_not_move_what_is_being_read(chat: ChatPage) -> None:
    await chat.open("/room/room_long")
    await expect(chat.page.get_by_text(f"Message {MESSAGES - 1}.")).to_be_in_viewport()
    view = chat.page.locator("main .view")
    held: list[Route] = []

    async def hold(route: Route) -> None:
        held.append(route)

    await chat.page.route("**/messages?before=*", hold)
    async with asyncio.timeout(60):
        while not held:
            await view.evaluate("(view) => view.scrollBy(0, -400)")
            await frames(chat)
    before = await in_view(chat)
    for _ in range(3):
        height = await view.evaluate("(view) => view.scrollHeight")
        await held.pop().continue_()
        await chat.page.wait_for_function(
            "(height) => document.querySelector('main .view').scrollHeight > height + 500", arg=height
        )
        await in_view(chat)
        after = await chat.page.evaluate(
            """(id) => document.querySelector(`[data-turn=${id}]`).getBoundingClientRect().top
              - document.querySelector('main .view').getBoundingClientRect().top""",
            before[0],
        )
        assert abs(after - before[1]) <= 2
        await view.evaluate("(view) => view.scrollBy(0, -view.scrollTop)")
        async with asyncio.timeout(60):
            while not held:
                await frames(chat)
        before = await in_view(chat)
    await chat.page.unroute_all(behavior="ignoreErrors")


async def test_figures_of_every_origin_are_told_apart(chat: ChatPage) -> None:
    await chat.open("/room/room_origins")
    for provenance in ORIGINS:
        answer = chat.page.locator(f"[data-turn=a_{provenance}]")
        await expect(answer.locator(f"button.figure svg.{provenance}")).to_be_visible()

    def shown(message: str) -> Any:
        return expect(chat.page.locator(f"[data-turn={message}] button.figure"))

    await shown("a_reported").to_contain_text("909 tokens")
    await shown("a_counted").to_contain_text("0 tokens")  # zero is a figure
    await shown("a_unknown").to_have_text("— · —", use_inner_text=True)  # missing is not
    await shown("a_estimated").to_contain_text("unpriced")
    await shown("q_estimated").to_contain_text("30 tokens")
    totals = chat.page.locator("header button.totals")
    await expect(totals).to_contain_text("+")
    await chat.shot("origins")
    await totals.click()
    sheet = chat.page.get_by_role("dialog", name="Totals of this conversation")
    await expect(sheet).to_contain_text("1 call has no price yet and is not in the cost.")
    await expect(sheet).to_contain_text("1 call has unknown usage and is not in the sums.")
    await chat.page.keyboard.press("Escape")
    sheet = await chat.open_receipt(chat.page.locator("[data-turn=a_unknown]"))
    await expect(sheet.locator(".head .sum").first).to_have_text("—", use_inner_text=True)


async def test_a_price_that_arrives_fills_in_what_had_none(chat: ChatPage) -> None:
    await chat.open("/room/room_origins")
    figures = chat.page.locator("[data-turn=a_estimated] button.figure")
    await expect(figures).to_contain_text("unpriced")
    await chat.page.get_by_role("link", name="Settings").click()
    await chat.page.get_by_role("link", name="Models & prices").click()
    await chat.page.get_by_role("searchbox").fill("local-llama")
    await chat.page.get_by_role("button", name=re.compile("^local-llama")).click()
    for unit, price, shown in (("input", "2", "$2 per 1M"), ("output", "10", "$10 per 1M")):
        await chat.page.locator("main form select").select_option(unit)
        await chat.page.get_by_label("US$ per 1M").fill(price)
        await chat.page.get_by_role("button", name="Set price").click()
        await expect(chat.page.get_by_role("cell", name=shown, exact=True)).to_be_visible()
    await chat.page.locator('a[href="/room/room_origins"]').first.click()  # the page stays: nothing is loaded anew
    await expect(figures).to_have_text("40 tokens · $0.0004", use_inner_text=True)
    await expect(chat.page.locator("[data-turn=q_estimated] button.figure")).to_contain_text("$0.00006")
    await expect(chat.page.locator("[data-turn=a_unknown] button.figure")).to_have_text("— · —", use_inner_text=True)
