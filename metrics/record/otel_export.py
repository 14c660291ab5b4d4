"""Sends spans and metrics from a thread of its own, in its own time; nothing waits for it."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from metrics.record.otel_follow import Batch, Follower, PositionFile
from metrics.record.otel_instruments import COUNTER, Family, Point, Spec, counter, gauge
from metrics.record.otel_metrics import metrics_data
from metrics.record.otel_settings import OtlpSettings
from metrics.record.otel_spans import SpanMaker

_LOG: Final = logging.getLogger("sluice.otlp")
_SPANS: Final = Spec("sluice.otlp.spans", COUNTER, "Spans sent, and spans given up.", ("sluice.result",))


class SpanSender(Protocol):
    """Sends spans somewhere; the SDK's exporter is one."""

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult: ...

    def shutdown(self) -> None: ...


class MetricSender(Protocol):
    """Sends metrics somewhere; the SDK's exporter is one."""

    def export(self, metrics_data: MetricsData) -> MetricExportResult: ...

    def shutdown(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Senders:
    """Where spans and metrics go; None is nowhere."""

    spans: SpanSender | None
    metrics: MetricSender | None


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the thread looks, how much it takes at once, and when it gives up."""

    poll_s: float = 0.5
    metrics_s: float = 60.0
    calls_at_once: int = 64
    most_behind: int = 200_000  # records: further behind, the oldest calls are given up and counted
    longest_wait_s: float = 30.0
    close_s: float = 2.0


class Exporter:
    """One thread: the next calls' spans, again and again until the collector took them, and metrics now and then."""

    def __init__(
        self, data: Path, senders: Senders, maker: SpanMaker, head: Callable[[], int],
        families: Callable[[], Sequence[Family]], pace: Pace | None = None,
    ) -> None:  # fmt: skip
        self._senders, self._maker, self._head, self._families = senders, maker, head, families
        self._pace = pace or Pace()
        self._file = PositionFile(data / "otlp.json")
        self.position = self._file.load(head())
        self._follower = Follower(data / "journal", self.position.seq)
        self._held: tuple[Batch, list[ReadableSpan]] | None = None
        self._failures, self._try_at, self._metrics_at = 0, 0.0, time.monotonic() + self._pace.metrics_s
        self._since_ns = time.time_ns()
        self._sent = 0
        self._stop, self._abandoned = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp", daemon=True)

    def start(self) -> None:
        """Begin sending. Where sending begins is remembered at once."""
        self._save()
        self._thread.start()

    def close(self) -> None:
        """Send what is left if the collector takes it, for `close_s` at most; the rest waits for the next start."""
        self._stop.set()
        self._thread.join(self._pace.close_s)
        self._abandoned.set()
        for sender in (self._senders.spans, self._senders.metrics):
            if sender is not None:
                sender.shutdown()  # wakes a try that waits; one that hangs in the network is left to its time-out
        self._thread.join(0.2)

    def families(self) -> list[Family]:
        """Return what is known about sending itself."""
        at = self.position
        behind = max(0, self._head() - at.seq) if self._senders.spans else 0
        return [
            Family(_SPANS, [Point(("sent",), self._sent), Point(("dropped",), at.dropped_spans)]),
            counter("sluice.otlp.dropped_calls", "Calls whose spans were given up.", at.dropped_calls),
            counter("sluice.otlp.unreadable", "Records that were gone before they were sent.", at.unreadable),
            gauge("sluice.otlp.behind", "Records not yet looked at for sending.", behind),
            gauge("sluice.otlp.failing", "1: the last try to send failed.", float(self._failures > 0)),
        ]

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self._turn():
                self._stop.wait(self._pace.poll_s)
        while not self._failures and not self._abandoned.is_set() and self._spans():
            pass
        if not self._failures and not self._abandoned.is_set():
            self._metrics()
        self._follower.close()

    def _turn(self) -> bool:
        """Send what is due; say whether there may be more at once."""
        if time.monotonic() >= self._metrics_at:
            self._metrics_at = time.monotonic() + self._pace.metrics_s
            self._metrics()
        return self._spans()

    def _spans(self) -> bool:
        """Send or give up one batch; say whether that was done."""
        if self._senders.spans is None:
            return False
        if self._held is None:
            self._held = self._next()
        if self._held is None:
            return False
        batch, spans = self._held
        if self._head() - batch.seq > self._pace.most_behind:
            return self._done(batch, dropped=len(spans))
        if time.monotonic() < self._try_at:
            return False
        sent = not spans or self._senders.spans.export(spans) is SpanExportResult.SUCCESS
        self._note(sent)
        if sent:
            self._sent += len(spans)
            return self._done(batch, dropped=0)
        return False

    def _next(self) -> tuple[Batch, list[ReadableSpan]] | None:
        try:
            batch = self._follower.next(self._head(), self._pace.calls_at_once)
        except OSError as problem:  # too many open files, a disk that is away: looked at again
            _LOG.warning("the order file cannot be read: %s", problem.strerror)
            return None
        if batch is None:
            return None
        return batch, [span for call in batch.calls for span in self._maker.spans(call)]

    def _done(self, batch: Batch, dropped: int) -> bool:
        at = self.position
        self.position = replace(
            at,
            seq=batch.seq,
            dropped_calls=at.dropped_calls + (len(batch.calls) if dropped else 0),
            dropped_spans=at.dropped_spans + dropped,
            unreadable=at.unreadable + batch.unreadable,
        )
        self._held = None
        self._save()
        return True

    def _note(self, sent: bool) -> None:
        if sent and self._failures:
            _LOG.info("the collector takes spans again; %d were given up so far", self.position.dropped_spans)
        self._failures = 0 if sent else self._failures + 1
        self._try_at = time.monotonic() + (0 if sent else min(2.0 ** min(self._failures, 9), self._pace.longest_wait_s))

    def _metrics(self) -> None:
        """Send the totals of this moment; a failure costs nothing, for the next ones hold them too."""
        if self._senders.metrics is not None:
            data = metrics_data(self._families(), self._maker.resource, self._since_ns, time.time_ns())
            self._senders.metrics.export(data)

    def _save(self) -> None:
        if not self._abandoned.is_set():
            with contextlib.suppress(OSError):  # a full disk: after a crash a few calls would be sent again
                self._file.save(self.position)


def open_senders(settings: OtlpSettings) -> Senders:
    """Make the SDK's exporters; headers, certificates, compression and time-outs come from its own variables."""
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)  # one line for a failed try, none for its parts
    return Senders(
        OTLPSpanExporter(endpoint=settings.traces) if settings.traces else None,
        OTLPMetricExporter(endpoint=settings.metrics) if settings.metrics else None,
    )


def resource(version: str) -> Resource:
    """Describe this program; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES come first."""
    given = Resource.create()
    named = given.attributes.get("service.name", "unknown_service")
    name = {} if not str(named).startswith("unknown_service") else {"service.name": "sluice"}
    return given.merge(Resource({"service.version": version, **name}))


def exporter(
    data: Path, settings: OtlpSettings, head: Callable[[], int], families: Callable[[], Sequence[Family]], version: str
) -> Exporter:
    """Build what sends a data folder's calls as these settings say."""
    maker = SpanMaker(resource(version), settings.sampler)
    return Exporter(data, open_senders(settings), maker, head, families, Pace(metrics_s=settings.every_s))
