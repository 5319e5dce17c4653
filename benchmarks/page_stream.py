"""Stream long Markdown answers into the page's renderer in Chromium and measure frames.

Builds `web/markdown-bench.html` the way production is built, serves it under the
production content security policy and prints, for each text, frames, long tasks
(over 50 ms), frame times and main-thread work per frame in milliseconds. Ends with
status 1 when a bar is missed or the browser's console has anything to say.

    python benchmarks/page_stream.py [--runs 3] [--text answer --text fence] [--screenshots DIR]

TALKMETER_CHROMIUM names the browser where it is not /usr/bin/chromium.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

WEB = Path(__file__).resolve().parents[1] / "web"
BUILT = WEB / ".bench"
CHROMIUM = os.environ.get("TALKMETER_CHROMIUM", "/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
CHARACTERS_PER_FRAME = 64
P95_BAR_MS = 20.0
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


class Handler(SimpleHTTPRequestHandler):
    """Serves the built page under the strict policy, silently."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the figures readable."""


def build() -> None:
    vite = WEB / "node_modules" / ".bin" / "vite"
    if not vite.exists():
        sys.exit("web/node_modules is missing: run `npm ci --ignore-scripts` in web/ first")
    subprocess.run([str(vite), "build", "--mode", "bench", "--logLevel", "warn"], cwd=WEB, check=True)


def main_thread(devtools: CDPSession) -> dict[str, float]:
    """Seconds of the page's main thread so far, by what they were spent on."""
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return {each["name"]: each["value"] for each in metrics if each["name"].endswith("Duration")}


def measure(page: Page, devtools: CDPSession, text: str) -> dict[str, Any]:
    """Figures of one stream; `script`, `layout` and `total` are main-thread milliseconds per frame."""
    before = main_thread(devtools)
    figures: dict[str, Any] = page.evaluate(
        "([text, perFrame]) => window.bench.stream(text, perFrame)", [text, CHARACTERS_PER_FRAME]
    )
    after = main_thread(devtools)
    spent = {name: (after[name] - before[name]) * 1000 / figures["frames"] for name in after}
    figures["script"] = spent["ScriptDuration"]
    figures["layout"] = spent["LayoutDuration"] + spent["RecalcStyleDuration"]
    figures["total"] = spent["TaskDuration"]
    return figures


def met(figures: dict[str, Any]) -> bool:
    return not figures["longTasks"] and figures["p95"] <= P95_BAR_MS


def report(text: str, run: int, figures: dict[str, Any]) -> None:
    verdict = "ok" if met(figures) else "MISSED"
    print(
        f"{text:10} run {run}  {figures['characters']:6} characters  {figures['frames']:4} frames  "
        f"p50 {figures['p50']:5.1f}  p95 {figures['p95']:5.1f}  worst {figures['worst']:6.1f}  "
        f"script {figures['script']:.2f}  layout {figures['layout']:.2f}  all {figures['total']:.2f}  "
        f"long tasks {figures['longTasks'] or 0}  {figures['wallSeconds']} s  {verdict}",
        flush=True,
    )


def show_sample(page: Page, folder: Path | None) -> None:
    """Show every kind of block, so that the policy can object; keep pictures in `folder` if given."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate("window.bench.show('sample')")
        page.wait_for_selector(".katex")
        page.wait_for_selector(".tok-keyword")
        page.evaluate("document.fonts.ready.then(() => null)")
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=folder / f"markdown-{scheme}.png", full_page=True)


def run(options: argparse.Namespace) -> bool:
    build()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(BUILT)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/markdown-bench.html"
    complaints: list[str] = []
    missed: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1000, "height": 800})
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        page.goto(address)
        page.wait_for_function("'bench' in window")
        show_sample(page, options.screenshots)
        for text in options.text or ["answer", "fence"]:
            figures = [measure(page, devtools, text) for _ in range(options.runs)]
            for number, each in enumerate(figures, 1):
                report(text, number, each)
            # Another program on the machine can spoil a run, but not all of them.
            if not any(met(each) for each in figures):
                missed.append(text)
            whole = min(page.evaluate("(text) => window.bench.show(text)", text) for _ in range(3))
            print(f"{text:10} shown whole in {whole:.0f} ms")
        browser.close()
    server.shutdown()
    for line in dict.fromkeys(complaints):
        print(f"console: {line}")
    return not missed and not complaints


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="times each text is streamed")
    parser.add_argument("--text", action="append", help="a text of web/bench/texts.ts; may be repeated")
    parser.add_argument("--screenshots", type=Path, help="folder for pictures of the sample")
    sys.exit(0 if run(parser.parse_args()) else 1)


if __name__ == "__main__":
    main()
