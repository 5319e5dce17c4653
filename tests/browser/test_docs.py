"""Swagger UI as people use it: every operation is there, one can be tried out, and nothing comes from elsewhere."""

import json

from playwright.async_api import expect

from support.chat_page import OpenPage


async def test_the_documentation_can_be_read_and_tried_out(open_page: OpenPage) -> None:
    docs = await open_page("/docs", signed_in=False)
    page = docs.page
    ask = page.locator("#operations-ask-ask")
    await expect(ask).to_be_visible()
    for operation in ("ask-history", "ask-forget", "ask-stop", "ask-conversations", "ask-askAnew", "health-health"):
        await expect(page.locator(f"#operations-{operation}")).to_be_visible()
    await expect(page.locator("#operations-v1-chatCompletions")).to_be_visible()
    await ask.locator(".opblock-summary-control").click()
    await ask.get_by_placeholder("conversation_id").fill("from the docs")
    await ask.locator("textarea").fill(json.dumps({"prompt": "say: tried out", "model": "sim-fast@0"}))
    await ask.get_by_role("button", name="Execute").click()
    told = ask.locator(".live-responses-table .highlight-code")
    await expect(told).to_contain_text('"message": "tried out"')
    await expect(told).to_contain_text('"conversation_id": "from the docs"')
    await docs.shot("docs")


async def test_the_documentation_is_as_dark_as_the_system(open_page: OpenPage) -> None:
    docs = await open_page("/docs", signed_in=False)
    page = docs.page
    await expect(page.locator("#operations-ask-ask")).to_be_visible()
    for scheme, ground in (("dark", "rgb(28, 32, 34)"), ("light", "rgba(0, 0, 0, 0)")):
        await page.emulate_media(color_scheme=scheme)
        await expect(page.locator("html")).to_have_css("background-color", ground)
    await page.emulate_media(color_scheme="dark")
    await docs.shot("docs-dark")
