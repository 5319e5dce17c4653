"""What must not happen on any page, whatever a test does: collected everywhere, asserted at the end of each test."""

import re
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, ConsoleMessage, Dialog, Page, Request, WebError

_REPORT_VIOLATIONS = """
document.addEventListener('securitypolicyviolation', (event) =>
  __talkmeterViolation(`${event.effectiveDirective}: ${event.blockedURI} ${event.sample} (${event.sourceFile}:${event.lineNumber})`))
"""
# Chromium writes these itself for every answer from 400 up and for every request without a network.
_FAILED_REQUEST = re.compile(r"Failed to load resource: (?:the server responded with a status of (\d{3})|net::(\w+))")


class Watch:
    """Watches every page of one browser context.

    It complains about requests to another origin, violations of the content security policy or of Trusted Types,
    errors on the console, exceptions nobody caught, and dialogs. `allow` names what a test brings about itself.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.requests: list[str] = []
        self.elsewhere: list[str] = []  # requests to another origin, also such as the policy has stopped
        self._troubles: list[str] = []
        self._allowed: list[re.Pattern[str]] = []

    async def over(self, context: BrowserContext) -> None:
        context.on("request", self._asked)
        context.on("console", self._said)
        context.on("weberror", self._raised)
        context.on("page", self._opened)
        await context.expose_binding("__talkmeterViolation", self._violated)
        await context.add_init_script(_REPORT_VIOLATIONS)

    def allow(self, *patterns: str) -> None:
        """Troubles that match are this test's own doing. A status or `net::` error is named as such: "409", "ERR_FAILED"."""
        self._allowed += [re.compile(pattern) for pattern in patterns]

    def assert_clean(self) -> None:
        unexpected = [trouble for trouble in self._troubles if not any(p.search(trouble) for p in self._allowed)]
        assert not self.elsewhere, f"requests left for another origin: {self.elsewhere}"
        assert not unexpected, "on the page: " + "\n".join(unexpected)

    def _asked(self, request: Request) -> None:
        self.requests.append(f"{request.method} {request.url}")
        parts = urlsplit(request.url)
        if parts.scheme in ("data", "blob", "about"):
            return
        if f"{parts.scheme}://{parts.netloc}" != self.origin:
            self.elsewhere.append(request.url)

    def _said(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning", "assert"):
            return
        failed = _FAILED_REQUEST.search(message.text)
        short = (failed[1] or failed[2]) if failed else message.text
        self._troubles.append(f"console {message.type}: {short} at {message.location.get('url')}")

    def _raised(self, error: WebError) -> None:
        self._troubles.append(f"exception: {error.error}")

    def _violated(self, _source: object, words: str) -> None:
        self._troubles.append(f"violation: {words}")

    def _opened(self, page: Page) -> None:
        page.on("dialog", self._asked_by_dialog)

    async def _asked_by_dialog(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            await dialog.accept()
            return
        self._troubles.append(f"dialog {dialog.type}: {dialog.message}")
        await dialog.dismiss()
