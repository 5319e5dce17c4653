"""An answer in the making belongs to nobody's tab: reloads, second tabs, lost networks and killed servers."""

import asyncio
import contextlib
import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.cable import Cable
from support.chat_page import ChatPage, OpenPage
from support.running import Server, SimulatorProcess, said

# With characters outside the basic plane and composed ones, so that a wrong offset would show.
WORDS = "하나 둘 👩🏽‍💻 셋 넷 🇰🇷 다섯 여섯 e\u0301 일곱 여덟 𝒳 아홉 열, and then the rest of it in English."


async def begin(chat: ChatPage, simulator: SimulatorProcess, events: int, answer: str = WORDS) -> None:
    """An answer of which so many events are on the page."""
    simulator.script({"gate": True, "answer": answer})
    await chat.ask("Tell me something I can interrupt")
    # In a thread: the question may still be on its way, over a cable that this event loop carries.
    await asyncio.to_thread(simulator.step, events)
    await expect(chat.words()).to_have_text(said(answer, events))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.02)


def persisted(data_dir: Path) -> str:
    """The text of the only run that has reached the disk."""
    with contextlib.closing(sqlite3.connect(f"file:{data_dir}/talkmeter.db?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT data FROM run_events WHERE kind = 'delta' ORDER BY seq").fetchall()
    return "".join(json.loads(data)["text"] for (data,) in rows)


async def let_end(chat: ChatPage, simulator: SimulatorProcess) -> None:
    simulator.step(1000)
    await expect(chat.finished).to_have_count(1)


async def test_a_reload_in_mid_stream_loses_nothing(chat: ChatPage, simulator: SimulatorProcess) -> None:
    await begin(chat, simulator, 6)
    await chat.page.reload()
    await expect(chat.words()).to_have_text(said(WORDS, 6))
    await expect(chat.answer()).to_have_attribute("aria-busy", "true")
    simulator.step(3)
    await expect(chat.words()).to_have_text(said(WORDS, 9))
    await let_end(chat, simulator)
    await expect(chat.words()).to_have_text(WORDS)
    assert (await chat.messages())[-1]["text"] == WORDS


async def test_two_tabs_show_the_same_answer_at_once(
    chat: ChatPage, open_page: OpenPage, simulator: SimulatorProcess
) -> None:
    await begin(chat, simulator, 5)
    second = await open_page(f"/room/{chat.room_id}", beside=chat)
    stranger = await open_page(f"/room/{chat.room_id}")  # another browser of the same person
    tabs = (chat, second, stranger)
    for more, events in ((0, 5), (1, 6), (2, 8), (4, 12)):
        simulator.step(more)
        for tab in tabs:
            await expect(tab.words()).to_have_text(said(WORDS, events))
    await let_end(chat, simulator)
    for tab in tabs:
        await expect(tab.finished).to_have_count(1)
        await expect(tab.words()).to_have_text(WORDS)
    figures = [await tab.figure(tab.answer()).inner_text() for tab in tabs]
    assert len(set(figures)) == 1


async def test_a_question_asked_in_one_tab_appears_in_the_other(chat: ChatPage, open_page: OpenPage) -> None:
    await chat.asked("The first question")
    second = await open_page(f"/room/{chat.room_id}", beside=chat)
    await expect(second.finished).to_have_count(1)
    await chat.asked("The second question")
    await expect(second.questions).to_have_count(2)
    await expect(second.finished).to_have_count(2)
    await expect(second.bubble()).to_have_text("The second question")


@pytest.mark.parametrize("cut_after", [None, 700, 1500])
async def test_a_lost_network_loses_and_doubles_no_character(
    open_page: OpenPage, server: Server, simulator: SimulatorProcess, cut_after: int | None
) -> None:
    """cut_after: the line breaks again, in the middle of the bytes, while the answer is being replayed."""
    async with Cable(server.port) as cable:
        chat = await open_page(at=cable.origin)
        chat.watch.allow("ERR_CONNECTION", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_NETWORK", "ERR_EMPTY_RESPONSE")
        text = WORDS * 8
        await begin(chat, simulator, 5, text)
        before = said(text, 5)
        cable.pull()
        simulator.step(150)  # the answer goes on without this browser
        await expect(chat.page.get_by_text("Connection lost")).to_be_visible()
        await expect(chat.words()).to_have_text(before)
        cable.cut_after = cut_after
        await cable.plug_in()
        if cut_after is not None:
            await until(lambda: cable.cut_after is None)
            await cable.plug_in()
        await expect(chat.words()).not_to_have_text(before)
        await let_end(chat, simulator)
        await expect(chat.words()).to_have_text(text)
        await expect(chat.page.get_by_text("Connection lost")).to_have_count(0)


async def test_a_browser_that_is_offline_asks_once_it_is_back(chat: ChatPage, simulator: SimulatorProcess) -> None:
    chat.watch.allow("ERR_INTERNET_DISCONNECTED")
    await chat.context.set_offline(True)
    await chat.ask("say: asked without a network")
    await expect(chat.page.get_by_text("Sending…")).to_be_visible()
    await chat.context.set_offline(False)
    await expect(chat.finished).to_have_count(1)
    messages = await chat.messages()
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert simulator.row(messages[-1]["figures"]["entry_id"])["outcome"] == "finished"


async def test_a_killed_server_leaves_an_interrupted_answer_that_can_be_had_again(
    open_page: OpenPage, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    upstream = {
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": simulator.base_url,
        "TALKMETER_DEFAULT_MODEL": "sim-fast@0",
    }
    with Server(tmp_path, environment=upstream) as mortal:
        chat = await open_page(signed_in=False, at=mortal.origin)
        chat.watch.allow("ERR_CONNECTION", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_EMPTY_RESPONSE", "ERR_NETWORK")
        await chat.page.goto(mortal.link)
        await begin(chat, simulator, 12)
        before = said(WORDS, 12).strip()
        await until(lambda: before in persisted(tmp_path))
        mortal.kill()
    with Server(tmp_path, port=mortal.port, environment=upstream):
        note = chat.answer().get_by_text("Interrupted and billed")
        await expect(note).to_be_visible(timeout=20_000)
        await expect(chat.words()).to_have_text(re.compile(rf"^\s*{re.escape(before)}"))
        receipt = await chat.entry()
        assert receipt["provenance"] == "counted"
        await chat.shot("interrupted")
        await chat.page.reload()
        await expect(note).to_be_visible()
        await chat.answer().get_by_role("button", name="Regenerate").click()
        await expect(chat.answer().get_by_role("group", name="Versions")).to_contain_text("2/2")
        await expect(chat.finished).to_have_count(1)
        await expect(note).to_have_count(0)
        assert (await chat.messages())[-1]["status"] == "complete"
