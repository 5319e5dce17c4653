"""Keys, calls and budgets as a person handles them, while a program speaks to /v1."""

import asyncio
import csv
import io
import json
import re
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Locator, expect

from support.axe import grave_findings
from support.chat_page import ChatPage, OpenPage, dollars
from support.running import Server

MODEL = "sim-fast@0"
NARROW = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


async def program(origin: str, token: str, *, model: str = MODEL, tags: str = "", **more: Any) -> tuple[int, Any]:
    """One request as a client of OpenAI makes it: status and answer."""
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 200, **more}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"} | (
        {"x-talkmeter-tags": tags} if tags else {}
    )
    asked = urllib.request.Request(f"{origin}/v1/chat/completions", json.dumps(body).encode(), headers)

    def send() -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    return await asyncio.to_thread(send)


async def make_key(tab: ChatPage, name: str) -> str:
    """By the form on the page; the token that it shows."""
    await tab.open("/gateway#keys")
    await tab.page.get_by_role("button", name="New key").click()
    form = tab.page.locator("form", has=tab.page.get_by_role("button", name="Make the key"))
    await expect(form.get_by_label("Name", exact=True)).to_be_focused()
    await form.get_by_label("Name", exact=True).fill(name)
    await form.get_by_role("button", name="Make the key").click()
    shown = tab.page.get_by_role("region", name=f"The key “{name}” is ready")
    await expect(shown.locator(".token code")).to_have_text(re.compile("^tm_[0-9A-Za-z]{36}$"))
    await expect(shown.get_by_role("heading", name=f"The key “{name}” is ready")).to_be_focused()
    return await shown.locator(".token code").inner_text()


def card(tab: ChatPage, name: str) -> Locator:
    return tab.page.get_by_role("article", name=name, exact=True)


async def test_a_key_from_its_making_to_its_end(open_page: OpenPage, server: Server) -> None:
    tab = await open_page()
    token = await make_key(tab, "first app")
    shown = tab.page.get_by_role("region", name="The key “first app” is ready")
    for language, words in (("Python", "from openai import OpenAI"), ("Node.js", "baseURL"), ("curl", "Authorization")):
        await shown.get_by_text(language, exact=True).click()
        await expect(shown.locator("pre")).to_contain_text(words)
        await expect(shown.locator("pre")).to_contain_text(token)
        await expect(shown.locator("pre")).to_contain_text(f"{server.origin}/v1")
    assert await grave_findings(tab.page) == []
    await tab.shot("gateway-key-made")

    status, answer = await program(server.origin, token, tags="team-a", user="u-1", metadata={"run": "7"})
    assert status == 200
    usage = answer["usage"]

    await shown.get_by_role("button", name="I have copied it").click()
    await expect(shown).to_have_count(0)
    assert token not in await tab.page.content()
    await expect(card(tab, "first app")).to_contain_text("Last used")
    await card(tab, "first app").get_by_role("link", name="Calls").click()
    row = tab.page.locator("main tbody tr")
    await expect(row).to_have_count(1)
    total = usage["prompt_tokens"] + usage["completion_tokens"]
    call = (await tab.get("/api/calls?tag=team-a"))["calls"][0]
    await expect(row.locator(".tokens")).to_contain_text(f"{total:,}")
    await expect(row.locator(".money")).to_have_text(dollars(call["cost"]))
    await expect(row.locator(".model")).to_contain_text(MODEL)
    await expect(row.locator(".who")).to_have_text("first app")
    await expect(tab.page.get_by_label("Totals of these calls")).to_contain_text(
        re.compile(rf"Calls\s*1\s*Prompt\s*{usage['prompt_tokens']}\b")
    )

    await row.get_by_role("link").focus()
    await tab.page.keyboard.press("Enter")
    sheet = tab.receipt
    await expect(sheet.locator(".sheet")).to_contain_text(call["id"])
    await expect(sheet.locator(".sum").first).to_contain_text(
        f"{total} = {usage['prompt_tokens']} prompt + {usage['completion_tokens']} completion"
    )
    for words in ("first app (tm_", "team-a", "u-1", "OpenAI-compatible API", "chat/completions", answer["id"]):
        await expect(sheet).to_contain_text(words)
    await expect(sheet).not_to_contain_text("The messages themselves")
    assert await grave_findings(tab.page) == []
    await tab.shot("gateway-receipt")
    assert "receipt=" in tab.page.url
    await tab.page.keyboard.press("Escape")
    await expect(sheet).to_have_count(0)
    await expect(row.get_by_role("link")).to_be_focused()

    await tab.open("/gateway#keys")
    await card(tab, "first app").get_by_role("button", name="Revoke").click()
    await tab.page.get_by_role("dialog", name="Revoke first app?").get_by_role("button", name="Revoke").click()
    await expect(card(tab, "first app")).to_have_count(0)
    async with asyncio.timeout(60):
        while (await program(server.origin, token))[0] != 401:
            pass
    await tab.page.get_by_role("button", name=re.compile("^Show 1 ended key")).click()
    await expect(card(tab, "first app")).to_contain_text("Revoked")
    await expect(card(tab, "first app").get_by_role("button")).to_have_count(0)


