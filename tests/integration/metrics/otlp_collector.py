"""A small OTLP collector on a socket: decodes what it is sent, or behaves badly on demand."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass
class Collector:
    """What arrived. `status` is what requests are answered with, after `slow_s`; while `hang` is set they are not."""

    url: str = ""
    status: int = 200
    hang: bool = False
    slow_s: float = 0.0
    raw: bytes = b""
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict)
    lines: list[LogRecord] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    resource: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def take(self, path: str, body: bytes) -> None:
        """Decode one request."""
        self.raw += body
        if path.endswith("/v1/logs"):
            for sent in json_format.Parse(body, ExportLogsServiceRequest()).resource_logs:
                self.lines += [line for scope in sent.scope_logs for line in scope.log_records]
            return
        if path.endswith("/v1/traces"):
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resource = {pair.key: pair.value.string_value for pair in group.resource.attributes}
                self.spans += [span for scope in group.scope_spans for span in scope.spans]
        else:
            for found in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics |= {metric.name: metric for scope in found.scope_metrics for metric in scope.metrics}

    def calls(self) -> list[str]:
        """Return the ids of the calls whose spans arrived, in their order, repetitions included."""
        return [
            pair.value.string_value for span in self.spans for pair in span.attributes if pair.key == "sluice.call.id"
        ]


class _Handler(BaseHTTPRequestHandler):
    collector: Collector

    def do_POST(self) -> None:
        collector = self.collector
        collector.asked += 1
        body = self.rfile.read(int(self.headers["content-length"]))
        if collector.hang:
            collector.released.wait(60)
            self.close_connection = True
            return
        time.sleep(collector.slow_s)
        collector.headers = {name.lower(): value for name, value in self.headers.items()}
        if collector.status == 200:
            collector.take(self.path, gzip.decompress(body) if self.headers.get("content-encoding") else body)
        self.send_response(collector.status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def collecting(collector: Collector | None = None, port: int = 0) -> Iterator[Collector]:
    """Run a collector until the block ends."""
    collector = collector or Collector()
    handler = type("Handler", (_Handler,), {"collector": collector})
    with ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        server.daemon_threads = True
        collector.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield collector
        finally:
            collector.released.set()
            server.shutdown()
            thread.join()
