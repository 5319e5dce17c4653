"""JavaScript that `/` loads before anything is clicked: the scripts of index.html and all that they import at once."""

import gzip
import re
from pathlib import Path

from figures import Figure
from running import ROOT, Missed

BYTES_BAR, FILES_BAR = 150.0, 6.0  # kB (1,000 bytes), files
STATIC = ROOT / "src/talkmeter/surfaces/web/static"
LEVEL = 9

_IN_PAGE = re.compile(r"""<(?:script[^>]*\ssrc|link[^>]*rel="modulepreload"[^>]*\shref)="([^"]+)\"""")
# `import("…")` is loaded when it is needed; `import{a}from"…"`, `import"…"` and `export…from"…"` are loaded at once.
_IMPORT = re.compile(r"""\b(?:import|export)\b[^"'();]*?["'](\.{1,2}/[^"']+\.js)["']""")


def measure(_python: Path, _runs: int) -> list[Figure]:
    files = first_files()
    sizes = {file: len(gzip.compress(file.read_bytes(), LEVEL)) / 1e3 for file in files}
    names = ", ".join(f"{file.name} {size:.1f}" for file, size in sorted(sizes.items(), key=lambda item: -item[1]))
    return [
        Figure("first load: JavaScript, gzip", (sum(sizes.values()),), "kB", BYTES_BAR, names),
        Figure("first load: JavaScript files", (float(len(files)),), "", FILES_BAR),
    ]


def first_files(static: Path = STATIC) -> set[Path]:
    """Raises Missed if the page is not built."""
    try:
        page = (static / "index.html").read_text(encoding="utf-8")
    except OSError:
        raise Missed(f"There is no built page in {static}: python3 dev build") from None
    waiting = [static / source.lstrip("/") for source in _IN_PAGE.findall(page)]
    found: set[Path] = set()
    while waiting:
        file = waiting.pop().resolve()
        if file not in found:
            found.add(file)
            waiting += [file.parent / name for name in _IMPORT.findall(file.read_text(encoding="utf-8"))]
    return found
