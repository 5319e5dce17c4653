"""Language and theme: everybody's by an owner, and each member's own, wherever they sign in."""

import pytest
from playwright.async_api import expect

from support.axe import grave_findings
from support.chat_page import ChatPage, OpenPage
from support.running import Server
from support.words import foreign_texts, keys_in

PATH = "/settings#appearance"


async def invited(owner: ChatPage, server: Server, name: str) -> str:
    """A new member's link."""
    user = await owner.call("POST", "/api/users", {"name": name})
    return server.origin + (await owner.call("POST", f"/api/users/{user['id']}/invitation", {}))["path"]


async def expect_look(tab: ChatPage, language: str, theme: str) -> None:
    page = tab.page.locator("html")
    await expect(page).to_have_attribute("lang", language)
    await expect(page).to_have_attribute("data-theme", theme)


async def choose(tab: ChatPage, name: str) -> None:
    await tab.page.get_by_role("radio", name=name, exact=True).check(force=True)


async def test_a_member_chooses_for_themselves(open_page: OpenPage, server: Server) -> None:
    owner = await open_page(PATH)
    await expect(owner.page.get_by_text("everybody’s who has not chosen").first).to_be_visible()
    member = await open_page(signed_in=False)
    await member.page.goto(await invited(owner, server, "Kim"))
    await expect(member.field).to_be_visible()
    await member.open(PATH)
    await expect(member.page.get_by_text("Yours alone, wherever you sign in.").first).to_be_visible()
    await expect(member.page.get_by_label("Currency")).to_have_count(0)
    await choose(member, "한국어")
    await expect(member.page.get_by_role("heading", name="설정")).to_be_visible()
    await choose(member, "어둡게")
    await expect_look(member, "ko", "dark")
    await member.shot("preferences-dark-ko")
    assert await grave_findings(member.page) == []
    await member.open("/")
    await expect_look(member, "ko", "dark")

    await choose(owner, "Light")
    await choose(owner, "English")
    await expect_look(owner, "en", "light")
    await owner.shot("preferences-owner")
    await member.open(PATH)
    await expect_look(member, "ko", "dark")
    await choose(member, "밝게")
    await expect_look(member, "ko", "light")
    await member.shot("preferences-light-ko")
    text = await member.page.locator("main").inner_text()
    assert (keys_in(text), foreign_texts(text, "ko")) == ([], [])


async def test_the_choice_goes_with_the_person(open_page: OpenPage, server: Server) -> None:
    owner = await open_page()
    first = await open_page(signed_in=False)
    await first.page.goto(await invited(owner, server, "Lee"))
    await expect(first.field).to_be_visible()
    await first.call("PATCH", "/api/preferences", {"language": "ko", "theme": "dark"})
    me = (await first.call("GET", "/api/bootstrap"))["principal"]
    again = server.origin + (await owner.call("POST", f"/api/users/{me}/invitation", {}))["path"]
    second = await open_page(signed_in=False, locale="en-US", color_scheme="light")
    await second.page.goto(again)
    await expect(second.field).to_be_visible()
    await expect_look(second, "ko", "dark")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_on_a_narrow_screen(open_page: OpenPage, server: Server, theme: str) -> None:
    owner = await open_page()
    link = await invited(owner, server, f"Park {theme}")
    member = await open_page(signed_in=False, viewport={"width": 360, "height": 740})
    await member.page.goto(link)
    await expect(member.field).to_be_visible()
    await member.call("PATCH", "/api/preferences", {"theme": theme})
    await member.open(PATH)
    await expect_look(member, "en", theme)
    await expect(member.page.get_by_text("Yours alone").first).to_be_visible()
    wide = await member.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= 360
    assert await grave_findings(member.page) == []
    await member.shot(f"preferences-narrow-{theme}")
