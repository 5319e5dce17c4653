"""A small OTLP collector: takes what is posted, decoded as the protocol says."""

import http.server
import threading

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def plain(value):
    """An AnyValue as Python has it."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    return getattr(value, kind)


def attributes(of):
    return {pair.key: plain(pair.value) for pair in of.attributes}


class Collector:
    """spans, metrics: as they came. headers: of every request."""

    def __init__(self):
        self.spans, self.metrics, self.headers, self.resources = [], [], [], []
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector.take(self.path, body, {name.lower(): value for name, value in self.headers.items()})
                self.send_response(200)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def take(self, path, body, headers):
        self.headers.append(headers)
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append(attributes(resource.resource))
                self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics += [metric for scope in resource.scope_metrics for metric in scope.metrics]

    def points(self, name):
        """The last state of a metric: [(attributes, point)]."""
        found = {}
        for metric in self.metrics:
            if metric.name == name:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points:
                    about = attributes(point)
                    found[tuple(sorted((key, str(value)) for key, value in about.items()))] = (about, point)
        return list(found.values())

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
