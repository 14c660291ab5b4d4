"""Spans and metrics of recorded calls reach a collector once, and a bad collector costs records nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from metrics.record.journal import FileJournal
from metrics.record.otel_export import Exporter, Pace, open_senders, resource
from metrics.record.otel_gauges import machine
from metrics.record.otel_instruments import Family
from metrics.record.otel_settings import otlp_settings
from metrics.record.otel_spans import SpanMaker
from metrics.record.recorder import Recorder
from tests.integration.metrics.otlp_collector import collecting
from tests.integration.metrics.support import TS, begin, caught_up, content, end, recording, wait_until, write

pytestmark = pytest.mark.timeout(60)  # a shutdown that waits for a dead collector would take 30 s and more
TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
NOWHERE = "http://127.0.0.1:9"  # nothing listens on the discard port
QUICK = Pace(poll_s=0.01, metrics_s=3600, close_s=1.0, longest_wait_s=0.05)
CANARY = "the caller's very own words"


def write_traced(data: Path, *calls: str, **body: Any) -> None:
    """Record calls as the gateway does: begin, end with trace ids, sealed texts."""

    async def use(journal: FileJournal) -> None:
        for number, call in enumerate(calls):
            journal.write(begin(call, TS + number))
            given = {"endpoint": "chat.completions", "total_ms": 5.0, "stages_us": {"clear": 300}, **body}
            await journal.commit(end(call, TS + number, **given), content(request=CANARY))

    write(data, use)


@contextmanager
def exporting(
    recorder: Recorder, url: str, pace: Pace = QUICK, head: Callable[[], int] | None = None
) -> Iterator[Exporter]:
    """Send a recorder's calls until the block ends."""

    def families() -> list[Family]:
        return [*recorder.counters.meters.families(), *machine(recorder), *exporter.families()]

    settings = otlp_settings({"OTEL_EXPORTER_OTLP_ENDPOINT": url})
    maker = SpanMaker(resource("1.2.3"), settings.sampler)
    newest = head or (lambda: recorder.state.progress.seq)
    exporter = Exporter(recorder.data, open_senders(settings), maker, newest, families, pace)
    exporter.start()
    try:
        yield exporter
    finally:
        exporter.close()


def until_sent(exporter: Exporter, recorder: Recorder) -> None:
    def done() -> bool:
        return caught_up(recorder) and exporter.position.seq == recorder.state.progress.seq

    wait_until(done, lambda: f"{exporter.position} {recorder.status()}")


def named(found: list[Span], name: str) -> Span:
    (span,) = [span for span in found if span.name == name]
    return span


def test_spans_of_a_recorded_call_arrive_under_its_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer of-the-collector")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "sluice-of-the-test")
    tries = [{"n": 1, "provider": "p", "model": "m", "status": 200, "total_ms": 3.0}]
    with collecting() as collector, recording(tmp_path) as recorder, exporting(recorder, collector.url) as exporter:
        write_traced(tmp_path, "call_1", trace_id=TRACE, span_id=SPAN, parent_span_id=PARENT, attempts=tries)
        until_sent(exporter, recorder)
    server = named(collector.spans, "POST /v1/chat/completions")
    assert server.kind == Span.SPAN_KIND_SERVER
    assert (server.trace_id.hex(), server.span_id.hex(), server.parent_span_id.hex()) == (TRACE, SPAN, PARENT)
    for name in ("clear", "chat m"):
        assert named(collector.spans, name).parent_span_id == server.span_id
    assert named(collector.spans, "chat m").kind == Span.SPAN_KIND_CLIENT
    assert collector.headers["content-encoding"] == "gzip"
    assert collector.headers["authorization"] == "Bearer of-the-collector"
    assert collector.resource["service.name"] == "sluice-of-the-test"
    assert collector.resource["service.version"] == "1.2.3"


def test_no_text_of_a_call_is_ever_sent(tmp_path: Path) -> None:
    with collecting() as collector, recording(tmp_path) as recorder, exporting(recorder, collector.url) as exporter:
        write_traced(tmp_path, "call_1")
        until_sent(exporter, recorder)
        exporter.close()
    assert collector.calls() == ["call_1"]
    assert collector.metrics
    assert CANARY.encode() not in collector.raw


def test_calls_from_before_the_first_start_are_not_sent(tmp_path: Path) -> None:
    write_traced(tmp_path, "old_1", "old_2")
    with collecting() as collector, recording(tmp_path) as recorder, exporting(recorder, collector.url) as exporter:
        write_traced(tmp_path, "new_1")
        until_sent(exporter, recorder)
    assert collector.calls() == ["new_1"]


