"""Imported conversations on the page: as they were, with branches and images, and without figures."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.axe import grave_findings
from support.chat_page import OpenPage
from support.chatgpt_export import BEGAN, archive, conversation, image_part, multimodal, node, talk
from support.images import png
from support.processes import environment
from support.running import Server, SimulatorProcess


def made(folder: Path) -> Path:
    """A talk in Korean that was edited and answered twice, and one with an image on each side."""
    branched = conversation(
        node("s", None, "system", "항상 짧게 답하세요."),
        node("q", "s", "user", "김치찌개 끓이는 법", at=BEGAN + 1),
        node("a", "q", "assistant", "**먼저** 김치를 볶습니다.", at=BEGAN + 2, model_slug="gpt-4"),
        node("b", "q", "assistant", "물부터 끓입니다.", at=BEGAN + 3, model_slug="gpt-4o"),
        node("q2", None, "user", "된장찌개 끓이는 법", at=BEGAN + 4),
        conversation_id="branched",
        title="찌개 이야기",
        current="b",
        update_time=BEGAN + 300,
    )
    drawn = conversation(
        node("q", None, "user", content=multimodal(image_part("file-Mine1"), "Draw it again, please."), at=BEGAN + 1),
        node("t", "q", "tool", content=multimodal(image_part("file_00drawn", "sediment")), at=BEGAN + 2),
        node("a", "t", "assistant", "Here it is.", at=BEGAN + 3),
        conversation_id="drawn",
        title="A drawing",
        update_time=BEGAN + 200,
    )
    plain = talk("plain", title="The oldest", update_time=BEGAN + 100)
    images = {"file-Mine1-photo.png": png(120, 80), "file_00drawn-sanitized.png": png(90, 60)}
    return archive(folder / "export.zip", [plain, branched, drawn], images)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, simulator_process: SimulatorProcess) -> Iterator[Server]:
    """With what was imported beside it while it ran."""
    upstream = {"OPENAI_API_KEY": "sk-test-1234", "OPENAI_BASE_URL": simulator_process.base_url}
    path = made(tmp_path_factory.mktemp("export"))
    with Server(tmp_path_factory.mktemp("server"), environment=upstream) as running:
        command = [sys.executable, "-m", "talkmeter", "import", "chatgpt", str(path), "-d", str(running.data_dir)]
        subprocess.run(command, check=True, env=environment(), capture_output=True)
        yield running


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
async def test_an_imported_room_has_no_figures(open_page: OpenPage, scheme: str, locale: str) -> None:
    chat = await open_page(locale=locale, color_scheme=scheme)
    listed = chat.page.locator("nav a[href^='/room/']")
    await expect(listed).to_have_text(["찌개 이야기", "A drawing", "The oldest"])
    await listed.first.click()
    await expect(chat.bubble()).to_have_text("김치찌개 끓이는 법")
    await expect(chat.words()).to_have_text("물부터 끓입니다.")
    await expect(chat.answer().locator(".model")).to_have_text("gpt-4o")
    await expect(chat.page.locator("button.figure")).to_have_count(0)
    await expect(chat.page.locator("header .totals")).to_have_count(0)
    await expect(chat.answer().get_by_role("group")).to_contain_text("2/2")
    await expect(chat.questions.first.get_by_role("group")).to_contain_text("1/2")
    assert (await chat.room())["room"]["system_prompt"] == "항상 짧게 답하세요."
    await chat.shot(f"imported-{locale}-{scheme}")
    assert await grave_findings(chat.page) == []


async def test_images_on_both_sides(open_page: OpenPage) -> None:
    chat = await open_page()
    await chat.page.locator("nav a", has_text="A drawing").click()
    for message, width in ((chat.questions.first, 120), (chat.answer(), 90)):
        picture = message.locator(".pictures img")
        await expect(picture).to_have_js_property("complete", value=True)
        await expect(picture).to_have_js_property("naturalWidth", width)
    await expect(chat.words()).to_have_text("Here it is.")
    await chat.shot("imported-drawing")


async def test_the_conversation_goes_on_and_only_what_is_new_has_figures(
    open_page: OpenPage, simulator: SimulatorProcess
) -> None:
    chat = await open_page()
    await chat.page.locator("nav a", has_text="A drawing").click()
    await expect(chat.answers).to_have_count(1)
    await chat.asked("say: and a frame around it")
    await expect(chat.page.locator("button.figure")).to_have_count(2)
    await expect(chat.figure(chat.questions.first)).to_have_count(0)
    await expect(chat.figure(chat.answer(0))).to_have_count(0)
    await expect(chat.page.locator("header .totals")).to_have_count(1)
    receipt = await chat.entry()
    assert [line["role"] for line in receipt["sent"]][-3:] == ["user", "assistant", "user"]
    assert [line["image_tokens"] > 0 for line in receipt["sent"]][-3:] == [True, False, False]
    assert simulator.row(receipt["entry_id"])["prompt_tokens"] == receipt["prompt_tokens"]
