"""GET /metrics: every counter, histogram and gauge of the machine in Prometheus' text format."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from metrics.record.otel_instruments import HISTOGRAM, Family, Point, Spec
from metrics.record.otel_names import TENANT
from metrics.record.token import Grant

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


def add_metrics(app: FastAPI, families: Callable[[], Sequence[Family]], granted: Callable[[Request], Grant]) -> None:
    """Give an application the route: sums over all tenants for everybody, one tenant's series for its query token."""

    @app.get("/metrics")
    def metrics(request: Request) -> Response:
        tenant = granted(request).tenant if "authorization" in request.headers else None
        found = [of_tenant(family, tenant) if tenant else of_all(family) for family in families()]
        return Response(render(found), media_type=CONTENT_TYPE)


def of_tenant(family: Family, tenant: str) -> Family:
    """Leave out the series of other tenants."""
    if TENANT not in family.spec.labels:
        return family
    at = family.spec.labels.index(TENANT)
    return Family(family.spec, [point for point in family.points if point.labels[at] == tenant])


def of_all(family: Family) -> Family:
    """Add up the series of all tenants, so that none can be told from the others."""
    if TENANT not in family.spec.labels:
        return family
    at = family.spec.labels.index(TENANT)
    sums: dict[tuple[str, ...], list[Point]] = {}
    for point in family.points:
        sums.setdefault(point.labels[:at] + point.labels[at + 1 :], []).append(point)
    spec = replace(family.spec, labels=tuple(label for label in family.spec.labels if label != TENANT))
    return Family(spec, [_sum(labels, points) for labels, points in sums.items()])


def _sum(labels: tuple[str, ...], points: Sequence[Point]) -> Point:
    counts = zip(*(point.counts for point in points), strict=True)
    return Point(labels, sum(point.value for point in points), tuple(sum(bucket) for bucket in counts))


def render(families: Iterable[Family]) -> str:
    """Write families as text."""
    return "".join(f"{line}\n" for family in families for line in _family(family))


def _family(family: Family) -> Iterator[str]:
    spec = family.spec
    yield f"# HELP {spec.prometheus} {spec.purpose}"
    yield f"# TYPE {spec.prometheus} {spec.kind}"
    names = [label.replace(".", "_") for label in spec.labels]
    for point in family.points:
        pairs = [f'{name}="{value.translate(_ESCAPES)}"' for name, value in zip(names, point.labels, strict=False)]
        if spec.kind == HISTOGRAM:
            yield from _histogram(spec, point, pairs)
        else:
            yield f"{spec.prometheus}{_braces(pairs)} {_number(point.value)}"


def _histogram(spec: Spec, point: Point, pairs: list[str]) -> Iterator[str]:
    bounds = [*(_number(bound) for bound in spec.bounds), "+Inf"]
    for bound, count in zip(bounds, accumulate(point.counts), strict=True):
        within = _braces([*pairs, f'le="{bound}"'])
        yield f"{spec.prometheus}_bucket{within} {count}"
    yield f"{spec.prometheus}_sum{_braces(pairs)} {_number(point.value)}"
    yield f"{spec.prometheus}_count{_braces(pairs)} {sum(point.counts)}"


def _braces(pairs: Sequence[str]) -> str:
    return f"{{{','.join(pairs)}}}" if pairs else ""


def _number(value: float) -> str:
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))