def test_a_restart_neither_repeats_nor_skips(tmp_path: Path) -> None:
    calls = [f"call_{n:02d}" for n in range(30)]
    pace = Pace(poll_s=0.01, metrics_s=3600, calls_at_once=4)
    with collecting() as collector, recording(tmp_path) as recorder:
        for start in range(0, 30, 10):
            with exporting(recorder, collector.url, pace) as exporter:
                write_traced(tmp_path, *calls[start : start + 5])
                until_sent(exporter, recorder)
            write_traced(tmp_path, *calls[start + 5 : start + 10])  # while nobody sends
            wait_until(lambda: caught_up(recorder))
        with exporting(recorder, collector.url, pace) as exporter:
            until_sent(exporter, recorder)
    assert collector.calls() == calls


def test_a_rebuild_of_the_ledger_sends_nothing_again(tmp_path: Path) -> None:
    with collecting() as collector:
        for _ in range(2):
            with recording(tmp_path) as recorder, exporting(recorder, collector.url) as exporter:
                if not collector.spans:
                    write_traced(tmp_path, "call_1", "call_2")
                until_sent(exporter, recorder)
            (tmp_path / "ledger.duckdb").unlink()
    assert collector.calls() == ["call_1", "call_2"]


def test_a_collector_that_is_down_costs_records_nothing_and_gets_all_when_it_is_back(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        with exporting(recorder, NOWHERE) as exporter:
            write_traced(tmp_path, "call_1", "call_2")
            wait_until(lambda: caught_up(recorder))
        assert exporter.position.dropped_spans == 0
        with collecting() as collector, exporting(recorder, collector.url) as exporter:
            until_sent(exporter, recorder)
    assert collector.calls() == ["call_1", "call_2"]


def test_a_collector_that_never_answers_holds_up_neither_records_nor_the_end(tmp_path: Path) -> None:
    with collecting() as collector, recording(tmp_path) as recorder:
        collector.hang = True
        with exporting(recorder, collector.url) as exporter:
            write_traced(tmp_path, "call_1")
            wait_until(lambda: collector.asked > 0)
            write_traced(tmp_path, "call_2")
            wait_until(lambda: caught_up(recorder))
        assert exporter.position.seq < recorder.state.progress.seq
        collector.released.set()


@pytest.mark.parametrize("status", [400, 401, 500])
def test_what_a_collector_refused_is_sent_again_once_it_takes_it(tmp_path: Path, status: int) -> None:
    with collecting() as collector, recording(tmp_path) as recorder:
        collector.status = status
        with exporting(recorder, collector.url) as exporter:
            write_traced(tmp_path, "call_1", "call_2")
            wait_until(lambda: collector.asked > 2)
            collector.status = 200
            until_sent(exporter, recorder)
    assert collector.calls() == ["call_1", "call_2"]


def test_what_is_given_up_is_counted_exactly_and_stays_counted(tmp_path: Path) -> None:
    calls = [f"call_{n}" for n in range(10)]
    pace = Pace(poll_s=0.01, metrics_s=3600, calls_at_once=1, most_behind=8, longest_wait_s=0.05, close_s=1.0)
    with collecting() as collector, recording(tmp_path) as recorder:
        collector.status = 500
        with exporting(recorder, collector.url, pace) as exporter:
            write_traced(tmp_path, *calls)
            wait_until(lambda: exporter.position.dropped_calls == 5)  # number 12 of 20 is within 8 of the newest
            collector.status = 200
            until_sent(exporter, recorder)
        arrived = collector.calls()
        given_up = exporter.position.dropped_calls
        assert given_up == 5
        assert arrived == calls[given_up:]
        assert exporter.position.dropped_spans == 2 * given_up
        with exporting(recorder, collector.url, pace) as again:
            assert again.position == exporter.position


def test_metrics_carry_the_same_totals_as_the_record(tmp_path: Path) -> None:
    pace = Pace(poll_s=0.01, metrics_s=0.05)
    with (
        collecting() as collector,
        recording(tmp_path) as recorder,
        exporting(recorder, collector.url, pace) as exporter,
    ):
        tries = [{"n": 1, "provider": "p", "model": "m", "status": 200, "total_ms": 3.0, "first_byte_ms": 1.0}]
        usage = {"input_tokens": 3, "output_tokens": 2}
        write_traced(tmp_path, "call_1", "call_2", attempts=tries, usage=usage, provider="p")
        until_sent(exporter, recorder)
    calls = collector.metrics["sluice.calls"].sum
    assert calls.is_monotonic
    assert [point.as_double for point in calls.data_points] == [2]
    duration = collector.metrics["gen_ai.client.operation.duration"].histogram.data_points[0]
    assert (duration.count, round(duration.sum, 6), sum(duration.bucket_counts)) == (2, 0.006, 2)
    tokens = {
        p.attributes[-1].value.string_value: p.sum
        for p in collector.metrics["gen_ai.client.token.usage"].histogram.data_points
    }
    assert tokens == {"input": 6, "output": 4}
    assert collector.metrics["gen_ai.client.operation.time_to_first_chunk"].unit == "s"
    assert collector.metrics["sluice.ledger.seq"].gauge.data_points[0].as_double == 4
