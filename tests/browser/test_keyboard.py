"""The whole way with the keyboard alone, with the focus always to be seen."""

import re

from playwright.async_api import expect

from support.chat_page import ChatPage, OpenPage
from support.running import Server

# What the focus is on, and whether a person can see that it is there.
_FOCUS = """
() => {
  let element = document.activeElement
  if (element === null || element === document.body) return null
  const box = element.getBoundingClientRect()
  const ringed = (one) => {
    const style = getComputedStyle(one)
    return (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none'
  }
  const marked = ringed(element) || element.closest('.box, label') !== null
  return {
    name: element.getAttribute('aria-label') ?? element.innerText ?? element.localName,
    tag: element.localName,
    inside: box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth,
    marked,
  }
}
"""


async def tab_to(chat: ChatPage, name: str, *, back: bool = False, most: int = 40) -> None:
    """Presses Tab until the element with this name has the focus; on the way every stop must be visible."""
    passed = []
    for _ in range(most):
        await chat.page.keyboard.press("Shift+Tab" if back else "Tab")
        focus = await chat.page.evaluate(_FOCUS)
        if focus is None:
            continue
        passed.append(focus["name"])
        assert focus["inside"], f"the focus is out of sight on {focus}"
        assert focus["marked"], f"the focus cannot be seen on {focus}"
        if focus["name"].startswith(name):
            return
    raise AssertionError(f"Tab never came to {name!r}; it passed {passed}")


async def test_from_sign_in_to_settings_without_a_pointer(open_page: OpenPage, server: Server) -> None:
    chat = await open_page(signed_in=False)
    await chat.page.goto(server.new_link())
    await expect(chat.field).to_be_focused()  # one can write at once
    await chat.page.keyboard.type("say: with the keyboard alone")
    await chat.page.keyboard.press("Enter")
    await expect(chat.finished).to_have_count(1)
    await expect(chat.field).to_be_focused()
    await tab_to(chat, "This answer:", back=True)
    await chat.page.keyboard.press("Enter")
    await expect(chat.receipt.get_by_role("heading", name="Receipt")).to_be_focused()
    await tab_to(chat, "Close")
    await chat.page.keyboard.press("Enter")
    await expect(chat.receipt).to_have_count(0)
    await expect(chat.figure(chat.answer())).to_be_focused()
    await tab_to(chat, "Settings", back=True)
    await chat.page.keyboard.press("Enter")
    await expect(chat.page.get_by_role("heading", name="Settings", exact=True)).to_be_visible()
    await tab_to(chat, "Language & display")
    await chat.page.keyboard.press("Enter")
    await expect(chat.page.get_by_role("group", name="Theme")).to_be_visible()


async def test_popovers_open_keep_the_focus_and_give_it_back(chat: ChatPage) -> None:
    await chat.asked("say: something to count")
    await chat.field.focus()
    await tab_to(chat, "History sent:")
    await chat.page.keyboard.press("Enter")
    ladder = chat.page.get_by_role("dialog", name="History sent")
    await expect(ladder).to_be_visible()
    await expect(ladder.locator(":focus")).to_be_visible()
    await chat.page.keyboard.press("Escape")
    await expect(ladder).to_be_hidden()
    await expect(chat.composer.get_by_role("button", name="History sent:")).to_be_focused()
    await tab_to(chat, "Model:", back=True)
    await chat.page.keyboard.press("Enter")
    search = chat.page.get_by_role("combobox")
    await expect(search).to_be_focused()
    await search.press_sequentially("sim-kor")
    await expect(chat.page.get_by_role("option", name="sim-korean")).to_be_visible()
    await chat.page.keyboard.press("Enter")
    await expect(chat.composer.get_by_role("button", name="Model: sim-korean")).to_be_visible()


async def test_a_panel_takes_the_focus_with_the_press_that_opens_it(chat: ChatPage) -> None:
    """What is typed right after it goes into the panel."""
    model = chat.composer.get_by_role("button", name=re.compile("^Model: "))
    assert await model.evaluate("(one) => { one.click(); return document.activeElement.role }") == "combobox"
    how = chat.composer.get_by_role("button", name=re.compile("^History sent: "))
    assert (
        await how.evaluate("(one) => { one.click(); return document.activeElement.closest('[popover]').role }")
        == "dialog"
    )
    await expect(chat.page.locator("input[role=combobox]")).to_be_hidden()


async def test_the_menu_of_a_room_and_its_dialog(chat: ChatPage) -> None:
    await chat.asked("say: a room with a menu")
    await chat.field.focus()
    await tab_to(chat, "Options for", back=True)
    await chat.page.keyboard.press("Enter")
    await expect(chat.page.get_by_role("menuitem", name="Pin")).to_be_focused()
    await chat.page.keyboard.press("ArrowDown")
    await expect(chat.page.get_by_role("menuitem", name="Rename")).to_be_focused()
    await chat.page.keyboard.press("Enter")
    dialog = chat.page.get_by_role("dialog", name="Rename conversation")
    await expect(dialog.get_by_role("textbox")).to_be_focused()
    await chat.page.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(chat.page.locator("header h1")).to_have_text("say: a room with a menu")


async def test_the_first_tab_skips_to_the_conversation(open_page: OpenPage) -> None:
    chat = await open_page(is_mobile=True, has_touch=True)  # where the field does not take the focus by itself
    await expect(chat.field).to_be_visible()
    await chat.page.keyboard.press("Tab")
    skip = chat.page.get_by_role("link", name="Skip to the conversation")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport(ratio=1)
    await chat.page.keyboard.press("Enter")
    await expect(chat.page.locator("main")).to_be_focused()


async def test_the_drawer_of_a_narrow_screen(open_page: OpenPage) -> None:
    tab = await open_page(viewport={"width": 390, "height": 800})
    await tab.asked("say: in a drawer")
    await tab.page.get_by_role("button", name="Open the list of conversations").click()
    room = tab.page.get_by_role("link", name="say: in a drawer")
    await expect(room).to_be_visible()
    await tab.shot("narrow-drawer")
    await tab.page.keyboard.press("Escape")
    await expect(room).to_have_count(0)
    await tab.page.get_by_role("button", name="Open the list of conversations").click()
    await room.click()
    await expect(room).to_have_count(0)
    await expect(tab.words()).to_have_text("in a drawer")