async def test_a_key_is_changed_and_rotated(open_page: OpenPage, server: Server) -> None:
    tab = await open_page()
    old = await make_key(tab, "second app")
    await card(tab, "second app").get_by_role("button", name="Edit").click()
    form = tab.page.locator("article form")
    await form.get_by_role("textbox", name=re.compile("^Models")).fill("sim-*, gpt-4o")
    await form.get_by_label("Requests a minute").fill("600")
    await form.get_by_label("Expires").fill("2099-12-31")
    await form.get_by_label("gRPC").uncheck()
    await form.get_by_text("Cut", exact=True).click()
    await form.get_by_role("button", name="Save").click()
    for words in ("sim-*, gpt-4o", "OpenAI, Ask, WebSocket", "600 requests/min", "Jan 1, 2100", "the answer is cut"):
        await expect(card(tab, "second app")).to_contain_text(words)
    status, refused = await program(server.origin, old, model="other")
    assert (status, refused["error"]["code"]) == (403, "model_not_allowed")

    await card(tab, "second app").get_by_role("button", name="Rotate").click()
    dialog = tab.page.get_by_role("dialog", name="Rotate second app?")
    await dialog.get_by_role("combobox", name="The old key goes on for").select_option("not at all")
    await dialog.get_by_role("button", name="Rotate").click()
    shown = tab.page.get_by_role("region", name="The key “second app” is ready")
    await expect(shown.locator(".token code")).not_to_have_text(old)
    new = await shown.locator(".token code").inner_text()
    await expect(card(tab, "second app")).to_have_count(1)
    await expect(card(tab, "second app")).to_contain_text("Took the place of another key")
    assert (await program(server.origin, new))[0] == 200
    assert (await program(server.origin, old))[0] == 401


