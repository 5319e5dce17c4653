"""Figures, their bars, the machine they were taken on, and the tables that show them."""

import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One measured figure; bar: what it may be at most (None: there is none).

    runs: every run. The median is held against the bar; with by_best the smallest, for what other programs on the
    machine can spoil but never improve. note: what a reader must know to take the measurement again.
    """

    name: str
    runs: tuple[float, ...]
    unit: str
    bar: float | None = None
    note: str = ""
    by_best: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def met(self) -> bool:
        return self.bar is None or (min(self.runs) if self.by_best else self.median) <= self.bar

    def cells(self) -> tuple[str, ...]:
        span = f"{shown(min(self.runs))} – {shown(max(self.runs))}" if len(self.runs) > 1 else ""
        bar = "" if self.bar is None else f"≤ {shown(self.bar)}" if self.bar else "0"
        verdict = (
            "" if self.bar is None else ("met" if self.met else "NOT MET") + (" by the best" if self.by_best else "")
        )
        return self.name, f"{shown(self.median)} {self.unit}", span, bar, verdict, self.note


HEAD = ("figure", "median", "runs", "bar", "", "note")


def shown(value: float) -> str:
    """Three significant digits, thousands whole."""
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def table(figures: Sequence[Figure], *, markdown: bool = False) -> str:
    """For a terminal in columns; for a page in Markdown."""
    lines = [HEAD, *(figure.cells() for figure in figures)]
    if markdown:
        return "\n".join(["| " + " | ".join(line) + " |" for line in [HEAD, ("---",) * len(HEAD), *lines[1:]]])
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def machine() -> str:
    """One line: processor, cores, memory, system, Python, and how busy it was."""
    busy = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} cores, {_memory()} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load {busy}"
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9)


def progress(text: str) -> None:
    """What is being measured, for whoever waits; not part of the result."""
    sys.stderr.write(f"… {text}\n")
    sys.stderr.flush()
