"""A real Chromium for the whole run; a server for each module; a browser context, watched, for each test."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright, expect

from support.chat_page import ChatPage, OpenPage
from support.chromium import ARGUMENTS, chromium_path
from support.running import Server, SimulatorProcess
from support.watch import Watch

HERE = Path(__file__).parent
MODEL = "sim-fast@0"  # as fast as it can
FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All browser tests share one event loop, so that they can share one browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Lets the fixtures know that their test failed."""
    report = yield
    if report.when == "call" and report.failed:
        item.stash[FAILED] = True
    return report


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    expect.set_options(timeout=20_000)  # far beyond what anything takes
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        yield chromium
        await chromium.close()


@pytest.fixture(scope="session")
def simulator_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(tmp_path_factory.mktemp("simulator") / "bill.jsonl") as running:
        yield running


@pytest.fixture
def simulator(simulator_process: SimulatorProcess) -> Iterator[SimulatorProcess]:
    """The upstream of `server`: no script and no held answer is left to the next test."""
    yield simulator_process
    simulator_process.let_go()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, simulator_process: SimulatorProcess) -> Iterator[Server]:
    """Talkmeter with the simulator as a provider of its own, as a real one would be."""
    upstream = {"OPENAI_API_KEY": "sk-test-1234", "OPENAI_BASE_URL": simulator_process.base_url}
    with Server(tmp_path_factory.mktemp("server"), environment=upstream) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def cookies(browser: Browser, server: Server) -> list[Any]:
    """Signs in once for the module."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.goto(server.link)
    chat = ChatPage(page, context, server.origin, Watch(server.origin))
    await chat.call("PATCH", "/api/settings", {"default_model": MODEL})
    state = await context.storage_state()
    await context.close()
    return list(state["cookies"])


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(
    request: pytest.FixtureRequest, browser: Browser, server: Server, cookies: list[Any]
) -> AsyncIterator[OpenPage]:
    """Opens a tab in a browser of its own: `await open_page(path, locale="ko-KR", …)`. Nothing may go wrong on it."""
    opened: list[ChatPage] = []

    async def open_one(
        path: str = "/",
        *,
        signed_in: bool = True,
        beside: ChatPage | None = None,
        at: str | None = None,
        **options: Any,
    ) -> ChatPage:
        if beside is None:
            given = {
                "locale": "en-US",
                "viewport": {"width": 1280, "height": 800},
                "reduced_motion": "reduce",
            } | options
            context = await browser.new_context(**given)
            watch = Watch(at or server.origin)
            await watch.over(context)
            if signed_in:
                await context.add_cookies(cookies)
        else:
            context, watch = beside.context, beside.watch
        chat = ChatPage(await context.new_page(), context, at or server.origin, watch)
        opened.append(chat)
        await chat.open(path)
        return chat

    yield open_one
    failed = request.node.stash.get(FAILED, False)
    if failed:
        print("".join(server.log[-20:]))
    for number, chat in enumerate(opened):
        if failed and not chat.page.is_closed():
            await chat.shot(re.sub(r"[^\w-]+", "-", f"failed-{request.node.name}")[:100] + f"-{number}")
    for context in {chat.context for chat in opened}:
        await context.close()
    for watch in {chat.watch for chat in opened}:
        watch.assert_clean()


@pytest_asyncio.fixture(loop_scope="session")
async def chat(open_page: OpenPage) -> ChatPage:
    """A signed-in tab with a new chat, in English."""
    opened = await open_page()
    await expect(opened.field).to_be_visible()
    return opened