async def test_calls_come_by_themselves_are_filtered_sorted_and_exported(
    open_page: OpenPage, server: Server, tmp_path: Path
) -> None:
    tab = await open_page()
    made = [await tab.call("POST", "/api/keys", {"name": f"export {n}"}) for n in range(2)]
    await tab.open(f"/gateway?key_id={made[0]['key']['id']}")
    await expect(tab.page.get_by_text("No call fits these filters.")).to_be_visible()
    for n in range(3):
        assert (await program(server.origin, made[0]["token"], user=f"=u{n}"))[0] == 200
    rows = tab.page.locator("main tbody tr")
    await expect(rows).to_have_count(3)  # without a press of anything
    for _ in range(2):
        assert (await program(server.origin, made[1]["token"], model="sim-korean@0"))[0] == 200

    await tab.page.get_by_role("button", name="Remove the filter Key export 0").click()
    await expect(rows.filter(has_text="export 1")).to_have_count(2)
    await tab.page.get_by_role("button", name="Filters").click()
    fields = tab.page.get_by_role("dialog", name="Filters")
    await expect(fields.get_by_role("combobox", name="Model", exact=True)).to_be_focused()
    await fields.get_by_role("combobox", name="Model", exact=True).fill("sim-korean@0")
    await fields.get_by_role("combobox", name="Key", exact=True).select_option("export 1")
    await fields.get_by_role("button", name="Apply").click()
    await expect(fields).to_be_hidden()
    await expect(rows).to_have_count(2)
    assert "model=sim-korean%400" in tab.page.url
    await tab.page.reload()
    await expect(rows).to_have_count(2)
    await tab.shot("gateway-calls-filtered")
    await tab.page.get_by_role("button", name="Clear filters").click()
    await expect(rows.filter(has_text="export 0")).to_have_count(3)

    await tab.page.locator("thead").get_by_role("button", name="Cost").click()
    await expect(tab.page.get_by_role("columnheader", name="Cost")).to_have_attribute("aria-sort", "descending")
    expected = [call["id"] for call in (await tab.get("/api/calls?sort=cost"))["calls"]]
    hrefs = [f"receipt={id_}" for id_ in expected]
    for n, href in enumerate(hrefs):
        await expect(rows.nth(n).get_by_role("link")).to_have_attribute("href", re.compile(re.escape(href)))

    await tab.open(f"/gateway?key_id={made[0]['key']['id']}")
    await expect(rows).to_have_count(3)
    for form in ("CSV", "NDJSON"):
        async with tab.page.expect_download() as started:
            await tab.page.get_by_role("link", name=form, exact=True).click()
        download = await started.value
        file = tmp_path / form
        await download.save_as(file)
        assert download.suggested_filename == f"talkmeter-calls.{form.lower()}"
        text = file.read_text("utf-8-sig")
        lines = list(csv.DictReader(io.StringIO(text))) if form == "CSV" else list(map(json.loads, text.splitlines()))
        sums = (await tab.get(f"/api/calls?key_id={made[0]['key']['id']}"))["totals"]
        assert len(lines) == sums["calls"] == 3
        assert sum(int(line["cost_picodollars"]) for line in lines) == int(sums["cost"])
        assert {line["provenance"] for line in lines} == {"reported"}
        mark = "'" if form == "CSV" else ""
        assert [line["end_user"] for line in lines] == [f"{mark}=u2", f"{mark}=u1", f"{mark}=u0"]


async def test_a_budget_refuses_what_does_not_fit(open_page: OpenPage, server: Server) -> None:
    tab = await open_page()
    made = await tab.call("POST", "/api/keys", {"name": "on a budget"})
    await tab.open("/gateway#budgets")
    await tab.page.get_by_role("button", name="New budget").click()
    form = tab.page.locator("form", has=tab.page.get_by_label("Amount"))
    await form.get_by_label("Name", exact=True).fill("a little")
    await form.get_by_label("Amount").fill("some")
    await form.get_by_role("combobox", name="Counts").select_option("Key")
    await form.get_by_role("combobox", name="Key", exact=True).select_option("on a budget")
    await form.get_by_role("combobox", name="In", exact=True).select_option("tokens")
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_role("alert")).to_contain_text("Tokens are a whole number")
    await form.get_by_label("Amount").fill("1500")
    await form.get_by_role("button", name="Save").click()
    budget = card(tab, "a little")
    await expect(budget).to_contain_text("Key on a budget · every month")
    await expect(budget).to_contain_text("1,500 tokens of 1,500 tokens")
    status, answer = await program(server.origin, made["token"])
    assert status == 200
    left = 1500 - answer["usage"]["total_tokens"]
    await expect(budget).to_contain_text(f"{left:,} tokens of 1,500 tokens")
    status, refused = await program(server.origin, made["token"], max_tokens=5000)
    assert (status, refused["error"]["code"]) == (429, "insufficient_quota")
    assert "“a little”" in refused["error"]["message"]
    assert await grave_findings(tab.page) == []
    await tab.shot("gateway-budget")
    await budget.get_by_role("button", name="Edit").click()
    await expect(tab.page.locator("article form").get_by_label("Amount")).to_have_value("1500")
    await tab.page.locator("article form").get_by_text("Only warn", exact=True).click()
    await tab.page.locator("article form").get_by_role("button", name="Save").click()
    await expect(budget.locator(".badge")).to_have_text("Only warn")
    assert (await program(server.origin, made["token"], max_tokens=5000))[0] == 200
    await budget.get_by_role("button", name="Delete").click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(budget).to_have_count(0)


