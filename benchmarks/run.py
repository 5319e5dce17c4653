"""Measures Talkmeter against its bars and prints a table; docs/performance.md holds the figures of such a run.

    .venv/bin/python benchmarks/run.py [--only start --only ledger …] [--runs 7] [--target wheel] [--markdown]

Servers run from a wheel in a fresh virtual environment (`--venv DIR` keeps it and uses it again), or from this checkout
with `--target checkout`. Wall-clock figures of a busy machine are worth little: run it again, and trust CPU time.
Ends with status 1 if a bar is missed. Needs Linux, the packages of requirements/dev.txt and, for `page`, Chromium.
"""

import argparse
import importlib
import shlex
import sys
import time
from pathlib import Path

from figures import Figure, machine, progress, table
from running import Missed, scratch, this_python

# name → module with `measure(python, runs)`
ALL = {
    "start": "start",
    "memory": "memory",
    "size": "installed",
    "first-load": "first_load",
    "room": "long_room",
    "count": "live_count",
    "ledger": "ledger",
    "chat": "chat",
    "grpc": "grpc_streams",
    "sockets": "sockets",
    "page": "page_answer",
}


def main() -> None:
    options = _options()
    wanted = options.only or [name for name in ALL if name != "size" or options.target == "wheel"]
    try:
        with scratch() as made:
            python = _python(options.target, options.venv or Path(made) / "venv")
            begun = machine()
            figures = [figure for name in wanted for figure in measure(name, python, options.runs)]
    except Missed as missed:
        sys.exit(f"\n{missed}")
    where = "wheel in a fresh virtual environment" if options.target == "wheel" else "this checkout, not a wheel"
    print(f"command  python {shlex.join(sys.argv)}")
    print(f"date     {time.strftime('%Y-%m-%d %H:%M')}")
    print(f"machine  {begun}; at the end {machine().rpartition('load ')[2]}")
    print(f"servers  {where}\n")
    print(table(figures, markdown=options.markdown))
    sys.exit(0 if all(figure.met for figure in figures) else 1)


def measure(name: str, python: Path, runs: int) -> list[Figure]:
    figures: list[Figure] = importlib.import_module(ALL[name]).measure(python, runs)
    return figures


def _python(target: str, venv: Path) -> Path:
    if target == "checkout":
        return this_python()
    import installed

    return installed.install(venv)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=list(ALL), help="this figure; may be repeated")
    parser.add_argument("--runs", type=int, default=7, help="runs of each, of which the median counts")
    parser.add_argument("--target", choices=("wheel", "checkout"), default="wheel")
    parser.add_argument("--venv", type=Path, help="where the wheel's environment is made or found")
    parser.add_argument("--markdown", action="store_true", help="the table for a page of documentation")
    return parser.parse_args()


if __name__ == "__main__":
    progress("each line says what is being measured; the table comes at the end")
    main()
