"""Answers that fail say why in the provider's words; the question stays, and can be asked again."""

import asyncio
import re

import pytest
from playwright.async_api import expect

from support.chat_page import ChatPage, OpenPage
from support.running import SimulatorProcess


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"fault": "429", "retry_after": 20},
            ["Rate limit reached for sim-fast@0", "HTTP 429", "the provider asks to wait 20 s"],
        ),
        ({"fault": "500"}, ["The server had an error while processing your request", "HTTP 500"]),
        ({"fault": "401"}, ["Incorrect API key provided", "HTTP 401"]),
        ({"fault": "refuse"}, ["connection"]),
    ],
    ids=["429", "500", "401", "refuse"],
)
async def test_a_refusal_is_told_in_the_providers_words_and_can_be_tried_again(
    chat: ChatPage, simulator: SimulatorProcess, fault: dict[str, object], words: list[str]
) -> None:
    simulator.script(fault)
    await chat.asked("say: in the end it works")
    for word in words:
        await expect(chat.answer().locator(".note.error")).to_contain_text(word, ignore_case=True)
    await chat.shot(f"failed-answer-{fault['fault']}")
    await expect(chat.bubble()).to_have_text("say: in the end it works")
    await chat.answer().get_by_role("button", name="Retry").click()
    await expect(chat.words()).to_have_text("in the end it works")
    await expect(chat.questions).to_have_count(1)
    await expect(chat.answer().get_by_role("group", name="Versions")).to_contain_text("2/2")
    rows = [row for row in simulator.bill() if row["status"] != 200 and row["prompt_tokens"]]
    assert rows == []


async def test_a_stream_that_breaks_keeps_what_arrived_and_its_bill(
    chat: ChatPage, simulator: SimulatorProcess
) -> None:
    simulator.script(
        {"fault": "cut", "after_bytes": 1500, "answer": "one two three four five six seven eight nine ten"}
    )
    await chat.asked("Will this end well?")
    await expect(chat.answer().locator(".note.error")).to_be_visible()
    receipt = await chat.entry()
    charged = simulator.row(receipt["entry_id"])
    assert charged["outcome"] == "cut"
    assert receipt["completion_tokens"] == charged["completion_tokens"] > 0
    assert receipt["provenance"] == "counted"
    await expect(chat.words()).to_contain_text("one two")
    await expect(chat.figure(chat.answer()).locator("svg.counted")).to_be_visible()
    await chat.shot("broken-answer")
    await chat.answer().get_by_role("button", name="Retry").click()
    await expect(chat.answer().locator(".markdown")).not_to_contain_text("one two")
    await expect(chat.finished).to_have_count(1)


async def test_a_parameter_that_the_model_refuses_is_reported_in_the_room(chat: ChatPage) -> None:
    await chat.choose_model("sim-reasoning@0")
    await chat.composer.get_by_role("button", name="Parameters of this conversation").click()
    panel = chat.page.get_by_role("dialog", name="Parameters of this conversation")
    await panel.get_by_label("Temperature").fill("0.3")
    await panel.get_by_label("Temperature").press("Tab")
    await chat.page.keyboard.press("Escape")
    await chat.asked("say: not with a temperature")
    await expect(chat.answer().locator(".note.error")).to_contain_text("temperature")
    await expect(chat.answer().locator(".note.error")).to_contain_text("HTTP 400")
    await chat.composer.get_by_role("button", name="Parameters of this conversation").click()
    await panel.get_by_label("Temperature").fill("")
    await panel.get_by_label("Temperature").press("Tab")
    await chat.page.keyboard.press("Escape")
    await chat.answer().get_by_role("button", name="Retry").click()
    await expect(chat.words()).to_have_text("not with a temperature")


async def test_a_parameter_out_of_its_range_says_what_is_in_it(chat: ChatPage) -> None:
    await chat.composer.get_by_role("button", name="Parameters of this conversation").click()
    panel = chat.page.get_by_role("dialog", name="Parameters of this conversation")
    for name, wrong, said in (
        ("Temperature", "3", "A number from 0 to 2."),
        ("Top P", "1.5", "A number from 0 to 1."),
        ("Max tokens", "1.5", "A whole number from 1 to 10,000,000."),
    ):
        field = panel.get_by_label(name)
        await field.fill(wrong)
        await expect(panel.get_by_text(said)).to_be_visible()
        await field.press("Tab")
        await expect(panel.get_by_text(said)).to_be_visible()
        await expect(field).to_have_attribute("aria-invalid", "true")
    await chat.shot("parameters-out-of-range")
    await panel.get_by_label("Max tokens").fill("15")
    await expect(panel.get_by_text("A whole number")).to_have_count(0)


