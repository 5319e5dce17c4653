"""Stop in its two forms, and questions that wait their turn."""

import pytest
from playwright.async_api import expect

from support.chat_page import ChatPage, figure
from support.running import SimulatorProcess, said

WORDS = " ".join(f"word{number}" for number in range(60))


async def begin(chat: ChatPage, simulator: SimulatorProcess) -> None:
    simulator.script({"gate": True, "answer": WORDS})
    await chat.ask("Talk until I stop you")
    simulator.step(8)
    await expect(chat.words()).to_have_text(said(WORDS, 8))


async def test_stop_ends_the_answer_here_and_reads_on_for_the_exact_bill(
    chat: ChatPage, simulator: SimulatorProcess
) -> None:
    await begin(chat, simulator)
    async with chat.page.expect_response("**/stop"):
        await chat.composer.get_by_role("button", name="Stop", exact=True).click()
    await expect(chat.answer().get_by_text("Reading the rest for the exact bill")).to_be_visible()
    simulator.step(1000)
    await expect(chat.answer().get_by_text("Stopped here.")).to_be_visible()
    await expect(chat.words()).to_have_text(said(WORDS, 8))
    receipt = await chat.entry()
    charged = simulator.row(receipt["entry_id"])
    assert charged["outcome"] == "finished"
    assert receipt["provenance"] == "drained"
    assert receipt["completion_tokens"] == charged["completion_tokens"]
    shown = chat.figure(chat.answer())
    figures = (await chat.messages())[-1]["figures"]
    await expect(shown).to_have_text(figure(charged["completion_tokens"], figures["output_cost"]))
    await expect(shown.locator("svg.drained")).to_be_visible()
    await chat.shot("stopped")


async def test_cut_cancels_upstream_and_marks_the_figure_as_counted(
    chat: ChatPage, simulator: SimulatorProcess
) -> None:
    await begin(chat, simulator)
    await chat.composer.get_by_role("button", name="How to stop").click()
    menu = chat.page.get_by_role("menu", name="How to stop")
    await expect(menu.get_by_role("menuitem")).to_have_count(2)
    await chat.shot("how-to-stop")
    await menu.get_by_role("menuitem", name="Stop and cut").click()
    await expect(chat.answer().get_by_text("Stopped here.")).to_be_visible()
    receipt = await chat.entry()
    charged = simulator.row(receipt["entry_id"])
    assert charged["outcome"] == "client_left"
    assert receipt["provenance"] == "counted"
    assert receipt["completion_tokens"] == charged["completion_tokens"] > 0
    figures = (await chat.messages())[-1]["figures"]
    shown = chat.figure(chat.answer())
    await expect(shown).to_have_text(figure(charged["completion_tokens"], figures["output_cost"]))
    await expect(shown.locator("svg.counted")).to_be_visible()


async def test_a_drain_can_still_be_cut(chat: ChatPage, simulator: SimulatorProcess) -> None:
    await begin(chat, simulator)
    await chat.composer.get_by_role("button", name="Stop", exact=True).click()
    await expect(chat.answer().get_by_text("Reading the rest")).to_be_visible()
    await chat.composer.get_by_role("button", name="How to stop").click()
    await chat.page.get_by_role("menuitem", name="Stop and cut").click()
    await expect(chat.answer().get_by_text("Stopped here.")).to_be_visible()
    assert simulator.row((await chat.entry())["entry_id"])["outcome"] == "client_left"


async def test_a_second_question_waits_its_turn(chat: ChatPage, simulator: SimulatorProcess) -> None:
    await begin(chat, simulator)
    await chat.ask("say: and the second")
    await expect(chat.questions).to_have_count(2)
    await expect(chat.answer(1).get_by_text("Waiting for the answer before this one")).to_be_visible()
    await chat.shot("queued")
    assert len([row for row in simulator.bill(settled=False) if row["outcome"] == "running"]) == 1
    simulator.step(1000)
    await expect(chat.finished).to_have_count(2)
    await expect(chat.words(0)).to_have_text(WORDS)
    await expect(chat.words(1)).to_have_text("and the second")
    first, second = [message for message in await chat.messages() if message["role"] == "assistant"]
    assert first["finished_at"] <= second["finished_at"]
    # The second request carried the first answer, so it cannot have left before that had ended.
    assert second["figures"]["prompt_tokens"] > first["figures"]["completion_tokens"]


@pytest.mark.parametrize("how", ["button", "keyboard"])
async def test_a_question_typed_while_an_answer_runs_is_not_lost(
    chat: ChatPage, simulator: SimulatorProcess, how: str
) -> None:
    await begin(chat, simulator)
    await expect(chat.send).to_have_count(0)
    await chat.type("say: queued by hand")
    if how == "button":
        await chat.send.click()
    else:
        await chat.field.press("Enter")
    simulator.step(1000)
    await expect(chat.words(1)).to_have_text("queued by hand")
    await expect(chat.field).to_have_value("")
