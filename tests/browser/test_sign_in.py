"""Signing in by the printed link or with a password, and signing out."""

from collections.abc import Iterator

import pytest
from playwright.async_api import expect

from support.chat_page import ChatPage, OpenPage
from support.running import Server
from talkmeter.accounts.passwords import Passwords
from talkmeter.app.wiring import open_database
from talkmeter.config import resolve

SIGN_IN = "Sign in to your workspace"
PASSWORD = "correct horse 배터리 staple"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("server")) as running:
        yield running


async def test_the_link_signs_this_browser_in_once(open_page: OpenPage, server: Server) -> None:
    tab = await open_page(signed_in=False)
    link = server.new_link()
    await tab.page.goto(link)
    await expect(tab.field).to_be_visible()
    await expect(tab.page).to_have_url(f"{server.origin}/")
    (cookie,) = await tab.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert await tab.page.evaluate("document.cookie") == ""
    other = await open_page(signed_in=False)
    await other.page.goto(link)
    await expect(other.page.get_by_role("alert")).to_contain_text("has been used or has expired")
    await expect(other.field).to_have_count(0)
    await other.shot("sign-in-expired")


@pytest.mark.parametrize("path", ["/", "/room/room_1", "/settings"])
async def test_without_a_session_the_page_says_how_to_sign_in(open_page: OpenPage, path: str) -> None:
    tab = await open_page(path, signed_in=False)
    await expect(tab.page.get_by_role("heading", name=SIGN_IN)).to_be_visible()
    await expect(tab.page.get_by_text("Open the link that Talkmeter printed")).to_be_visible()
    await expect(tab.page.locator("nav.sidebar")).to_have_count(0)


async def test_the_same_in_korean(open_page: OpenPage) -> None:
    tab = await open_page("/?sign_in=expired", signed_in=False, locale="ko-KR")
    await expect(tab.page.get_by_role("heading")).to_have_text("작업 공간에 로그인하십시오")
    await expect(tab.page.get_by_role("alert")).to_contain_text("만료된 링크입니다")
    await expect(tab.page.locator("html")).to_have_attribute("lang", "ko")


async def test_signing_out_ends_the_session_in_every_tab(open_page: OpenPage, server: Server) -> None:
    tab = await open_page(signed_in=False)
    await tab.page.goto(server.new_link())
    await expect(tab.field).to_be_visible()
    second = await open_page(beside=tab)
    await expect(second.field).to_be_visible()
    cookies = await tab.context.cookies()
    for one in (tab, second):
        one.watch.allow("401")  # what a page had just asked is answered to nobody any more
    await tab.page.get_by_role("button", name="Sign out").click()
    for one in (tab, second):
        await expect(one.page.get_by_role("heading", name=SIGN_IN)).to_be_visible()
    # Not only is the cookie gone from this browser: the session itself has ended.
    await tab.context.add_cookies([{k: cookies[0][k] for k in ("name", "value", "domain", "path")}])  # type: ignore[typeddict-item]
    answer = await tab.context.request.get(f"{server.origin}/api/bootstrap")
    assert answer.status == 401


async def test_a_session_that_ends_elsewhere_leads_to_the_sign_in_view(open_page: OpenPage, server: Server) -> None:
    tab = await open_page(signed_in=False)
    await tab.page.goto(server.new_link())
    await expect(tab.field).to_be_visible()
    tab.watch.allow("401")
    await tab.field.fill("Nobody is signed in here")
    await tab.context.clear_cookies()
    await tab.page.keyboard.press("Enter")  # wherever the page is: its next preview may have been told before
    await expect(tab.page.get_by_role("heading", name=SIGN_IN)).to_be_visible()


async def set_password(server: Server) -> None:
    """Beside the running server, as the command line does."""
    store = await open_database(resolve({"data_dir": str(server.data_dir)}, {}))
    await Passwords(store).set(PASSWORD)
    await store.close()


