"""Makes the pictures in docs/images/ from a real server that talks to the simulator.

Run it after the page has changed: `.venv/bin/python tools/make_screenshots.py`. It takes the Chromium that the browser
tests take. What is said in the pictures stands in screenshots.toml; every figure is the ledger's.
"""

import asyncio
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))  # how a server, a simulator and a Chromium are started

from support.chromium import ARGUMENTS, chromium_path  # noqa: E402
from support.running import Server, SimulatorProcess  # noqa: E402
from talkmeter.app.wiring import make_data_dir, open_database  # noqa: E402
from talkmeter.clock import SECOND, now  # noqa: E402
from talkmeter.config import resolve  # noqa: E402
from talkmeter.conversation.changes import AddRoom  # noqa: E402
from talkmeter.ids import new_id  # noqa: E402
from talkmeter.messages import Room, RoomSettings  # noqa: E402

IMAGES = ROOT / "docs/images"
TEXTS = Path(__file__).with_name("screenshots.toml")
HOUR = 3600 * SECOND
WIDE = {"viewport": {"width": 1400, "height": 860}, "device_scale_factor": 1.5, "reduced_motion": "reduce"}
NARROW = {"viewport": {"width": 390, "height": 800}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
# Language → picture → how it is looked at.
PICTURES: dict[str, dict[str, dict[str, Any]]] = {
    "en": {
        "chat.png": {**WIDE, "color_scheme": "light"},
        "chat.dark.png": {**WIDE, "color_scheme": "dark"},
        "chat.narrow.png": {**NARROW, "color_scheme": "light"},
    },
    "ko": {"chat.ko.png": {**WIDE, "color_scheme": "light"}},
}


async def write_rooms(folder: Path, texts: dict[str, Any]) -> None:
    """Rooms of earlier days, for the list."""
    make_data_dir(folder)
    store = await open_database(resolve({"data_dir": str(folder)}, {}), begins=True)
    at = now()
    await store.commit(AddRoom(_room(texts["pinned"], at - HOUR, pinned=True)))
    for hours, title in texts["rooms"]:
        await store.commit(AddRoom(_room(title, at - hours * HOUR)))
    await store.close()


def _room(title: str, at: int, *, pinned: bool = False) -> Room:
    return Room(
        id=new_id("room"),
        principal="owner",
        title=title,
        pinned=pinned,
        settings=RoomSettings(),
        leaf_id=None,
        created_at=at,
        last_used_at=at,
    )


def talk(context: BrowserContext, server: Server, simulator: SimulatorProcess, texts: dict[str, Any]) -> str:
    """Signs in, asks the questions by typing them, waits for their answers; the room's address."""
    page = context.new_page()
    page.goto(server.link)
    field = page.locator("section.composer .box > .grow textarea")
    for number, one in enumerate(texts["talk"], start=1):
        simulator.script({"answer": one["answer"].removeprefix("\n")})
        field.fill(one["question"])
        field.press("Enter")
        expect(page.locator("article.answer[aria-busy=false] button.figure")).to_have_count(number)
    return page.url


def take(page: Page, address: str, name: str, *, receipt: bool) -> None:
    page.goto(address)
    expect(page.locator(".tok-keyword").first).to_be_visible()
    if receipt:
        page.locator("article.answer button.figure").last.click()
        expect(page.locator("dialog .sheet")).to_be_visible()
    page.evaluate("document.activeElement?.blur()")
    page.mouse.move(5, 5)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / name, animations="disabled", caret="hide")
    print(f"docs/images/{name}  {(IMAGES / name).stat().st_size / 1000:.0f} kB")


def make(browser: Browser, language: str, folder: Path, texts: dict[str, Any]) -> None:
    with SimulatorProcess(folder / "bill.jsonl") as simulator:
        environment = {
            "OPENAI_BASE_URL": simulator.base_url,
            "OPENAI_API_KEY": "sk-any",
            "TALKMETER_DEFAULT_MODEL": "sim-fast",
        }
        with Server(folder / "data", environment=environment) as server:
            first = browser.new_context(locale=texts["locale"])
            address = talk(first, server, simulator, texts)
            for name, options in PICTURES[language].items():
                context = browser.new_context(locale=texts["locale"], **options)
                context.add_cookies(first.cookies())  # type: ignore[arg-type]
                take(context.new_page(), address, name, receipt="is_mobile" not in options)
                context.close()


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    texts = tomllib.loads(TEXTS.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as temporary:
        folders = {language: Path(temporary) / language for language in PICTURES}
        for language, folder in folders.items():
            asyncio.run(write_rooms(folder / "data", texts[language]))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
            for language, folder in folders.items():
                make(browser, language, folder, texts[language])
            browser.close()


if __name__ == "__main__":
    main()
