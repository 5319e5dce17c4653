"""Where Chromium is, and how it is started: without a network of its own."""

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome", "/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str:
    """TALKMETER_CHROMIUM if it is set, else the first that is found."""
    named = os.environ.get("TALKMETER_CHROMIUM")
    for name in (named,) if named else NAMES:
        if found := shutil.which(name):
            return found
    raise RuntimeError(
        f"TALKMETER_CHROMIUM names {named}, which cannot be run."
        if named
        else "The browser tests drive a real Chromium and found none. Run `python3 dev test`, which brings one, "
        "or name one: TALKMETER_CHROMIUM=/path/to/chromium"
    )