@pytest.mark.parametrize(("locale", "begins"), [("en-US", "begins anew at"), ("ko-KR", "에 다시 시작됩니다")])
async def test_a_refusal_by_a_budget_tells_the_time_as_people_do(open_page: OpenPage, locale: str, begins: str) -> None:
    chat = await open_page(locale=locale, timezone_id="Asia/Seoul")
    body = {"name": "nothing", "amount": "0 USD", "period": "day", "scope": "instance", "scope_id": None, "hard": True}
    budget = await chat.call("POST", "/api/budgets", body)
    try:
        await chat.ask("say: too dear")
        note = chat.answer().locator(".note.error")
        await expect(note).to_contain_text(begins)
        assert not re.search(r"\dT\d", await note.inner_text())
        assert "9:00" in await note.inner_text()
    finally:
        await chat.call("DELETE", f"/api/budgets/{budget['id']}")


async def test_that_the_server_cannot_be_reached_is_said_until_it_can(chat: ChatPage) -> None:
    chat.watch.allow("ERR_FAILED")
    await chat.page.route("**/api/settings", lambda route: route.abort())
    await chat.open("/settings#appearance")
    notice = chat.page.get_by_role("region", name="Notices").get_by_text("The server cannot be reached")
    await expect(notice).to_be_visible()
    await chat.page.unroute("**/api/settings")
    await chat.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # look for news now
    await expect(notice).to_have_count(0)


async def test_no_provider_reachable(chat: ChatPage) -> None:
    provider = await chat.call("POST", "/api/providers", {"name": "Nobody home", "base_url": "http://127.0.0.1:9/v1"})
    try:
        room = {"model": "gpt-4o", "provider_id": provider["id"]}
        asked = await chat.call(
            "POST",
            "/api/ask",
            {"room_id": None, "client_id": "unreachable-1", "text": "Anybody?", "attachment_ids": [], "room": room},
        )
        await chat.open(f"/room/{asked['room']['id']}")
        note = chat.answer().locator(".note.error")
        await expect(note).to_contain_text("127.0.0.1:9")
        await expect(chat.bubble()).to_have_text("Anybody?")
        await expect(chat.answer().get_by_role("button", name="Retry")).to_be_visible()
        await chat.shot("unreachable")
    finally:
        await chat.call("DELETE", f"/api/providers/{provider['id']}")


async def test_a_question_that_cannot_be_sent_comes_back_to_the_composer(chat: ChatPage) -> None:
    chat.watch.allow("ERR_FAILED")
    await chat.page.clock.install()
    await chat.page.route("**/api/**", lambda route: route.abort())
    await chat.ask("이 질문은 사라지지 않습니다")
    await expect(chat.page.get_by_text("Sending…")).to_be_visible()
    problem = chat.composer.get_by_role("alert")
    async with asyncio.timeout(60):
        while not await problem.is_visible():  # each attempt fails in its own time; only the pauses are made short
            await chat.page.clock.run_for(4_500)
    await expect(problem).to_contain_text("The server cannot be reached")
    await expect(chat.field).to_have_value("이 질문은 사라지지 않습니다")
    await expect(chat.page.get_by_text("Sending…")).to_have_count(0)
    await chat.page.unroute("**/api/**")
    await chat.page.clock.resume()
    await chat.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # look for news now
    await expect(problem).to_contain_text("The server answers again, but this question has not been sent.")
    await chat.field.press("Enter")
    await expect(chat.finished).to_have_count(1)
    assert len(await chat.messages()) == 2


async def test_an_answer_that_got_lost_on_the_way_is_not_asked_for_twice(chat: ChatPage) -> None:
    """The server took the question, but its 202 never arrived."""
    chat.watch.allow("ERR_FAILED")
    lost = 0

    async def lose_the_first(route: object) -> None:
        nonlocal lost
        lost += 1
        if lost == 1:
            await route.fetch()  # type: ignore[attr-defined]
            await route.abort()  # type: ignore[attr-defined]
        else:
            await route.continue_()  # type: ignore[attr-defined]

    await chat.page.route("**/api/ask", lose_the_first)
    await chat.ask("say: only once")
    await expect(chat.words()).to_have_text("only once")
    await expect(chat.finished).to_have_count(1)
    assert lost == 2
    assert len(await chat.messages()) == 2
    assert (await chat.room())["totals"]["calls"] == 1
    rooms = (await chat.get("/api/rooms"))["rooms"]
    assert [room["id"] for room in rooms if room["title"] == "say: only once"] == [chat.room_id]
