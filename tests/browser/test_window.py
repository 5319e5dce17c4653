"""The history window: what goes along, what it will cost, and what to do when it does not fit."""

import asyncio
import re
from typing import Any

import pytest
from playwright.async_api import Locator, Route, expect

from support.chat_page import ChatPage, dollars, tokens
from support.running import SimulatorProcess


async def open_ladder(chat: ChatPage) -> Locator:
    await chat.composer.get_by_role("button", name=re.compile("^History sent: ")).click()
    ladder = chat.page.get_by_role("dialog", name="History sent")
    await expect(ladder.locator("ul:not(.stale) button").first).to_be_visible()
    return ladder


def rung(ladder: Locator, name: str) -> Locator:
    return ladder.locator("li", has=ladder.page.get_by_text(name, exact=True)).get_by_role("button")


async def preview(chat: ChatPage, text: str) -> dict[int, dict[str, Any]]:
    body = {"room_id": chat.room_id, "text": text, "attachment_ids": []}
    return {one["window"]: one for one in (await chat.call("POST", "/api/preview", body))["ladder"]}


async def talk(chat: ChatPage) -> None:
    """q1 a1 q2 a2."""
    await chat.asked("say: the first answer is short")
    await chat.asked("Write a table for the second answer")


def money(one: dict[str, Any]) -> str:
    low, high = dollars(one["cost_low"]), dollars(one["cost_high"])
    return low if low == high else f"{low} – {high}"


@pytest.mark.parametrize(
    ("window", "name", "sent"),
    [
        (1, "Last 1", ["user"]),
        (2, "Last 2", ["assistant", "user"]),
        (4, "Last 4", ["assistant", "user", "assistant", "user"]),
        (0, "All", ["user", "assistant", "user", "assistant", "user"]),
    ],
)
async def test_a_rung_shows_what_is_then_billed(
    chat: ChatPage, simulator: SimulatorProcess, window: int, name: str, sent: list[str]
) -> None:
    await talk(chat)
    text = "그리고 세 번째 질문은 얼마입니까?"
    await chat.type(text)
    forecast = (await preview(chat, text))[window]
    ladder = await open_ladder(chat)
    if window == 2:
        await chat.shot("ladder")
    chosen = rung(ladder, name)
    await expect(chosen.locator(".tokens")).to_have_text(tokens(forecast["prompt_tokens"]))
    await expect(chosen.locator(".money")).to_have_text(money(forecast))
    await chosen.click()
    await expect(chat.composer.get_by_role("button", name=f"History sent: {name}")).to_be_visible()
    assert (await chat.room())["room"]["window"] == window
    meter = chat.composer.locator(".meter:not(.stale)")
    await expect(meter).to_contain_text(f"Next request {tokens(forecast['prompt_tokens'])}")
    await expect(meter).to_contain_text(money(forecast))
    await chat.asked(text)
    receipt = await chat.entry()
    charged = simulator.row(receipt["entry_id"])
    assert charged["prompt_tokens"] == forecast["prompt_tokens"] == receipt["prompt_tokens"]
    assert int(forecast["cost_low"]) <= int(receipt["cost"]) <= int(forecast["cost_high"])
    assert [message["role"] for message in receipt["sent"]] == sent
    assert receipt["messages_sent"] == len(sent) == forecast["messages_sent"]
    assert len(receipt["left_out"]) == 5 - len(sent) == forecast["dropped"]


async def test_the_receipt_greys_what_was_left_out(chat: ChatPage) -> None:
    await talk(chat)
    await rung(await open_ladder(chat), "Last 2").click()
    await chat.asked("say: third")
    sheet = await chat.open_receipt(chat.answer())
    await expect(sheet.locator("ol > li.out")).to_have_count(3)
    await expect(sheet.locator("ol > li.out").first).to_contain_text("not sent")
    colours = [
        await sheet.locator(f"ol > li{kind} .excerpt").first.evaluate("(one) => getComputedStyle(one).color")
        for kind in (".out", ":not(.out)")
    ]
    assert colours[0] != colours[1]


async def test_typing_counts_the_next_request_and_never_waits_for_it(chat: ChatPage) -> None:
    await chat.field.press_sequentially("How many tokens is this?")
    await expect(chat.field).to_have_value("How many tokens is this?")
    counted = await chat.call(
        "POST", "/api/preview", {"room_id": None, "text": "How many tokens is this?", "attachment_ids": []}
    )
    one = next(one for one in counted["ladder"] if one["window"] == counted["window"])
    await expect(chat.composer.locator(".meter:not(.stale)")).to_contain_text(tokens(one["prompt_tokens"]))
    # A count that never comes leaves typing and sending alone.
    await chat.page.route("**/api/preview", lambda _route: None)
    await chat.type("say: sent without a count")
    await chat.field.press("Enter")
    await expect(chat.words()).to_have_text("sent without a count")
    await chat.page.unroute_all(behavior="ignoreErrors")


