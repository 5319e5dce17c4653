"""axe-core finds nothing serious in any view, theme or language; every view fits 360 pixels and speaks one language."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import expect

from support.axe import grave_findings
from support.chat_page import ChatPage, OpenPage
from support.words import dictionary, foreign_texts, keys_in

LANGUAGES = {"en": "en-US", "ko": "ko-KR"}
TOUR = {"en": "Show me the markdown tour", "ko": "마크다운 전부 보여 주세요"}
View = Callable[[ChatPage, str], Awaitable[None]]


async def sign_in(tab: ChatPage, _room: str) -> None:
    await tab.context.clear_cookies()
    await tab.open("/?sign_in=expired")
    await expect(tab.page.get_by_role("alert")).to_be_visible()


async def new_chat(tab: ChatPage, _room: str) -> None:
    await tab.open("/")
    await expect(tab.field).to_be_visible()


async def chat(tab: ChatPage, room: str) -> None:
    await tab.open(f"/room/{room}")
    await expect(tab.words().locator(".katex").first).to_be_visible()
    await expect(tab.words().locator("[class^=tok-]").first).to_be_visible()


async def receipt(tab: ChatPage, room: str) -> None:
    entry = (await tab.get(f"/api/rooms/{room}"))["messages"][-1]["figures"]["entry_id"]
    await tab.open(f"/room/{room}#receipt={entry}")
    await expect(tab.receipt.locator(".sheet")).to_contain_text(entry)


async def ladder(tab: ChatPage, room: str) -> None:
    await tab.open(f"/room/{room}")
    await tab.type("?")
    await tab.composer.locator("button.trigger.numbers").click()
    await expect(tab.page.locator(".ladder ul:not(.stale) button").first).to_be_visible()


async def models(tab: ChatPage, room: str) -> None:
    await tab.open(f"/room/{room}")
    await tab.composer.locator("button.trigger").first.click()
    await expect(tab.page.get_by_role("option").first).to_be_visible()


async def parameters(tab: ChatPage, room: str) -> None:
    await tab.open(f"/room/{room}")
    await tab.composer.locator("button.icon-button").nth(1).click()
    await expect(tab.page.locator(".sheet textarea")).to_be_visible()


def settings(section: str) -> View:
    async def open_settings(tab: ChatPage, _room: str) -> None:
        await tab.open(f"/settings#{section}")
        await expect(tab.page.locator("main nav a[aria-current=page]")).to_be_visible()
        if section == "models":
            await tab.page.locator("main .model").first.click()
            await expect(tab.page.locator("main .prices form")).to_be_visible()
        if section == "users":
            await tab.page.locator("main .add").click()
            await expect(tab.page.locator("main .card form")).to_be_visible()
        if section == "providers":
            await tab.page.locator("main .body > .button, main .empty .button").click()
            await expect(tab.page.locator("main form")).to_be_visible()

    return open_settings


def gateway(section: str, form: str | None) -> View:
    async def open_gateway(tab: ChatPage, _room: str) -> None:
        if section == "keys" and not (await tab.get("/api/keys"))["keys"]:
            await tab.call("POST", "/api/keys", {"name": "app", "models": ["sim-*"], "rpm": 60})
        if section == "budgets" and not (await tab.get("/api/budgets"))["budgets"]:
            await tab.call("POST", "/api/budgets", {"name": "team", "amount": "5 USD", "period": "day"})
        if section == "routes" and not (await tab.get("/api/routes"))["routes"]:
            await tab.call("POST", "/api/routes", {"pattern": "fast", "targets": [{"model": "sim-fast"}], "retries": 1})
        await tab.open(f"/gateway#{section}")
        await expect(tab.page.locator("main tbody tr, main .calls li, main article").first).to_be_visible()
        if form is None:
            await tab.page.locator("main .filters .trigger").click()
            await expect(tab.page.locator(".panel form")).to_be_visible()
        else:
            await tab.page.locator(form).click()
            await expect(tab.page.locator("main form")).to_be_visible()

    return open_gateway


VIEWS: dict[str, View] = {
    "new-chat": new_chat,
    "chat": chat,
    "receipt": receipt,
    "ladder": ladder,
    "models": models,
    "parameters": parameters,
    **{
        f"settings-{section}": settings(section)
        for section in ("providers", "models", "defaults", "appearance", "users", "data")
    },
    "gateway-calls": gateway("calls", None),
    **{f"gateway-{section}": gateway(section, "main .add") for section in ("keys", "budgets", "routes")},
    "sign-in": sign_in,  # the last: it signs out
}

# All views in each language and in each theme; the most used ones in every combination.
COMBINED = {
    ("en", "light"): tuple(VIEWS),
    ("ko", "dark"): tuple(VIEWS),
    ("en", "dark"): ("chat", "receipt", "settings-providers", "gateway-calls", "gateway-keys", "sign-in"),
    ("ko", "light"): ("chat", "receipt", "settings-providers", "gateway-calls", "gateway-keys", "sign-in"),
}


async def room_of(tab: ChatPage, language: str) -> str:
    """One talk for each language, the same for all tests of the module."""
    title = TOUR[language]
    for room in (await tab.get("/api/rooms"))["rooms"]:
        if room["title"] == title and not room["running"]:
            return str(room["id"])
    await tab.fresh()
    await tab.asked(title)
    return tab.room_id


@pytest.mark.parametrize(("language", "theme"), COMBINED)
async def test_every_view_is_accessible_and_speaks_one_language(open_page: OpenPage, language: str, theme: Any) -> None:
    tab = await open_page(locale=LANGUAGES[language], color_scheme=theme, viewport={"width": 1400, "height": 900})
    room = await room_of(tab, language)
    problems: dict[str, list[str]] = {}
    for name in COMBINED[language, theme]:
        await VIEWS[name](tab, room)
        await tab.shot(f"{name}-{language}-{theme}")
        await expect(tab.page.locator("html")).to_have_attribute("lang", language)
        text = await tab.page.evaluate(_OWN_TEXT)
        found = keys_in(text) + [word for word in ("undefined", "NaN", "[object") if word in text]
        found += [f"not {language}: {words}" for words in foreign_texts(text, language)]
        found += await grave_findings(tab.page)
        if found:
            problems[name] = found
    assert problems == {}


# The page's own words, also those that only a screen reader hears, without what people and models have written.
_OWN_TEXT = """
() => {
  const own = document.body.cloneNode(true)
  for (const other of own.querySelectorAll('.markdown, .bubble, .excerpt, .raw, pre, option')) other.remove()
  const spoken = [...own.querySelectorAll('*')].flatMap((element) =>
    ['aria-label', 'title', 'placeholder', 'alt'].map((name) => element.getAttribute(name) ?? ''))
  const texts = []
  const walk = document.createTreeWalker(own, NodeFilter.SHOW_TEXT)
  while (walk.nextNode()) texts.push(walk.currentNode.data)
  return [...spoken, ...texts].join('\\n')
}
"""


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_view_fits_a_narrow_screen(open_page: OpenPage, language: str) -> None:
    tab = await open_page(
        locale=LANGUAGES[language], viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True
    )
    room = await room_of(tab, language)
    wide: dict[str, list[str]] = {}
    for name, view in VIEWS.items():
        await view(tab, room)
        await tab.shot(f"narrow-{name}-{language}")
        if beyond := await tab.page.evaluate(_BEYOND_THE_EDGE):
            wide[name] = beyond
    assert wide == {}


# What is out of reach or must be scrolled to from side to side, but for what is meant to: code, tables, formulas.
_BEYOND_THE_EDGE = """
() => {
  const width = document.documentElement.clientWidth
  const meant = '.table-scroll, pre, .math-display, .prices .scroll, .visually-hidden'
  const found = document.documentElement.scrollWidth > width ? [`the page is ${document.documentElement.scrollWidth} wide`] : []
  for (const element of document.querySelectorAll('body *')) {
    if (element.closest(meant) !== null) continue
    const box = element.getBoundingClientRect()
    const style = getComputedStyle(element)
    const seen = box.width > 1 && box.height > 1 && element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })
    if (!seen) continue
    if (box.right > width + 0.5 || box.left < -0.5) {
      const ellipsis = element.parentElement !== null && getComputedStyle(element.parentElement).textOverflow === 'ellipsis'
      if (!ellipsis) found.push(`${element.localName}.${element.className} ${Math.round(box.left)}–${Math.round(box.right)}`)
    }
    if (['auto', 'scroll'].includes(style.overflowX) && element.scrollWidth > element.clientWidth + 1)
      found.push(`${element.localName}.${element.className} scrolls from side to side`)
  }
  return found
}
"""


async def test_both_languages_have_every_text() -> None:
    english, korean = dictionary("en"), dictionary("ko")
    assert len(english) > 200
    assert english.keys() == korean.keys()
    assert [key for key, text in korean.items() if text.strip() == ""] == []


async def test_language_and_theme_are_switched_in_settings(open_page: OpenPage) -> None:
    tab = await open_page("/settings#appearance", color_scheme="light")
    try:
        await tab.page.get_by_text("한국어", exact=True).click()
        await expect(tab.page.get_by_role("heading", name="설정")).to_be_visible()
        await expect(tab.page.locator("html")).to_have_attribute("lang", "ko")
        page = tab.page.locator("html")
        light = await background(tab)
        await tab.page.get_by_text("어둡게", exact=True).click()
        await expect(page).to_have_attribute("data-theme", "dark")
        await expect(page).not_to_have_css("background-color", light)
        await tab.page.reload()
        await expect(tab.page.get_by_role("heading", name="설정")).to_be_visible()
        await expect(page).not_to_have_css("background-color", light)
        # Both are the person's, not the browser's: a second browser follows.
        other = await open_page("/", color_scheme="light")
        await expect(other.field).to_have_attribute("aria-label", "메시지")
        await expect(other.page.locator("html")).to_have_attribute("data-theme", "dark")
        await tab.page.get_by_text("English", exact=True).click()
        await expect(tab.page.get_by_role("heading", name="Settings")).to_be_visible()
    finally:
        await tab.call("PATCH", "/api/settings", {"language": "auto", "theme": "auto"})


async def background(tab: ChatPage) -> str:
    return str(await tab.page.evaluate("getComputedStyle(document.documentElement).backgroundColor"))


async def test_the_browsers_own_preferences_hold_where_nothing_is_set(open_page: OpenPage) -> None:
    backgrounds = []
    for theme in ("light", "dark"):
        tab = await open_page(color_scheme=theme)
        await expect(tab.field).to_be_visible()
        backgrounds.append(await background(tab))
    assert backgrounds[0] != backgrounds[1]


async def test_money_is_shown_in_a_currency_of_choice(open_page: OpenPage) -> None:
    tab = await open_page("/settings#appearance")
    try:
        currency = tab.page.get_by_label("Currency", exact=True)
        await currency.select_option("KRW")
        await expect(tab.page.get_by_text("until then money is not shown in KRW")).to_be_visible()
        await expect(tab.page.get_by_label("KRW per US dollar")).to_have_value("")
        assert (await tab.get("/api/settings"))["settings"]["currency"] == "USD"  # a currency comes with its rate
        rate = tab.page.get_by_label("KRW per US dollar")
        await rate.fill("0")
        await rate.press("Tab")
        await expect(tab.page.get_by_text("A rate is a number above 0")).to_be_visible()
        await rate.fill("1380.5")
        await rate.press("Tab")
        await expect(tab.page.get_by_text("$1 = ₩1,380.5")).to_be_visible()  # what holds, not only what was typed
        await currency.select_option("EUR")
        await expect(tab.page.get_by_label("EUR per US dollar")).to_have_value("")  # a rate is that of one currency
        assert (await tab.get("/api/settings"))["settings"]["currency"] == "KRW"
        await tab.fresh()
        await tab.asked("say: in Korean money")
        figures = (await tab.messages())[-1]["figures"]
        assert figures["output_cost"] is not None
        await expect(tab.figure(tab.answer())).to_contain_text("₩")
        sheet = await tab.open_receipt(tab.answer())
        await expect(sheet).to_contain_text("at 1380.5 KRW per dollar")
    finally:
        await tab.call("PATCH", "/api/settings", {"currency": "USD", "currency_rate": None})
