"""Makes the pictures in docs/images/ from a real server that talks to the simulator.

Run it after the page has changed: `.venv/bin/python tools/make_screenshots.py`. It takes a Chromium as the browser
tests do (TALKMETER_CHROMIUM, or the first on the PATH). What is written there is scripted; every figure is the ledger's.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

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
HOUR = 3600 * SECOND
DAY = 24 * HOUR
WIDE = {"width": 1400, "height": 860}
NARROW = {"width": 390, "height": 800}

# Titles of rooms and how long ago they were used.
ROOMS = {
    "en": (
        ("House rules for the reading group", 2 * HOUR, True),
        ("Regular expressions for dates", 26 * HOUR, False),
        ("Names for a small bakery", 28 * HOUR, False),
        ("Why is the sky dark at night?", 3 * DAY, False),
        ("Unit tests for the importer", 4 * DAY, False),
        ("A letter to the landlord", 12 * DAY, False),
        ("Postgres or SQLite?", 19 * DAY, False),
    ),
    "ko": (
        ("독서 모임 규칙 정리", 2 * HOUR, True),
        ("날짜 정규식 만들기", 26 * HOUR, False),
        ("작은 빵집 이름 짓기", 28 * HOUR, False),
        ("밤하늘은 왜 어두울까?", 3 * DAY, False),
        ("가져오기 모듈 단위 테스트", 4 * DAY, False),
        ("집주인에게 보낼 편지", 12 * DAY, False),
        ("Postgres와 SQLite 비교", 19 * DAY, False),
    ),
}
TALK = {
    "en": (
        (
            "What does a long conversation cost?",
            "Every question takes the history along, so the prompt grows with each turn. With $q$ tokens in a question "
            "and $a$ in an answer, turn $t$ sends $t\\,q + (t-1)\\,a$ tokens. A **history window** makes that growth end: "
            "only the last *N* messages go along.",
        ),
        (
            "Show it with numbers, and as a function.",
            "For questions of 40 tokens and answers of 300:\n\n"
            "| Turn | Everything | Last 5 |\n|--:|--:|--:|\n| 5 | 1,400 | 720 |\n| 20 | 6,500 | 720 |\n| 50 | 16,700 | 720 |\n\n"
            "```python\n"
            "def prompt_tokens(turn: int, window: int | None = None) -> int:\n"
            '    """Tokens sent in a turn; a window counts the messages, the question included."""\n'
            "    messages = 2 * turn - 1 if window is None else min(window, 2 * turn - 1)\n"
            "    questions = (messages + 1) // 2\n"
            "    return questions * 40 + (messages - questions) * 300\n"
            "```",
        ),
    ),
    "ko": (
        (
            "대화가 길어지면 비용이 얼마나 늘어나?",
            "질문할 때마다 이전 대화를 함께 보내므로 **프롬프트(prompt)**가 턴마다 길어집니다. 질문이 $q$ 토큰, 답변이 $a$ 토큰이면 "
            "$t$번째 턴에는 $t\\,q + (t-1)\\,a$ 토큰을 보냅니다. **보내는 메시지 수**를 정하면 최근 *N*개만 함께 가므로 더 늘어나지 않습니다.",
        ),
        (
            "숫자로 보여 주고 함수로도 써 줘.",
            "질문 40토큰, 답변 300토큰이라면 다음과 같습니다.\n\n"
            "| 턴 | 전체 | 최근 5개 |\n|--:|--:|--:|\n| 5 | 1,400 | 720 |\n| 20 | 6,500 | 720 |\n| 50 | 16,700 | 720 |\n\n"
            "```python\n"
            "def prompt_tokens(turn: int, window: int | None = None) -> int:\n"
            '    """한 턴에 보내는 토큰. window는 질문을 포함한 메시지 수."""\n'
            "    messages = 2 * turn - 1 if window is None else min(window, 2 * turn - 1)\n"
            "    questions = (messages + 1) // 2\n"
            "    return questions * 40 + (messages - questions) * 300\n"
            "```",
        ),
    ),
}


async def write_rooms(folder: Path, language: str) -> None:
    """Rooms of earlier days, for the list."""
    make_data_dir(folder)
    store = await open_database(resolve({"data_dir": str(folder)}, {}))
    at = now()
    for title, ago, pinned in ROOMS[language]:
        used = at - ago
        room = Room(
            id=new_id("room"),
            principal="owner",
            title=title,
            pinned=pinned,
            settings=RoomSettings(),
            leaf_id=None,
            created_at=used,
            last_used_at=used,
        )
        await store.commit(AddRoom(room))
    await store.close()


def sign_in(browser: Browser, server: Server, language: str) -> list[dict[str, object]]:
    """The cookies of a signed-in browser."""
    context = browser.new_context(locale={"en": "en-US", "ko": "ko-KR"}[language])
    page = context.new_page()
    page.goto(server.link)
    expect(page.locator("section.composer textarea").first).to_be_visible()
    cookies = context.cookies()
    context.close()
    return [dict(cookie) for cookie in cookies]


def talk(page: Page, simulator: SimulatorProcess, language: str) -> None:
    """Asks the questions by typing them, and waits for their answers."""
    field = page.locator("section.composer .box > .grow textarea")
    for number, (question, answer) in enumerate(TALK[language], start=1):
        simulator.script({"answer": answer})
        field.fill(question)
        field.press("Enter")
        expect(page.locator("article.answer[aria-busy=false] button.figure")).to_have_count(number)
    expect(page.locator(".tok-keyword").first).to_be_visible()
    expect(page.locator(".math .katex").first).to_be_visible()


def take(page: Page, name: str) -> None:
    page.evaluate("document.activeElement?.blur()")
    page.mouse.move(5, 5)
    page.wait_for_load_state("networkidle")
    page.screenshot(path=IMAGES / name, animations="disabled", caret="hide")
    size = (IMAGES / name).stat().st_size
    print(f"docs/images/{name}  {size / 1000:.0f} kB")


def make(browser: Browser, language: str, folder: Path) -> None:
    with SimulatorProcess(folder / "bill.jsonl") as simulator:
        upstream = {
            "OPENAI_BASE_URL": simulator.base_url,
            "OPENAI_API_KEY": "sk-x",
            "TALKMETER_DEFAULT_MODEL": "sim-fast",
        }
        with Server(folder / "data", environment=upstream) as server:
            cookies = sign_in(browser, server, language)
            wide = {"viewport": WIDE, "device_scale_factor": 1.5, "reduced_motion": "reduce"}
            narrow = {"viewport": NARROW, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
            address = server.origin
            for name, options in {
                "chat": {**wide, "color_scheme": "light"},
                "chat.dark": {**wide, "color_scheme": "dark"},
                "chat.narrow": {**narrow, "color_scheme": "light"},
            }.items():
                context = browser.new_context(locale={"en": "en-US", "ko": "ko-KR"}[language], **options)
                context.add_cookies(cookies)
                page = context.new_page()
                page.goto(address)
                if name == "chat":
                    talk(page, simulator, language)
                    address = page.url
                if "narrow" not in name:
                    page.locator("article.answer button.figure").last.click()
                    expect(page.locator("dialog .sheet")).to_be_visible()
                expect(page.locator(".tok-keyword").first).to_be_visible()
                if language == "en" or name == "chat":
                    take(page, f"{name}.png" if language == "en" else f"{name}.{language}.png")
                context.close()


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folders = {language: Path(name) / language for language in TALK}
        for language, folder in folders.items():
            asyncio.run(write_rooms(folder / "data", language))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
            for language, folder in folders.items():
                make(browser, language, folder)
            browser.close()


if __name__ == "__main__":
    main()
