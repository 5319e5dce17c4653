"""The page as a person uses it, and the figures that the API says must stand on it."""

import re
from collections.abc import Awaitable, Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from playwright.async_api import BrowserContext, Locator, Page, expect

from support.running import RESULTS
from support.watch import Watch

# await open_page(path, signed_in=True, beside=a tab of the same browser, at=another origin, **options of the context)
OpenPage = Callable[..., Awaitable["ChatPage"]]
DOLLAR = 10**12  # picodollars


def dollars(picodollars: str | int) -> str:
    """As the page writes money in US dollars: three significant digits, at least cents, never 0 for what is not."""
    value = Decimal(int(picodollars)) / DOLLAR
    if value == 0:
        return "$0"
    places = max(2, 2 - value.adjusted())
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    whole, _, fraction = f"{rounded:,f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


def tokens(count: int) -> str:
    return f"{count:,} token" + ("" if count == 1 else "s")


def figure(count: int, money: str) -> re.Pattern[str]:
    """What stands beside a message."""
    return re.compile(rf"^\s*{re.escape(tokens(count))}\s*·\s*{re.escape(dollars(money))}\s*$")


class ChatPage:
    """One tab."""

    def __init__(self, page: Page, context: BrowserContext, origin: str, watch: Watch) -> None:
        self.page = page
        self.context = context
        self.origin = origin
        self.watch = watch
        self.composer = page.locator("section.composer")
        self.field = self.composer.locator(".box > .grow textarea")
        self.send = self.composer.locator("button.send")
        self.questions = page.locator("[data-turn] article.question")
        self.answers = page.locator("[data-turn] article.answer")
        self.finished = page.locator("[data-turn] article.answer[aria-busy=false]")
        self.receipt = page.locator("dialog[aria-labelledby=receipt-title]")

    async def open(self, path: str = "/") -> None:
        await self.page.goto(self.origin + path)

    async def fresh(self) -> None:
        """A chat that has no room yet."""
        await self.open("/")
        await expect(self.field).to_be_visible()

    async def type(self, text: str) -> None:
        await self.field.fill(text)

    async def ask(self, text: str) -> None:
        await self.field.fill(text)
        await self.field.press("Enter")

    async def asked(self, text: str) -> None:
        """Asks and waits until the answer has ended."""
        before = await self.answers.count()
        await self.ask(text)
        await expect(self.finished).to_have_count(before + 1)

    def answer(self, index: int = -1) -> Locator:
        return self.answers.nth(index)

    def words(self, index: int = -1) -> Locator:
        """What an answer says."""
        return self.answers.nth(index).locator(".markdown")

    def bubble(self, index: int = -1) -> Locator:
        return self.questions.nth(index).locator(".bubble")

    def figure(self, message: Locator) -> Locator:
        return message.locator("button.figure")

    @property
    def room_id(self) -> str:
        match = re.search(r"/room/([^#?/]+)", self.page.url)
        assert match is not None, f"no room is open: {self.page.url}"
        return match[1]

    # --- the API, as the signed-in browser

    async def get(self, path: str) -> Any:
        answer = await self.context.request.get(self.origin + path)
        assert answer.ok, f"{path}: {answer.status} {await answer.text()}"
        return await answer.json()

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.context.request.fetch(
            self.origin + path,
            method=method,
            data=body if body is not None else {},
            headers={"Content-Type": "application/json", "Origin": self.origin},
        )
        assert answer.ok, f"{method} {path}: {answer.status} {await answer.text()}"
        return await answer.json() if answer.status != 204 else None

    async def room(self) -> dict[str, Any]:
        """The room in view, with its newest messages and its totals."""
        return await self.get(f"/api/rooms/{self.room_id}")

    async def messages(self) -> list[dict[str, Any]]:
        return (await self.room())["messages"]

    async def entry(self, index: int = -1) -> dict[str, Any]:
        """The receipt of a message's call, as the API gives it."""
        figures = (await self.messages())[index]["figures"]
        return await self.get(f"/api/entries/{figures['entry_id']}/receipt")

    # --- short ways

    async def choose_model(self, name: str) -> None:
        """By typing its whole name into the model field."""
        await self.composer.get_by_role("button", name=re.compile(r"^(Model|모델): ")).click()
        search = self.page.get_by_role("combobox")
        await search.fill(name)
        await search.press("Enter")
        await expect(self.composer.get_by_role("button", name=re.compile(rf": {re.escape(name)}$"))).to_be_visible()

    async def open_receipt(self, message: Locator) -> Locator:
        await self.figure(message).click()
        await expect(self.receipt.locator(".sheet")).to_be_visible()
        return self.receipt

    async def shot(self, name: str) -> None:
        """Keeps a picture of this state in test-results/ for whoever wants to look."""
        RESULTS.mkdir(parents=True, exist_ok=True)
        await self.page.screenshot(path=RESULTS / f"{name}.png", animations="disabled")
