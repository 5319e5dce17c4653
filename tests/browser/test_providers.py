"""The built-in simulator says what it is; providers are added, tested and chosen in Settings."""

import json
import re
import urllib.request
from collections.abc import Iterator

import pytest
from playwright.async_api import Locator, expect

from support.chat_page import ChatPage, OpenPage
from support.running import Server, SimulatorProcess

KEY = "sk-canary-5f1e9b7c"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Nobody has configured a provider here."""
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running


def offered(simulator: SimulatorProcess) -> list[str]:
    with urllib.request.urlopen(f"{simulator.base_url}/models", timeout=60) as answer:
        return [model["id"] for model in json.loads(answer.read())["data"]]


@pytest.mark.parametrize(
    ("locale", "words"), [("en-US", "Simulator: not a real model"), ("ko-KR", "시뮬레이터: 실제 모델이 아닙니다")]
)
async def test_the_simulator_says_that_it_is_no_real_model(open_page: OpenPage, locale: str, words: str) -> None:
    tab = await open_page(locale=locale)
    await expect(tab.page.locator("aside")).to_contain_text(words)
    await tab.asked("say: hello")
    await expect(tab.page.locator("aside")).to_contain_text(words)


async def fill(tab: ChatPage, name: str, address: str, key: str) -> Locator:
    """The form for a new provider, filled in."""
    await tab.page.get_by_role("button", name="Add provider").click()
    form = tab.page.locator("form", has=tab.page.get_by_label("API key"))
    await form.get_by_label("Name").fill(name)
    await form.get_by_role("textbox", name="Address").fill(address)
    await form.get_by_label("API key").fill(key)
    return form


async def test_a_provider_is_added_tested_and_chosen(open_page: OpenPage, simulator: SimulatorProcess) -> None:
    tab = await open_page("/settings#providers")
    form = await fill(tab, "My upstream", simulator.base_url, "sk-bad-key")
    await form.get_by_role("button", name="Test").click()
    await expect(form.get_by_role("status")).to_contain_text("HTTP 401")
    await expect(form.get_by_role("status")).to_contain_text("Incorrect API key provided")
    await tab.shot("provider-wrong-key")
    await form.get_by_label("API key").fill(KEY)
    await form.get_by_role("button", name="Test").click()
    models = offered(simulator)
    await expect(form.get_by_role("status")).to_contain_text(f"{len(models)} models")
    await form.get_by_text("Show the models").click()
    await expect(form.locator(".models")).to_have_text(", ".join(models))
    await form.get_by_role("button", name="Save").click()
    card = tab.page.get_by_role("article", name="My upstream")
    await expect(card).to_contain_text(f"…{KEY[-4:]}")
    await card.get_by_role("button", name="Test").click()
    await expect(card.get_by_role("status")).to_contain_text(f"{len(models)} models")
    await tab.shot("providers")
    assert KEY not in await tab.page.content()
    assert KEY not in json.dumps(await tab.get("/api/bootstrap"))

    await tab.page.get_by_role("link", name="New chat").first.click()
    await expect(tab.page.locator("aside", has_text="Simulator")).to_have_count(0)
    await tab.composer.get_by_role("button", name=re.compile("^Model: ")).click()
    option = tab.page.get_by_role("option", name=re.compile(r"^sim-korean\s+My upstream"))
    await option.click()
    await tab.asked("Which provider answers?")
    receipt = await tab.entry()
    assert receipt["provider_name"] == "My upstream"
    assert simulator.row(receipt["entry_id"])["model"] == "sim-korean"

    await tab.open("/settings#providers")
    await card.get_by_role("button", name="Delete").click()
    await tab.page.get_by_role("dialog", name="Delete My upstream?").get_by_role("button", name="Delete").click()
    await expect(card).to_have_count(0)
    await tab.fresh()
    await expect(tab.page.locator("aside")).to_contain_text("Simulator: not a real model")


async def test_an_address_where_nobody_answers_says_so(open_page: OpenPage) -> None:
    tab = await open_page("/settings#providers")
    form = await fill(tab, "Nobody", "http://127.0.0.1:9/v1", "")
    await form.get_by_role("button", name="Test").click()
    await expect(form.get_by_role("status")).to_contain_text("The test failed")
    await expect(form.get_by_role("status")).to_contain_text("127.0.0.1:9")
    await form.get_by_role("button", name="Cancel").click()
    await expect(form).to_have_count(0)


async def test_a_price_of_ones_own_holds_from_now_on_and_changes_no_history(open_page: OpenPage) -> None:
    tab = await open_page()
    await tab.choose_model("sim-slow@0")
    await tab.asked("say: at the old price")
    old = await tab.figure(tab.answer()).inner_text()
    room = tab.page.url
    await tab.open("/settings#models")
    await tab.page.get_by_role("searchbox").fill("sim-slow@0")
    await tab.page.get_by_role("button", name=re.compile("^sim-slow@0")).click()
    for unit, price, shown in (("input", "3", "$3 per 1M"), ("output", "12.50", "$12.5 per 1M")):
        await tab.page.locator("main form select").select_option(unit)
        await tab.page.get_by_label("US$ per 1M").fill(price)
        await tab.page.get_by_role("button", name="Set price").click()
        await expect(tab.page.get_by_role("cell", name=shown, exact=True)).to_be_visible()
    await tab.shot("own-price")
    await tab.page.goto(room)
    await expect(tab.finished).to_have_count(1)
    await tab.asked("say: at my own price")
    figures = (await tab.messages())[-1]["figures"]
    assert int(figures["output_cost"]) == figures["completion_tokens"] * 12_500_000
    assert int(figures["input_cost"]) == figures["prompt_tokens"] * 3_000_000
    await expect(tab.figure(tab.answer(0))).to_have_text(old, use_inner_text=True)


@pytest.mark.parametrize(("locale", "scheme", "words"), [
    ("en-US", "light", ("Web search", "Code interpreter", "US$ per 1,000 uses", "Set price", "$30 per 1,000 uses")),
    ("ko-KR", "dark", ("웹 검색", "코드 인터프리터", "1,000회당 US$", "단가 저장", "1,000회당 $30")),
])  # fmt: skip
async def test_a_tool_has_a_price_for_each_use(
    open_page: OpenPage, locale: str, scheme: str, words: tuple[str, ...]
) -> None:
    search, interpreter, amount, add, shown = words
    tab = await open_page(
        "/settings#models", locale=locale, color_scheme=scheme, viewport={"width": 390, "height": 844}
    )
    model = f"tools-{locale.lower()}"
    await tab.page.get_by_role("searchbox").fill(model)
    await tab.page.get_by_role("button", name=re.compile(f"^{model}")).click()
    form = tab.page.locator("main form")
    await expect(form.get_by_role("option", name=search)).to_be_attached()
    await form.get_by_role("combobox").select_option(label=interpreter)
    await form.get_by_label(amount).fill("30")
    await form.get_by_role("button", name=add).click()
    await expect(tab.page.get_by_role("cell", name=shown, exact=True)).to_be_visible()
    await tab.shot(f"tool-price-{locale}")
    (row,) = (await tab.get(f"/api/prices?model={model}"))["rows"]
    assert (row["unit"], int(row["picodollars"]) // row["per"]) == ("code_interpreter", 30_000_000_000)


@pytest.mark.parametrize(("locale", "words"), [
    ("en-US", ("Input · batch", "Input · priority", "$0.075 per 1M", "Price")),
    ("ko-KR", ("입력 · 일괄 처리", "입력 · 우선 처리", "100만당 $0.075", "단가")),
])  # fmt: skip
async def test_the_price_table_can_be_read_on_a_narrow_screen(
    open_page: OpenPage, locale: str, words: tuple[str, ...]
) -> None:
    tab = await open_page("/settings#models", locale=locale, viewport={"width": 390, "height": 844})
    await tab.page.get_by_role("searchbox").fill("gpt-4o-mini")
    await tab.page.get_by_role("button", name=re.compile(r"^gpt-4o-mini\b")).first.click()
    table = tab.page.locator("main table").first
    batch, priority, amount, heading = words
    await expect(table.get_by_role("columnheader", name=heading)).to_be_visible()
    for said in (batch, priority):
        await expect(table.get_by_role("cell", name=said, exact=True).first).to_be_visible()
    await expect(table.get_by_role("cell", name=amount, exact=True).first).to_be_visible()
    cut = "cells => cells.filter(cell => cell.scrollWidth > cell.clientWidth).map(cell => cell.textContent)"
    assert await table.locator("td").evaluate_all(cut) == []
    wide = "table => table.scrollWidth - table.parentElement.clientWidth"
    assert await table.evaluate(wide) <= 0
    await tab.shot(f"prices-narrow-{locale}")


async def test_a_price_that_is_no_number_is_refused_in_place(open_page: OpenPage) -> None:
    tab = await open_page("/settings#models")
    await tab.page.get_by_role("searchbox").fill("a-model-of-mine")
    await tab.page.get_by_role("button", name=re.compile("^a-model-of-mine")).click()
    await tab.page.get_by_label("US$ per 1M").fill("cheap")
    await tab.page.get_by_role("button", name="Set price").click()
    await expect(tab.page.get_by_role("alert")).to_have_text("A price is a number such as 2.50.")


@pytest.mark.parametrize(("locale", "scheme", "words"), [
    ("en-US", "light", ("Add provider", "Name", "Advanced", "From there to the first token", "Save", "from 0.05 to 86,400", "Edit")),
    ("ko-KR", "dark", ("제공자 추가", "이름", "고급", "그 뒤 첫 토큰까지", "저장", "86,400초까지여야", "수정")),
])  # fmt: skip
async def test_a_provider_gets_time_outs_of_its_own(
    open_page: OpenPage, locale: str, scheme: str, words: tuple[str, ...]
) -> None:
    add, name, advanced, first_token, save, refused, edit = words
    size = {"width": 390, "height": 844}
    tab = await open_page("/settings#providers", locale=locale, color_scheme=scheme, viewport=size)
    tab.watch.allow("400 at .*/api/providers")  # what is out of bounds
    await tab.page.get_by_role("button", name=add).click()
    form = tab.page.locator("form", has=tab.page.locator("input[type=url]"))
    await form.get_by_label(name, exact=True).fill(f"Slow {scheme}")
    await form.get_by_text(advanced, exact=True).click()
    await form.get_by_label(first_token).fill("90000")
    await form.get_by_role("button", name=save).click()
    await expect(form.get_by_role("alert")).to_contain_text(refused)
    await tab.shot(f"provider-timeouts-{scheme}")
    await form.get_by_label(first_token).fill("600.5")
    await form.get_by_role("button", name=save).click()
    await expect(form).to_have_count(0)
    stored = next(
        one for one in (await tab.get("/api/providers"))["providers"] if one["name"] == f"Slow {scheme}"
    )  # fmt: skip
    assert stored["timeouts"] == {"connect": None, "headers": None, "first_token": 600.5, "silence": None}
    card = tab.page.get_by_role("article", name=f"Slow {scheme}")
    await card.get_by_role("button", name=edit).click()
    await expect(form.get_by_label(first_token)).to_have_value("600.5")
    await form.get_by_label(first_token).fill("")
    await form.get_by_role("button", name=save).click()
    await expect(form).to_have_count(0)
    providers = (await tab.get("/api/providers"))["providers"]
    assert next(one for one in providers if one["id"] == stored["id"])["timeouts"]["first_token"] is None
    await tab.call("DELETE", f"/api/providers/{stored['id']}")
