"""The real page end to end in Chromium: what it loads first, and a streamed answer of 60,000 characters.

The page is Talkmeter's own, served by Talkmeter, the answer comes from the simulator at a steady pace, and what is
counted is what a person would feel: frames (requestAnimationFrame) and long tasks (over 50 ms) while it streams.
TALKMETER_CHROMIUM names the browser where it is not found by itself.
"""

import os
import shutil
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from figures import Figure, progress
from first_load import BYTES_BAR, FILES_BAR
from playwright.sync_api import Browser, Page, sync_playwright
from running import Missed, Server, Simulator, cpu_seconds, scratch

P95_BAR = 20.0  # ms
CHARACTERS = 60_000
MODEL = "sim-fast@1200"  # tokens per second: some sixteen seconds for the whole answer
IDLE = 3_000  # ms
MOST_RUNS = 5
PATIENCE = 180_000  # ms
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")

WATCH = """() => {
  const seen = (window.seen = { frames: [], long: [], last: performance.now(), on: true })
  new PerformanceObserver((list) => seen.long.push(...list.getEntries().map((entry) => entry.duration)))
    .observe({ type: 'longtask' })
  const frame = () => {
    const now = performance.now()
    seen.frames.push(now - seen.last)
    seen.last = now
    if (seen.on) requestAnimationFrame(frame)
  }
  requestAnimationFrame(frame)
}"""
SEEN = "() => { window.seen.on = false; return window.seen }"


def measure(python: Path, runs: int) -> list[Figure]:
    runs = min(runs, MOST_RUNS)
    with scratch() as made, Simulator(python, Path(made)) as simulator, Server(python, Path(made), simulator) as server:
        server.send("PATCH", "/api/settings", {"default_model": MODEL, "language": "en"})
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_chromium(), args=FLAGS)
            loaded = [_first_view(browser, server) for _ in range(runs)]
            streamed = [_stream(browser, server, run, runs) for run in range(runs)]
            browser.close()
    note = f"{CHARACTERS:,} characters at {MODEL.partition('@')[2]} tokens/s"
    return [
        Figure("page: JavaScript until one can type", _each(loaded, "kB"), "kB", BYTES_BAR, "on the wire, gzip"),
        Figure("page: JavaScript files until then", _each(loaded, "files"), "", FILES_BAR, "with the language"),
        Figure("page: until one can type", _each(loaded, "waited"), "ms", note="empty cache"),
        Figure("page, answer streams: long tasks", _each(streamed, "long"), "", 0.0, note, by_best=True),
        Figure("page, answer streams: p95 frame", _each(streamed, "p95"), "ms", P95_BAR, by_best=True),
        Figure("for comparison: p95 frame, idle page", _each(streamed, "idle"), "ms", note="what the machine gives"),
        Figure("page, answer streams: p50 frame", _each(streamed, "p50"), "ms"),
        Figure("page, answer streams: longest frame", _each(streamed, "worst"), "ms"),
        Figure("page, answer streams: server CPU", _each(streamed, "server"), "s", note="whole answer"),
    ]


def _each(runs: Sequence[Mapping[str, float]], name: str) -> tuple[float, ...]:
    return tuple(run[name] for run in runs)


def _open(browser: Browser, server: Server) -> Page:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    name, _, value = server.cookie.partition("=")
    context.add_cookies([{"name": name, "value": value, "url": server.base_url}])
    return context.new_page()


def _first_view(browser: Browser, server: Server) -> dict[str, float]:
    """JavaScript over the wire until the page is quiet, and milliseconds until the composer is there."""
    page = _open(browser, server)
    devtools = page.context.new_cdp_session(page)
    devtools.send("Network.enable")
    scripts: set[str] = set()
    sizes: list[int] = []
    devtools.on("Network.responseReceived", lambda seen: seen["type"] == "Script" and scripts.add(seen["requestId"]))
    devtools.on(
        "Network.loadingFinished",
        lambda seen: seen["requestId"] in scripts and sizes.append(seen["encodedDataLength"]),
    )
    page.goto(server.base_url)
    _field(page).wait_for(state="visible")
    waited = page.evaluate("performance.now()")
    page.wait_for_load_state("networkidle")
    page.context.close()
    return {"kB": sum(sizes) / 1e3, "files": float(len(sizes)), "waited": waited}


def _stream(browser: Browser, server: Server, run: int, runs: int) -> dict[str, float]:
    progress(f"page, answer {run + 1}/{runs}")
    page = _open(browser, server)
    page.goto(server.base_url)
    field = _field(page)
    field.wait_for(state="visible")
    page.evaluate(WATCH)
    page.wait_for_timeout(IDLE)
    idle = _frames(page.evaluate(SEEN))
    field.fill(f"long {CHARACTERS}")
    before = cpu_seconds(server.pid)
    page.evaluate(WATCH)
    field.press("Enter")
    page.locator("article.answer[aria-busy=false]").wait_for(timeout=PATIENCE)
    seen = page.evaluate(SEEN)
    length = page.evaluate("document.querySelector('article.answer .markdown')?.textContent.length ?? 0")
    if length < CHARACTERS / 2:
        raise Missed(f"The page shows {length} characters of an answer of {CHARACTERS}.")
    page.context.close()
    frames = _frames(seen)
    return {
        "long": float(len(seen["long"])),
        "p50": statistics.median(frames),
        "p95": statistics.quantiles(frames, n=20)[-1],
        "idle": statistics.quantiles(idle, n=20)[-1],
        "worst": max(frames),
        "server": cpu_seconds(server.pid) - before,
    }


def _frames(seen: Mapping[str, Any]) -> list[float]:
    """Milliseconds between frames; the first began before there was a watch."""
    frames: list[float] = seen["frames"][1:]
    return frames


def _field(page: Page) -> Any:
    return page.locator("section.composer textarea").first


def _chromium() -> str:
    named = os.environ.get("TALKMETER_CHROMIUM")
    for name in (named,) if named else NAMES:
        if found := shutil.which(name):
            return found
    raise Missed("There is no Chromium; name one with TALKMETER_CHROMIUM.")