async def test_an_owner_says_where_the_days_of_budgets_begin(open_page: OpenPage) -> None:
    tab = await open_page("/gateway#budgets")
    try:
        field = tab.page.get_by_label("Time zone")
        await expect(field).to_have_value("UTC")
        tab.watch.allow("400")
        await field.fill("Asia/Atlantis")
        await field.press("Tab")
        await expect(tab.page.get_by_role("alert")).to_contain_text("“Asia/Atlantis” is no time zone")
        await expect(tab.page.get_by_text("Days begin at midnight in UTC")).to_be_visible()
        await field.fill("Asia/Seoul")
        await field.press("Tab")
        await expect(tab.page.get_by_text("Days begin at midnight in Asia/Seoul")).to_be_visible()
        await expect(tab.page.get_by_role("alert")).to_have_count(0)
        await tab.shot("gateway-time-zone")
        assert await grave_findings(tab.page) == []
    finally:
        await tab.call("PATCH", "/api/settings", {"time_zone": None})


@pytest.mark.parametrize(("locale", "word"), [("en-US", "Message"), ("ko-KR", "메시지")])
async def test_the_receipt_of_a_deleted_room_names_what_was_sent(open_page: OpenPage, locale: str, word: str) -> None:
    tab = await open_page(locale=locale)
    await tab.asked("say: soon to be gone")
    entry = (await tab.entry())["entry_id"]
    await tab.call("DELETE", f"/api/rooms/{tab.room_id}")
    await tab.open(f"/gateway#calls&receipt={entry}")
    await expect(tab.receipt.locator(".role").first).to_have_text(word)


async def test_a_budget_of_a_conversation_knows_which(open_page: OpenPage) -> None:
    tab = await open_page()
    await tab.asked("say: counted by itself")
    room = tab.room_id
    title = (await tab.room())["room"]["title"]
    await tab.open("/gateway#budgets")
    await tab.page.get_by_role("button", name="New budget").click()
    form = tab.page.locator("form", has=tab.page.get_by_label("Amount"))
    await form.get_by_role("combobox", name="Counts").select_option("Conversation")
    field = form.get_by_placeholder("room_…")
    await field.fill("room_of_nobody")
    await expect(form.get_by_text("None of your conversations has this id.")).to_be_visible()
    await expect(form.locator(f"datalist option[value={room}]")).to_have_text(title)
    await field.fill(room)
    await expect(form.locator("span.help", has_text=title)).to_be_visible()


async def test_the_end_of_a_key_lies_in_the_future(open_page: OpenPage) -> None:
    tab = await open_page("/gateway#keys")
    tab.watch.allow("400")
    await tab.page.get_by_role("button", name="New key").click()
    form = tab.page.locator("form", has=tab.page.get_by_role("button", name="Make the key"))
    name = form.get_by_label("Name", exact=True)
    await name.fill("x" * 90)
    assert len(await name.input_value()) == 80
    await form.locator("input[type=date]").fill("2020-01-01")
    await form.get_by_role("button", name="Make the key").click()
    await expect(form.get_by_role("alert")).to_have_text("The end of a key must lie in the future.")


async def test_a_route_sends_a_name_where_it_says(open_page: OpenPage, server: Server) -> None:
    tab = await open_page("/gateway#routes")
    made = await tab.call("POST", "/api/keys", {"name": "routed"})
    await tab.page.get_by_role("button", name="New route").click()
    form = tab.page.locator("form")
    await form.get_by_label("Model name asked for").fill("quick")
    await form.get_by_label("Model of target 1").fill("sim-slow@0")
    await form.get_by_role("button", name="Add a target").click()
    await form.get_by_label("Model of target 2").fill(MODEL)
    await form.get_by_role("button", name="Move target 2 up").click()
    await form.get_by_role("button", name="Save").click()
    route = card(tab, "quick")
    await expect(route.locator(".targets li")).to_have_text([re.compile(MODEL), re.compile("sim-slow@0")])
    status, answer = await program(server.origin, made["token"], model="quick")
    assert (status, answer["model"]) == (200, MODEL)
    await tab.open("/gateway")
    row = tab.page.locator("tbody tr").first
    await expect(row).to_contain_text(f"quick → {MODEL}")
    await row.get_by_role("link").click()
    await expect(tab.page.get_by_text("Model by the route")).to_be_visible()
    await tab.open("/gateway#routes")
    await route.get_by_role("button", name="Switch off").click()
    await expect(route).to_contain_text("Off")
    await route.get_by_role("button", name="Delete").click()
    await tab.page.get_by_role("dialog", name="Delete the route quick?").get_by_role("button", name="Delete").click()
    await expect(route).to_have_count(0)