async def test_a_question_waits_for_the_choice_made_before_it(chat: ChatPage) -> None:
    await talk(chat)
    held: asyncio.Future[Route] = asyncio.get_running_loop().create_future()

    async def hold(route: Route) -> None:
        if route.request.method == "PATCH":
            held.set_result(route)
        else:
            await route.continue_()

    await chat.page.route("**/api/rooms/*", hold)
    await rung(await open_ladder(chat), "Last 1").click()
    route = await held
    await chat.ask("say: all alone")
    await expect(chat.page.get_by_text("Sending…")).to_be_visible()
    await route.continue_()
    await expect(chat.finished).to_have_count(3)
    assert (await chat.entry())["messages_sent"] == 1


async def test_a_choice_made_while_the_first_question_leaves_is_the_rooms(chat: ChatPage) -> None:
    held: asyncio.Future[Route] = asyncio.get_running_loop().create_future()

    async def hold(route: Route) -> None:
        held.set_result(route)

    await chat.page.route("**/api/ask", hold)
    await chat.ask("say: the room is being made")
    route = await held
    await rung(await open_ladder(chat), "Last 2").click()
    await expect(chat.composer.get_by_role("button", name="History sent: Last 2")).to_be_visible()
    async with chat.page.expect_response(lambda response: response.request.method == "PATCH"):
        await route.continue_()
    assert (await chat.room())["room"]["window"] == 2
    await expect(chat.composer.get_by_role("button", name="History sent: Last 2")).to_be_visible()


async def test_a_window_of_ones_own_number(chat: ChatPage) -> None:
    await talk(chat)
    ladder = await open_ladder(chat)
    await ladder.get_by_label("Another number").fill("3")
    await ladder.get_by_role("button", name="Apply").click()
    await expect(chat.composer.get_by_role("button", name="History sent: Last 3")).to_be_visible()
    await chat.page.keyboard.press("Escape")
    await chat.asked("say: third")
    assert (await chat.entry())["sent"][0]["excerpt"] == "Write a table for the second answer"


async def test_what_does_not_fit_says_so_before_sending_and_offers_what_does(
    chat: ChatPage, simulator: SimulatorProcess
) -> None:
    await chat.asked("long 60000")
    await chat.asked("say: a short one")
    await chat.choose_model("gpt-4")
    await rung(await open_ladder(chat), "All").click()
    text = "Does this fit?"
    await chat.type(text)
    limit = await chat.call("POST", "/api/preview", {"room_id": chat.room_id, "text": text, "attachment_ids": []})
    everything = next(one for one in limit["ladder"] if one["window"] == 0)
    assert not everything["fits"]
    meter = chat.composer.locator(".meter:not(.stale)")
    await expect(meter).to_contain_text(f"{everything['prompt_tokens']:,} of {limit['context_window']:,} tokens")
    await chat.shot("does-not-fit")
    # Sent all the same: nothing leaves, nothing is lost, and the offer stands.
    chat.watch.allow("409")
    rows, messages = len(simulator.bill()), len(await chat.messages())
    await chat.field.press("Enter")
    problem = chat.composer.get_by_role("alert")
    await expect(problem).to_be_visible()
    await expect(chat.field).to_have_value(text)
    assert len(simulator.bill()) == rows
    assert len(await chat.messages()) == messages
    await problem.get_by_role("button", name=f"Send the last {limit['fits_window']} instead").click()
    await expect(chat.composer.get_by_role("button", name=f"History sent: Last {limit['fits_window']}")).to_be_visible()
    await expect(problem).to_have_count(0)
    await expect(chat.composer.locator(".meter:not(.stale)")).to_contain_text("Next request")


async def test_the_default_window_of_the_settings_holds_for_new_rooms(chat: ChatPage) -> None:
    await chat.open("/settings#defaults")
    field = chat.page.get_by_label("Messages sent")
    before = await field.input_value()
    await field.fill("2")
    await field.press("Tab")
    try:
        await chat.page.get_by_role("link", name="New chat").first.click()
        await expect(chat.composer.get_by_role("button", name="History sent: Last 2")).to_be_visible()
        await talk(chat)
        assert (await chat.entry())["messages_sent"] == 2
    finally:
        await chat.call("PATCH", "/api/settings", {"default_window": int(before)})


async def test_a_window_by_tokens_is_chosen_shown_and_kept(chat: ChatPage) -> None:
    await talk(chat)
    ladder = await open_ladder(chat)
    await ladder.get_by_role("spinbutton").fill("60")
    await ladder.get_by_label("Counted in").select_option("tokens")
    await ladder.get_by_role("button", name="Apply").click()
    await expect(chat.composer.get_by_role("button", name="History sent: Up to 60 tokens")).to_be_visible()
    assert (await chat.room())["room"]["window"] == {"tokens": 60}
    await chat.type("say: a third answer")
    own = rung(ladder, "Up to 60 tokens")
    await expect(own).to_have_attribute("aria-pressed", "true")
    await chat.asked("say: a third answer")
    receipt = await chat.entry()
    assert receipt["prompt_tokens"] <= 60
    assert receipt["window"] == receipt["messages_sent"] == len(receipt["sent"]) < 5
