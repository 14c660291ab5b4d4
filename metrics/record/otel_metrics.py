"""The counted families in OpenTelemetry's shape: cumulative since the recorder started."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource

from metrics.record.otel_instruments import COUNTER, HISTOGRAM, Family, Point
from metrics.record.otel_spans import SCOPE


def metrics_data(families: Iterable[Family], resource: Resource, since_ns: int, now_ns: int) -> MetricsData:
    """Return families as one export; those without a series are left out."""
    metrics = [_metric(family, since_ns, now_ns) for family in families if family.points]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(SCOPE, metrics, "")], "")])


def _metric(family: Family, since_ns: int, now_ns: int) -> Metric:
    spec, cumulative = family.spec, AggregationTemporality.CUMULATIVE
    data: Gauge | Sum | Histogram
    if spec.kind == HISTOGRAM:
        data = Histogram([_buckets(family, point, since_ns, now_ns) for point in family.points], cumulative)
    else:
        points = [NumberDataPoint(_about(family, p), since_ns, now_ns, p.value) for p in family.points]
        data = Sum(points, cumulative, is_monotonic=True) if spec.kind == COUNTER else Gauge(points)
    return Metric(spec.name, spec.purpose, spec.unit, data)


def _buckets(family: Family, point: Point, since_ns: int, now_ns: int) -> HistogramDataPoint:
    bounds: Sequence[float] = family.spec.bounds
    low, high = _extremes(bounds, point.counts)
    count, about = sum(point.counts), _about(family, point)
    return HistogramDataPoint(about, since_ns, now_ns, count, point.value, point.counts, bounds, low, high)


def _extremes(bounds: Sequence[float], counts: Sequence[int]) -> tuple[float, float]:
    """Return the edges of the outermost buckets in use: the values themselves are not kept."""
    used = [place for place, count in enumerate(counts) if count]
    edges = (0.0, *bounds, bounds[-1])
    return (edges[used[0]], edges[used[-1] + 1]) if used else (0.0, 0.0)


def _about(family: Family, point: Point) -> dict[str, str]:
    return {name: value for name, value in zip(family.spec.labels, point.labels, strict=True) if value}
