"""Measures Talkmeter's gateway beside nginx and other gateways, in one run, and prints ratios to nginx.

    .venv/bin/python benchmarks/gateway.py                                   # talkmeter, nginx: three minutes
    .venv/bin/python benchmarks/gateway.py --targets all --install           # the peers too: a quarter of an hour

All are given the same requests for the same fake upstream: the gateway on one core, upstream and load on the other.
The gateways take turns in each phase, so that a busy minute is nobody's alone. CPU time is what to trust on a shared
machine. After each phase Talkmeter's ledger is held against the upstream's bill; the command ends with status 1 if they
differ, or if something of Talkmeter's failed. Needs Linux, two cores, and `taskset`. What cannot be started is reported
with the reason. --install fetches peers by pip, npm and apt-get into --cache.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from figures import machine, progress
from gateways import report, targets
from gateways.committing import commit_times
from gateways.measuring import PACE_MS, Bench, Phase, Target, compare
from gateways.processes import FakeUpstream
from running import Missed, scratch

PAGE = Path(__file__).resolve().parents[1] / "docs/performance.md"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "talkmeter-benchmarks"
MOST_STREAMS = 1024


def phases(seconds: float) -> list[Phase]:
    return [
        *(Phase(f"plain{at_once}", at_once, seconds=seconds) for at_once in (1, 16, 64)),
        Phase("first", 1, 20, seconds=min(seconds, 2.0)),
        Phase("flood", 16, 200, seconds=seconds),
        *(Phase(f"paced{streams}", streams, 100, PACE_MS, spread=1.0) for streams in (32, 256)),
    ]


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started ends too
    missing: dict[str, str] = {}
    bench = Bench(options.gateway_core, options.load_core, options.wait)
    with scratch() as made, contextlib.ExitStack() as ending:
        running, direct = _start(options, Path(made), missing, ending)
        commits: list[float] = []
        broken = _measure(bench, running, direct, options, lambda: commits.extend(commit_times(Path(made))))
        text = _text(running, direct, missing, commits)
    sys.stdout.write(text + "\n")
    if options.out:
        seen = {target.name: _raw(target) for target in [*running, direct]}
        options.out.write_text(json.dumps(seen, indent=1), encoding="utf-8")
    if options.write:
        report.put_between_marks(PAGE, text)
    sys.exit(1 if broken else 0)


def _start(
    options: argparse.Namespace, folder: Path, missing: dict[str, str], ending: contextlib.ExitStack
) -> tuple[list[Target], Target]:
    """All that can be started; why the others cannot be goes into `missing`."""
    alone = ending.enter_context(FakeUpstream(folder, options.gateway_core))
    direct = Target(targets.Gateway("direct", "", "", alone, alone.port), alone)
    running = []
    for name in options.targets:
        own = folder / name
        own.mkdir()
        try:
            if options.install:
                progress(f"{name}: installing unless it is there")
                targets.install(name, options.cache)
            progress(f"{name}: starting")
            # One for each: what a gateway leaves behind is never on the bill of another.
            upstream = ending.enter_context(FakeUpstream(own, options.load_core))
            setting = targets.Setting(own, options.gateway_core, upstream.port, options.cache)
            gateway = targets.TARGETS[name](setting)
        except Missed as missed:
            missing[name] = " ".join(str(missed).split())
            progress(f"{name}: not measured: {missing[name]}")
            continue
        ending.enter_context(gateway.process)
        running.append(Target(gateway, upstream))
        bill, _ = upstream.bill()
        running[-1].bill.update(bill)
    return running, direct


def _measure(
    bench: Bench, running: list[Target], direct: Target, options: argparse.Namespace, commit: Callable[[], None]
) -> bool:
    """Whether something of Talkmeter's was not as it must be. commit: measures the disk beside single requests."""
    for target in [*running, direct]:
        bench.run(target, Phase("warm", 16, seconds=0.5))
        bench.run(target, Phase("warm", 16, 50))
    for phase in phases(options.seconds):
        for turn in range(options.repeats):
            alone = [direct] if phase.connections == 1 else []
            if alone:
                commit()
            for target in [*running, *alone]:
                seen = bench.run(target, phase)
                said = ", ".join(f"{kind}: {times}" for kind, times in seen.load["problems"].items()) or "all complete"
                per = seen.cpu / max(1, seen.load["events"] or seen.load["done"]) * 1e6
                progress(
                    f"{phase.name} {turn + 1}/{options.repeats} {target.name}: {seen.load['done']:,} answers, "
                    f"{per:.1f} µs each, {said}; others {seen.noise:.0%}"
                )
        _books(running, phase.name)
    paced = phases(options.seconds)[-1]
    for target in running:
        target.capacity = bench.capacity(target, paced, MOST_STREAMS)
        progress(f"paced streams on one core, {target.name}: {target.capacity}")
    _books(running, "capacity")
    ours = [target for target in running if target.gateway.database]
    failed = any(seen.failed for target in ours for seen in target.measured())
    return failed or any(not said.endswith("difference 0") for target in ours for said in target.books)


