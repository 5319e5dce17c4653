"""The table of a run: figures in rows, gateways in columns, each with its ratio to nginx."""

import math
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from figures import shown

from gateways.measuring import Target

BEGIN, END = "<!-- gateways: begin -->", "<!-- gateways: end -->"


@dataclass(frozen=True)
class Row:
    """phase: the one in which the load's own core may have been what was slow; then the figure is a lower bound."""

    name: str
    unit: str
    figure: Callable[[Target], float]
    phase: str = ""

    def of(self, target: Target) -> float:
        try:
            return self.figure(target)
        except KeyError:  # this phase was not measured
            return math.nan

    def is_bound(self, target: Target) -> bool:
        return any(seen.full for seen in target.seen.get(self.phase, ()))


def table(targets: Sequence[Target], direct: Target) -> str:
    """Markdown. direct: the upstream alone, from which added times are told."""
    lines = [["", *(f"{target.name} {target.gateway.version}" for target in targets)], ["---"] * (len(targets) + 1)]
    for row in _rows(direct):
        base = next((row.of(target) for target in targets if target.name == "nginx"), math.nan)
        cells = (cell(row.of(target), row.unit, base, bound=row.is_bound(target)) for target in targets)
        lines.append([row.name, *cells])
    lines.append(["paced streams on one core, p99 < 100 ms", *(target.capacity for target in targets)])
    lines.append(["failed, of all requests and streams", *(_failed(target) for target in targets)])
    lines.append(["others' share of the cores meanwhile", *(f"{_noise([target])[0]:.0%}" for target in targets)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rows(direct: Target) -> list[Row]:
    def cpu(phase: str, what: str) -> Callable[[Target], float]:
        return lambda target: target.median(phase, lambda seen: seen.cpu / max(1, seen.load[what]) * 1e6)

    def rate(phase: str, what: str) -> Callable[[Target], float]:
        return lambda target: target.median(phase, lambda seen: seen.load[what] / seen.load["seconds"])

    def time_of(phase: str, what: str, share: int) -> Callable[[Target], float]:
        return lambda target: target.median(phase, lambda seen: seen.milliseconds(what, share))

    def added(phase: str, what: str, share: int) -> Callable[[Target], float]:
        through = time_of(phase, what, share)
        return lambda target: through(target) - through(direct)

    plain = {"1 connection": "plain1", "16 connections": "plain16", "64 connections": "plain64"}
    streams = {"32 paced streams": "paced32", "256 paced streams": "paced256", "flood": "flood"}
    return [
        *(Row(f"CPU per request, {name}", "µs", cpu(phase, "done")) for name, phase in plain.items()),
        *(Row(f"CPU per event, {name}", "µs", cpu(phase, "events")) for name, phase in streams.items()),
        *(Row(f"requests/s, {name}", "", rate(phase, "done"), phase) for name, phase in plain.items()),
        Row("events/s, flood", "", rate("flood", "events"), "flood"),
        *(Row(f"added to a request, p{share}", "ms", added("plain1", "whole", share)) for share in (50, 99)),
        *(Row(f"added to the first event, p{share}", "ms", added("first", "first", share)) for share in (50, 99)),
        Row("delay of an event, p99, 32 paced", "ms", time_of("paced32", "delay", 99)),
        Row("delay of an event, p99, 256 paced", "ms", time_of("paced256", "delay", 99)),
        Row("memory, most it had", "MB", lambda target: target.peak_mb),
        Row("start to the first answer", "s", lambda target: target.gateway.start),
    ]


def cell(value: float, unit: str, base: float, *, bound: bool = False) -> str:
    """`41.2 µs (2.7×)`; the ratio is to nginx. A dash where there is nothing."""
    if math.isnan(value):
        return "–"
    ratio = value / base if base > 0 else math.nan  # NaN is not above 0
    known = f" ({shown(ratio)}×)" if ratio > 0 and ratio != 1 else ""
    return f"{'≥ ' if bound else ''}{shown(value)} {unit}".strip() + known


def _failed(target: Target) -> str:
    every = target.measured()
    failed = sum(seen.failed for seen in every)
    of = failed + sum(seen.load["done"] for seen in every)
    kinds = sorted({kind for seen in every for kind in seen.load["problems"]})
    return f"{failed:,} of {of:,}" + (f" ({', '.join(kinds)})" if kinds else "")


def noise(targets: Sequence[Target]) -> str:
    median, most = _noise(targets)
    return f"others used {median:.0%} of the two cores (median of the runs; at most {most:.0%})"


def _noise(targets: Sequence[Target]) -> tuple[float, float]:
    shares = sorted(seen.noise for target in targets for seen in target.measured()) or [math.nan]
    return statistics.median(shares), shares[-1]


def of_commits(seconds: Sequence[float]) -> str:
    """`p50 0.25 ms, p99 1.2 ms`."""
    if len(seconds) < 2:
        return "not measured"
    shares = statistics.quantiles(seconds, n=100)
    return ", ".join(f"p{share} {shown(shares[share - 1] * 1e3)} ms" for share in (50, 99))


def put_between_marks(page: Path, text: str) -> None:
    """Replaces what stands between the marks. Raises ValueError if they are not there."""
    before = page.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    if not pattern.search(before):
        raise ValueError(f"{page.name} has no line {BEGIN} with a line {END} below it.")
    page.write_text(pattern.sub(lambda _: f"{BEGIN}\n\n{text}\n\n{END}", before), encoding="utf-8")
