"""Counters and histograms whose labels are bounded: counted once for each event, read by Prometheus and OTLP alike."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Final, Literal

COUNTER: Final = "counter"
GAUGE: Final = "gauge"
HISTOGRAM: Final = "histogram"
OTHER: Final = "other"
MAX_SERIES: Final = 1000
MAX_CHARS: Final = 100
_DEFAULT_VALUES: Final = 50
_UNITS: Final[Mapping[str, str]] = {"s": "_seconds", "By": "_bytes"}


@dataclass(frozen=True, slots=True)
class Spec:
    """One family of numbers. `name` and `labels` are OpenTelemetry's; Prometheus' follow from them."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    purpose: str
    labels: tuple[str, ...] = ()
    unit: str = ""
    bounds: tuple[float, ...] = ()

    @property
    def prometheus(self) -> str:
        """The family's name in the Prometheus format, as OpenTelemetry's own translation makes it."""
        total = "_total" if self.kind == COUNTER else ""
        return self.name.replace(".", "_") + _UNITS.get(self.unit, "") + total


@dataclass(frozen=True, slots=True)
class Point:
    """One series at one moment. Of a histogram `value` is the sum and `counts` has one bucket more than bounds."""

    labels: tuple[str, ...]
    value: float
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """A family with all its series."""

    spec: Spec
    points: Sequence[Point]


def gauge(name: str, purpose: str, value: float, unit: str = "") -> Family:
    """Return a family of one number that may go up and down."""
    return Family(Spec(name, GAUGE, purpose, unit=unit), [Point((), float(value))])


def counter(name: str, purpose: str, value: float) -> Family:
    """Return a family of one total that somebody else keeps."""
    return Family(Spec(name, COUNTER, purpose), [Point((), value)])


@dataclass(slots=True)
class Words:
    """The values each label has shown so far; values beyond a label's limit become `other`.

    Names of models come from callers: without a limit anybody with a key could fill the memory of whoever reads this.
    """

    limits: Mapping[str, int] = field(default_factory=dict)
    overflowed: int = 0
    _seen: dict[str, set[str]] = field(default_factory=dict)

    def fit(self, label: str, value: str) -> str:
        """Return the value that is shown in place of this one."""
        seen, value = self._seen.setdefault(label, set()), value[:MAX_CHARS]
        if not value or value in seen:
            return value
        if len(seen) >= self.limits.get(label, _DEFAULT_VALUES):
            self.overflowed += 1
            return OTHER
        seen.add(value)
        return value


class Instrument:
    """One family being counted. Not safe to share between threads; `Meters` holds a lock."""

    def __init__(self, spec: Spec, words: Words) -> None:
        self.spec, self._words = spec, words
        self._buckets = len(spec.bounds) + 1 if spec.kind == HISTOGRAM else 0
        self._series: dict[tuple[str, ...], list[float]] = {}

    def row(self, labels: tuple[str, ...]) -> list[float]:
        """Return what is counted under these labels; an empty label is an absent one."""
        row = self._series.get(labels)
        return self._bounded(labels) if row is None else row

    def add(self, amount: float, *labels: str) -> None:
        """Add to a counter."""
        self.row(labels)[0] += amount

    def observe(self, values: Sequence[float], *labels: str) -> None:
        """Put values into a histogram: their sum, then one count for each bucket."""
        row = self.row(labels)
        row[0] += sum(values)
        for bucket, count in Counter(map(bisect_left, repeat(self.spec.bounds), values)).items():
            row[1 + bucket] += count

    def family(self) -> Family:
        """Copy what was counted."""
        points = [Point(labels, row[0], tuple(int(n) for n in row[1:])) for labels, row in self._series.items()]
        return Family(self.spec, points)

    def _bounded(self, labels: tuple[str, ...]) -> list[float]:
        """Make a new series, or find the one that stands for this and others."""
        fitted = tuple(self._words.fit(name, value) for name, value in zip(self.spec.labels, labels, strict=True))
        if fitted not in self._series and len(self._series) >= MAX_SERIES:
            self._words.overflowed += 1
            fitted = (OTHER,) * len(labels)
        return self._series.setdefault(fitted, [0.0] * (1 + self._buckets))
