"""Figures for Prometheus. Counted in plain numbers; the client library is imported at the first scrape only."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from talkmeter import __version__
from talkmeter.metering.sums import LedgerSums

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # seconds
LEDGER_LABELS = ("surface", "model", "outcome", "provenance")
MOST_MODELS = 200  # names come from people; beyond this many they share one label


class _Durations:
    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class RequestMetrics:
    """How long requests took, by route, method and status. Routes are names, so there are few."""

    def __init__(self) -> None:
        self._durations: dict[tuple[str, str, str], _Durations] = {}

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        known = method if method in ("GET", "HEAD", "POST", "PATCH", "DELETE") else "other"
        self._durations.setdefault((route, known, str(status)), _Durations()).add(seconds)

    def families(self) -> "Iterator[Metric]":
        from prometheus_client.metrics_core import HistogramMetricFamily

        family = HistogramMetricFamily(
            "talkmeter_request_seconds",
            "How long requests took, to the end of the answer.",
            labels=("route", "method", "status"),
        )
        for labels, durations in self._durations.items():
            total, buckets = 0, []
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), durations.counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric(labels, buckets, durations.seconds)
        yield family


def render(requests: RequestMetrics, sums: Sequence[LedgerSums], running: int) -> tuple[bytes, str]:
    """The exposition text and its content type."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
    from prometheus_client.registry import Collector

    families = [*ledger_families(sums), *_process_families(running), *requests.families()]

    class Collected(Collector):
        def collect(self) -> "Iterable[Metric]":
            return families

    registry = CollectorRegistry()
    registry.register(Collected())
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


def ledger_families(sums: Sequence[LedgerSums]) -> "Iterator[Metric]":
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

    calls = CounterMetricFamily(
        "talkmeter_calls", "Calls to providers that are settled, one per ledger entry.", labels=LEDGER_LABELS
    )
    tokens = CounterMetricFamily(
        "talkmeter_tokens", "Tokens of settled calls, as far as known.", labels=("surface", "model", "kind")
    )
    spent = CounterMetricFamily(
        "talkmeter_picodollars", "Cost of settled calls in 10^-12 US dollars.", labels=("surface", "model")
    )
    unpriced = CounterMetricFamily(
        "talkmeter_unpriced_calls", "Settled calls with known tokens and no price.", labels=("surface", "model")
    )
    still_open = 0
    for row in _by_labels(sums):
        if row.outcome is None:
            still_open += row.calls
            continue
        calls.add_metric((row.surface, row.model, row.outcome, row.provenance or ""), row.calls)
    for row in _by_model(sums):
        tokens.add_metric((row.surface, row.model, "prompt"), row.prompt_tokens)
        tokens.add_metric((row.surface, row.model, "completion"), row.completion_tokens)
        spent.add_metric((row.surface, row.model), row.picodollars)
        unpriced.add_metric((row.surface, row.model), row.unpriced_calls)
    yield from (calls, tokens, spent, unpriced)
    yield GaugeMetricFamily("talkmeter_open_entries", "Calls that have left and are not settled yet.", value=still_open)


def _process_families(running: int) -> "Iterator[Metric]":
    from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily

    yield GaugeMetricFamily("talkmeter_running_answers", "Answers being written or waiting.", value=running)
    yield InfoMetricFamily("talkmeter_build", "The version that runs.", value={"version": __version__})


def _by_labels(sums: Sequence[LedgerSums]) -> list[LedgerSums]:
    """Rows with few enough model names: those with the fewest calls become `other`."""
    calls: dict[str, int] = {}
    for row in sums:
        calls[row.model] = calls.get(row.model, 0) + row.calls
    kept = set(sorted(calls, key=lambda model: -calls[model])[:MOST_MODELS])
    return _added((row if row.model in kept else _relabelled(row, model="other")) for row in sums)


def _by_model(sums: Sequence[LedgerSums]) -> list[LedgerSums]:
    return _added(_relabelled(row, outcome=None, provenance=None) for row in _by_labels(sums))


def _relabelled(row: LedgerSums, **labels: str | None) -> LedgerSums:
    from msgspec import structs

    return structs.replace(row, **labels)


def _added(rows: Iterable[LedgerSums]) -> list[LedgerSums]:
    """Rows with the same labels become one."""
    found: dict[tuple[str | None, ...], LedgerSums] = {}
    for row in rows:
        key = (row.surface, row.model, row.outcome, row.provenance)
        same = found.get(key)
        found[key] = row if same is None else _sum(same, row)
    return list(found.values())


def _sum(one: LedgerSums, other: LedgerSums) -> LedgerSums:
    return LedgerSums(
        surface=one.surface,
        model=one.model,
        outcome=one.outcome,
        provenance=one.provenance,
        calls=one.calls + other.calls,
        prompt_tokens=one.prompt_tokens + other.prompt_tokens,
        completion_tokens=one.completion_tokens + other.completion_tokens,
        picodollars=one.picodollars + other.picodollars,
        unpriced_calls=one.unpriced_calls + other.unpriced_calls,
    )