async def test_a_password_signs_in_and_a_wrong_one_says_so(open_page: OpenPage, server: Server) -> None:
    await set_password(server)
    tab = await open_page(signed_in=False)
    tab.watch.allow("401")
    field = tab.page.get_by_label("Password")
    await field.fill("wrong")
    await tab.page.get_by_role("button", name="Sign in").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text("The password is wrong")
    await expect(field).to_have_value("")
    await field.fill(PASSWORD)
    await field.press("Enter")
    await expect(tab.field).to_be_visible()


async def add_person(open_page: OpenPage, server: Server, name: str) -> None:
    """Somebody who signs in with the password."""
    owner = await open_page(signed_in=False)
    await owner.page.goto(server.new_link())
    await expect(owner.field).to_be_visible()
    user = (await owner.call("POST", "/api/users", {"name": name}))["id"]
    await owner.call("POST", f"/api/users/{user}/password", {"password": PASSWORD})


async def person(open_page: OpenPage, server: Server, name: str) -> ChatPage:
    """Somebody's tab, signed in by their password."""
    await add_person(open_page, server, name)
    tab = await open_page(signed_in=False)
    tab.watch.allow("401")
    await sign_in(tab, name)
    return tab


async def sign_in(tab: ChatPage, name: str) -> None:
    await tab.page.get_by_label("Name").fill(name)
    await tab.page.get_by_label("Password").fill(PASSWORD)
    await tab.page.get_by_role("button", name="Sign in").click()
    await expect(tab.field).to_be_visible()


async def lose_session(tab: ChatPage) -> None:
    await tab.context.clear_cookies()
    await tab.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # look for news now
    await expect(tab.page.get_by_role("heading", name=SIGN_IN)).to_be_visible()


async def everything_kept(tab: ChatPage) -> str:
    return await tab.page.evaluate(
        "document.title + document.body.innerText + JSON.stringify({...sessionStorage, ...localStorage})"
    )


@pytest.mark.parametrize("reload", [False, True], ids=["same page", "reloaded"])
async def test_who_signs_in_after_another_finds_nothing_of_theirs(
    open_page: OpenPage, server: Server, reload: bool
) -> None:
    first, second = f"Kim {reload}", f"Lee {reload}"
    await add_person(open_page, server, second)
    tab = await person(open_page, server, first)
    await tab.asked("A secret question")
    await tab.field.fill("and half a thought")
    await lose_session(tab)
    if reload:
        await tab.page.reload()
    await sign_in(tab, second)
    await expect(tab.page).to_have_url(f"{server.origin}/")
    await expect(tab.page).to_have_title("New chat · Talkmeter")
    await expect(tab.field).to_have_value("")
    await expect(tab.questions).to_have_count(0)
    kept = await everything_kept(tab)
    assert "secret" not in kept
    assert "half a thought" not in kept


async def test_who_signs_in_again_goes_on(open_page: OpenPage, server: Server) -> None:
    tab = await person(open_page, server, "Park")
    await tab.asked("A question")
    await tab.field.fill("and half a thought")
    address = tab.page.url
    await lose_session(tab)
    await sign_in(tab, "Park")
    await expect(tab.page).to_have_url(address)
    await expect(tab.bubble()).to_have_text("A question")
    await expect(tab.field).to_have_value("and half a thought")


async def test_another_person_in_another_tab_ends_this_one(open_page: OpenPage, server: Server) -> None:
    await add_person(open_page, server, "Choi")
    tab = await person(open_page, server, "Jung")
    await tab.asked("A secret question")
    await tab.context.clear_cookies()
    other = await open_page(beside=tab)
    await sign_in(other, "Choi")
    await expect(tab.page).to_have_url(f"{server.origin}/")
    await expect(tab.field).to_be_visible()
    assert "secret" not in await everything_kept(tab)


async def test_signing_out_leaves_no_draft(open_page: OpenPage, server: Server) -> None:
    tab = await person(open_page, server, "Han")
    second = await open_page(beside=tab)
    for one in (tab, second):
        await one.field.fill("half a thought")
    await tab.page.get_by_role("button", name="Sign out").click()
    for one in (tab, second):
        await expect(one.page.get_by_role("heading", name=SIGN_IN)).to_be_visible()
        assert "half a thought" not in await everything_kept(one)
