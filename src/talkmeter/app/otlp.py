"""Traces and metrics of runs and calls by OTLP, in the words of OpenTelemetry's conventions for generative AI.

Imported only when it is switched on. A run and its calls are one trace: their ids are made from the run's, so that a
line of the log leads to the trace. A call without a run is a trace of its own.
"""

import hashlib
import logging
import threading
from collections.abc import Sequence
from typing import Any

import msgspec
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation import set_span_in_context

from talkmeter import __version__, logs
from talkmeter.app.call_log import Told
from talkmeter.metering.ledger import OpenEntry, SettleEntry

SCOPE = "talkmeter"
RUNS = "talkmeter.conversation"  # the loggers that say how runs ended
TIMEOUT_SECONDS = 3
EXPORT_MILLISECONDS = 15_000
MICROSECOND = 1000  # ns
TOKEN_BOUNDS = tuple(4**power for power in range(14))
SECOND_BOUNDS = tuple(0.01 * 2**power for power in range(14))
OPERATIONS = {
    "chat/completions": "chat",
    "responses": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
}


class Otlp:
    """endpoint: of the collector, without `/v1/traces`. headers: sent along with everything."""

    def __init__(self, endpoint: str, headers: dict[str, str]) -> None:
        base = endpoint.rstrip("/")
        resource = Resource.create({"service.name": SCOPE, "service.version": __version__})
        self._ids = _Ids()
        self._tracers = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        spans = OTLPSpanExporter(f"{base}/v1/traces", headers=headers, timeout=TIMEOUT_SECONDS)
        self._tracers.add_span_processor(BatchSpanProcessor(spans))
        self._tracer = self._tracers.get_tracer(SCOPE, __version__)
        metrics = OTLPMetricExporter(f"{base}/v1/metrics", headers=headers, timeout=TIMEOUT_SECONDS)
        reader = PeriodicExportingMetricReader(metrics, export_interval_millis=EXPORT_MILLISECONDS)
        self._meters = MeterProvider([reader], resource, shutdown_on_exit=False)
        meter = self._meters.get_meter(SCOPE, __version__)
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Tokens of a call.",
            explicit_bucket_boundaries_advisory=TOKEN_BOUNDS,
        )
        self._seconds = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "How long a call took.",
            explicit_bucket_boundaries_advisory=SECOND_BOUNDS,
        )
        self._cost = meter.create_counter("talkmeter.cost", "{USD}", "Cost of settled calls with a known price.")
        self._runs = _Runs(self)
        logger = logging.getLogger(RUNS)
        logger.addHandler(self._runs)
        logger.setLevel(logging.INFO)  # whatever the log shows of it

    def calls(self, told: Sequence[Told]) -> None:
        """A span and its figures for each call that was settled. Corrections tell nothing new of its time."""
        for opening, change in told:
            if opening is not None and isinstance(change, SettleEntry):
                self._call(opening, change)

    def run(self, line: dict[str, Any], ended_at: int) -> None:
        """line: see conversation.run_lines. ended_at: ns since 1970."""
        begin = ended_at - line.get("milliseconds", 0) * 1_000_000
        attributes = {
            "gen_ai.conversation.id": line["room_id"],
            "gen_ai.request.model": line.get("model"),
            "talkmeter.run.id": line["run_id"],
            "talkmeter.surface": line["surface"],
            "talkmeter.principal": line["principal"],
            "talkmeter.outcome": line["outcome"],
            "error.type": line.get("error"),
        }
        content = logs.redact_fields({name: line[name] for name in ("messages", "answer") if name in line})
        if isinstance(content.get("messages"), list):  # only where contents are switched on
            attributes["gen_ai.input.messages"] = _json([_message(one) for one in content["messages"]])
            attributes["gen_ai.output.messages"] = _json(
                [_message({"role": "assistant", "content": content.get("answer")})]
            )
        with self._ids.fixed(_trace_id(line["run_id"]), _span_id(line["run_id"])):
            span = self._tracer.start_span(
                "run", kind=SpanKind.INTERNAL, attributes=_known(attributes), start_time=begin
            )
        if line["outcome"] == "failed":
            span.set_status(Status(StatusCode.ERROR))
        span.end(ended_at)

    def close(self) -> None:
        logger = logging.getLogger(RUNS)
        logger.removeHandler(self._runs)
        logger.setLevel(logging.NOTSET)
        self._tracers.shutdown()
        self._meters.shutdown(timeout_millis=TIMEOUT_SECONDS * 1000)

    def _call(self, opening: OpenEntry, change: SettleEntry) -> None:
        operation = OPERATIONS.get(opening.endpoint, opening.endpoint)
        usage, failed = change.usage, change.outcome in ("failed", "refused")
        about = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": opening.provider_name.lower(),
            "gen_ai.request.model": logs.redact(opening.model_requested[:200]),
            "gen_ai.response.model": change.model_served,
            "error.type": _error(change) if failed else None,
        }
        attributes = about | {
            "gen_ai.conversation.id": opening.room_id,
            "gen_ai.request.max_tokens": opening.max_output_tokens,
            "gen_ai.response.id": change.upstream_id,
            "gen_ai.response.finish_reasons": [change.finish_reason] if change.finish_reason else None,
            "gen_ai.usage.input_tokens": usage.prompt_tokens if usage else None,
            "gen_ai.usage.output_tokens": usage.completion_tokens if usage else None,
            "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens if usage else None,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens if usage else None,
            "http.response.status_code": change.http_status,
            "talkmeter.call.id": opening.id,
            "talkmeter.run.id": opening.run_id,
            "talkmeter.surface": opening.surface,
            "talkmeter.principal": opening.principal,
            "talkmeter.key.id": opening.key_id,
            "talkmeter.outcome": change.outcome,
            "talkmeter.provenance": change.provenance,
            "talkmeter.cost.picodollars": change.cost.picodollars,
        }
        of = opening.run_id or opening.id
        parent = SpanContext(_trace_id(of), _span_id(of), is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
        context = None if opening.run_id is None else set_span_in_context(NonRecordingSpan(parent))
        with self._ids.fixed(_trace_id(of), _span_id(opening.id)):
            span = self._tracer.start_span(
                f"{operation} {about['gen_ai.request.model']}",
                context,
                SpanKind.CLIENT,
                _known(attributes),
                start_time=opening.opened_at * MICROSECOND,
            )
        if failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end(change.settled_at * MICROSECOND)
        self._count(about, change, (change.settled_at - opening.opened_at) / 1e6)

    def _count(self, about: dict[str, Any], change: SettleEntry, seconds: float) -> None:
        self._seconds.record(max(0.0, seconds), _known(about))
        if change.usage is not None:
            for kind, count in (("input", change.usage.prompt_tokens), ("output", change.usage.completion_tokens)):
                if count is not None:
                    self._tokens.record(count, _known(about | {"gen_ai.token.type": kind}))
        if change.cost.picodollars:
            self._cost.add(change.cost.picodollars / 1e12, _known(about))


class _Runs(logging.Handler):
    def __init__(self, otlp: Otlp) -> None:
        super().__init__(logging.INFO)
        self._otlp = otlp

    def emit(self, record: logging.LogRecord) -> None:
        if record.msg == "run":
            self._otlp.run(record.__dict__, int(record.created * 1e9))


class _Ids(RandomIdGenerator):
    """Random ids, but for what is begun inside `with ids.fixed(…)`."""

    def __init__(self) -> None:
        self._here = threading.local()

    def fixed(self, trace_id: int, span_id: int) -> "_Fixed":
        return _Fixed(self._here, (trace_id, span_id))

    def generate_trace_id(self) -> int:
        ids = getattr(self._here, "ids", None)
        return super().generate_trace_id() if ids is None else ids[0]

    def generate_span_id(self) -> int:
        ids = getattr(self._here, "ids", None)
        return super().generate_span_id() if ids is None else ids[1]


class _Fixed:
    def __init__(self, here: threading.local, ids: tuple[int, int]) -> None:
        self._here, self._ids = here, ids

    def __enter__(self) -> None:
        self._here.ids = self._ids

    def __exit__(self, *_: object) -> None:
        self._here.ids = None


def _trace_id(of: str) -> int:
    return int.from_bytes(hashlib.sha256(of.encode()).digest()[:16]) or 1


def _span_id(of: str) -> int:
    return int.from_bytes(hashlib.sha256(of.encode()).digest()[16:24]) or 1


def _known(attributes: dict[str, Any]) -> dict[str, Any]:
    """Missing is not zero: what nobody said is left out."""
    return {name: value for name, value in attributes.items() if value is not None}


def _error(change: SettleEntry) -> str:
    code = change.error.get("code") if change.error is not None else None
    return str(code or change.http_status or change.outcome)


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    texts = [content] if isinstance(content, str) else [part.get("text") for part in content or ()]
    parts = [{"type": "text", "content": text} for text in texts if text is not None]
    return {"role": message.get("role"), "parts": parts}


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