def _books(running: list[Target], phase: str) -> None:
    for target in running:
        if target.gateway.database:
            progress(compare(target, phase))


def _text(running: list[Target], direct: Target, missing: dict[str, str], commits: list[float]) -> str:
    command = shlex.join(["benchmarks/gateway.py", *_what_matters(sys.argv[1:])])
    lines = [
        f"`.venv/bin/python {command}`, {time.strftime('%Y-%m-%d %H:%M')}. {machine()}; {report.noise(running)}.",
        "",
        report.table(running, direct),
        "",
        *(f"- {target.name} {target.gateway.version}: {target.gateway.note}." for target in running),
        *(f"- {name}: not measured: {reason}" for name, reason in missing.items()),
        f"- One durable commit by SQLite itself on this disk, in between: {report.of_commits(commits)}.",
        *(f"- {target.name}, at the end: {target.books[-1]}. {_phases(target)}" for target in running if target.books),
    ]
    return "\n".join(lines)


def _what_matters(arguments: list[str]) -> list[str]:
    """The command's arguments without those that say where results go."""
    where = {place + more for place, each in enumerate(arguments) if each == "--out" for more in (0, 1)}
    return [each for place, each in enumerate(arguments) if place not in where and each != "--write"]


def _phases(target: Target) -> str:
    unequal = sum(not said.endswith("difference 0") for said in target.books)
    return (
        f"It was 0 after each of the {len(target.books)} phases." if not unequal else f"NOT 0 after {unequal} phases."
    )


def _raw(target: Target) -> dict[str, object]:
    seen = {phase: [dataclasses.asdict(each) for each in runs] for phase, runs in target.seen.items()}
    about = {"version": target.gateway.version, "start": target.gateway.start, "capacity": target.capacity}
    return {**about, "peak_mb": target.peak_mb, "books": target.books, "seen": seen}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--targets", type=_names, default="talkmeter,nginx", help=f"{','.join(targets.TARGETS)}, or all"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="of each phase that is measured by time")
    parser.add_argument("--repeats", type=int, default=3, help="of each phase; medians count")
    parser.add_argument("--install", action="store_true", help="install the peers among the targets first")
    parser.add_argument("--cache", type=Path, default=CACHE, help=f"where peers are installed ({CACHE})")
    parser.add_argument("--gateway-core", type=int, default=1)
    parser.add_argument("--load-core", type=int, default=0)
    parser.add_argument("--wait", type=float, default=2.0, help="seconds to wait for quiet cores before each load")
    parser.add_argument("--out", type=Path, help="a JSON file for every run of every phase")
    parser.add_argument("--write", action="store_true", help="put the result into docs/performance.md")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    names = list(targets.TARGETS) if text == "all" else text.split(",")
    if unknown := [name for name in names if name not in targets.TARGETS]:
        raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: not one of {', '.join(targets.TARGETS)}")
    return names


if __name__ == "__main__":
    main()
