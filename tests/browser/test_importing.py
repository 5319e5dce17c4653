"""Settings → Data: a file is chosen, its progress is seen, and the report says what came of it."""

from pathlib import Path

import pytest
from playwright.async_api import expect

from support.axe import grave_findings
from support.chat_page import ChatPage, OpenPage
from support.chatgpt_export import archive, conversation, image_part, multimodal, node, talk

WORDS = {
    "en-US": (
        "2 new conversations",
        "5 messages added",
        "Calls of tools, and their results",
        "Images that were not taken",
    ),
    "ko-KR": ("새 대화 2개", "메시지 5개 추가", "도구 호출과 그 결과", "가져오지 않은 이미지"),
}


def export(folder: Path, mark: str) -> Path:
    pictured = conversation(
        node("q", None, "user", content=multimodal(image_part("file-1"), "look")),
        node("t", "q", "assistant", "call", recipient="browser"),
        conversation_id=f"pictured {mark}",
        title=f"Pictured {mark}",
    )
    return archive(folder / f"export {mark}.zip", [talk(f"talk {mark}", title=f"Talked {mark}"), pictured])


async def choose(tab: ChatPage, path: Path) -> None:
    await tab.page.get_by_test_id("import-file").set_input_files(path)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-US", "ko-KR"])
async def test_a_file_is_imported_and_its_rooms_are_there(
    open_page: OpenPage, tmp_path: Path, scheme: str, locale: str
) -> None:
    tab = await open_page("/settings#data", locale=locale, color_scheme=scheme)
    mark = f"{locale} {scheme}"
    await choose(tab, export(tmp_path, mark))
    report = tab.page.locator(".report")
    new, messages, tools, images = WORDS[locale]
    await expect(report).to_contain_text(new)
    await expect(report).to_contain_text(messages)
    await expect(report).to_contain_text(tools)
    await report.get_by_text(images).click()
    await expect(report.get_by_role("listitem")).to_contain_text("file-1")
    await expect(tab.page.locator("nav a", has_text=f"Talked {mark}")).to_be_visible()
    await tab.shot(f"importing-{locale}-{scheme}")
    assert await grave_findings(tab.page) == []


async def test_another_page_finds_it_again_and_the_same_file_adds_nothing(open_page: OpenPage, tmp_path: Path) -> None:
    tab = await open_page("/settings#data")
    path = export(tmp_path, "again")
    await choose(tab, path)
    await expect(tab.page.locator(".report")).to_contain_text("2 new conversations")
    other = await open_page("/settings#data", beside=tab)
    await expect(other.page.locator(".report")).to_contain_text("2 new conversations")
    await choose(tab, path)
    await expect(tab.page.locator(".report")).to_contain_text("2 were here already")


async def test_what_cannot_be_read_is_told(open_page: OpenPage, tmp_path: Path) -> None:
    tab = await open_page("/settings#data")
    (tmp_path / "nonsense.zip").write_bytes(b"nonsense")
    await choose(tab, tmp_path / "nonsense.zip")
    await expect(tab.page.get_by_role("alert")).to_contain_text("is no zip archive that can be read")
    await expect(tab.page.get_by_role("alert")).to_contain_text("Nothing has been imported.")
    assert (await tab.page.get_by_role("alert").inner_text()).count("nonsense.zip") == 1
    await tab.page.get_by_text("TokenMeter", exact=True).click()
    await choose(tab, tmp_path / "nonsense.zip")
    await expect(tab.page.get_by_role("alert")).to_contain_text("is damaged, or no database")
    assert (await tab.page.get_by_role("alert").inner_text()).count("nonsense.zip") == 1