async def test_a_member_is_invited_and_sees_only_their_own(open_page: OpenPage, server: Server) -> None:
    tab = await open_page("/settings#users")
    await tab.page.get_by_role("button", name="Add user").click()
    await tab.page.locator("form").get_by_label("Name").first.fill("Kim")
    await tab.page.locator("form").get_by_role("button", name="Save").click()
    await card(tab, "Kim").get_by_role("button", name="Invitation link").click()
    link = await card(tab, "Kim").locator("code").inner_text()
    await tab.shot("settings-users")
    owners = await tab.call("POST", "/api/keys", {"name": "the owner's"})
    assert (await program(server.origin, owners["token"]))[0] == 200

    member = await open_page(signed_in=False)
    member.watch.allow("401")  # whoever is disabled is signed out
    await member.page.goto(link)
    await expect(member.field).to_be_visible()
    await member.page.get_by_role("link", name="Gateway").click()
    await expect(member.page.get_by_text("No calls in this time.")).to_be_visible()
    await expect(member.page.get_by_role("navigation", name="Gateway").get_by_role("link")).to_have_text(
        ["Calls", "Keys"]
    )
    token = await make_key(member, "mine")
    assert (await program(server.origin, token))[0] == 200
    await member.open("/gateway")
    await expect(member.page.locator("main tbody tr")).to_have_count(1)
    await expect(member.page.locator("main tbody .who")).to_have_text("mine")
    await member.open("/gateway#budgets")
    await expect(member.page.locator("main tbody tr")).to_have_count(1)  # what is not theirs is not there
    await expect(member.page).to_have_url(f"{server.origin}/gateway#calls")
    await member.open("/settings#providers")
    await expect(member.page.get_by_text("Open a model to see its price rows.")).to_be_visible()
    await expect(member.page).to_have_url(f"{server.origin}/settings#models")
    await member.page.get_by_role("link", name="Settings").click()
    sections = member.page.get_by_role("navigation", name="Settings").get_by_role("link")
    await expect(sections).to_have_text(["Models & prices", "Language & display", "Account", "Data"])
    await sections.filter(has_text="Account").click()
    await member.page.get_by_label("New password").fill("a horse, a battery")
    await member.page.get_by_role("button", name="Set password").click()
    await expect(member.page.get_by_text("The password is set.")).to_be_visible()
    assert await grave_findings(member.page) == []

    await member.page.get_by_role("button", name="Sign out").click()
    await member.page.get_by_label("Name").fill("kim")
    await member.page.get_by_label("Password").fill("a horse, a battery")
    await member.page.get_by_role("button", name="Sign in").click()
    await expect(member.field).to_be_visible()
    await card(tab, "Kim").get_by_role("button", name="Disable").click()
    await tab.page.get_by_role("dialog", name="Disable Kim?").get_by_role("button", name="Disable").click()
    await expect(card(tab, "Kim")).to_contain_text("Disabled")
    assert (await program(server.origin, token))[0] == 401
    await member.open("/gateway")
    await expect(member.page.get_by_role("heading", name="Sign in to your workspace")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_calls_on_a_narrow_screen_in_korean(open_page: OpenPage, server: Server, theme: str) -> None:
    tab = await open_page("/gateway", locale="ko-KR", color_scheme=theme, **NARROW)
    made = await tab.call("POST", "/api/keys", {"name": f"좁은 화면 {theme}"})
    assert (await program(server.origin, made["token"]))[0] == 200
    entry = tab.page.locator("main ul button", has_text=f"좁은 화면 {theme}")
    await expect(entry).to_contain_text("토큰")
    await entry.click()
    await expect(tab.receipt.locator(".sheet")).to_contain_text("자세한 정보")
    assert await grave_findings(tab.page) == []
    await tab.shot(f"gateway-narrow-receipt-{theme}")
    await tab.receipt.get_by_role("button", name="닫기").click()
    await expect(entry).to_be_focused()
    await tab.shot(f"gateway-narrow-{theme}")
