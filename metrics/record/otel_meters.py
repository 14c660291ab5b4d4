"""What is counted of each event, once, when it gets its number in the order file."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from metrics.record import otel_names as n
from metrics.record.events import Event
from metrics.record.otel_instruments import COUNTER, HISTOGRAM, Family, Instrument, Spec, Words, counter, observe
from metrics.record.reader import Stretch
from metrics.record.rows import BUCKETS, END, OUTCOME

_LIMITS: Final = {n.AUTOMATION: 200, n.REQUEST_MODEL: 100, n.RESPONSE_MODEL: 100, n.KIND: 100}
_OPERATION_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_S: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_OVERHEAD_S: Final = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5)
_TOKENS: Final = tuple(float(4**power) for power in range(14))
_CLIENT: Final = (n.TENANT, n.OPERATION, n.PROVIDER, n.REQUEST_MODEL)
_WHO: Final = (n.TENANT, n.AUTOMATION)
_MODEL: Final = (*_WHO, n.PROVIDER, n.RESPONSE_MODEL)

CALLS: Final = Spec("sluice.calls", COUNTER, "Calls that ended.", (*_WHO, n.OUTCOME, n.VERDICT))
ERRORS: Final = Spec("sluice.call.errors", COUNTER, "Calls that ended with an error.", (*_WHO, n.ERROR_TYPE, n.LAYER))
DURATION: Final = Spec(
    "sluice.call.duration", HISTOGRAM, "From the request's arrival to its answer's end.", _WHO, "s", _OPERATION_S
)
OVERHEAD: Final = Spec(
    "sluice.call.overhead", HISTOGRAM, "Time the gateway itself added to a call.", _WHO, "s", _OVERHEAD_S
)
FIRST_TOKEN: Final = Spec(
    "sluice.call.time_to_first_token", HISTOGRAM, "From the request's arrival to the answer's first byte.",
    _WHO, "s", _FIRST_S,
)  # fmt: skip
STAGES: Final = Spec("sluice.stage.time", COUNTER, "Time spent in each stage of calls.", (n.STAGE,), "s")
TOKENS: Final = Spec("sluice.tokens", COUNTER, "Tokens, each in one type.", (*_MODEL, n.TOKEN_TYPE))
COST: Final = Spec("sluice.cost_usd", COUNTER, "Cost of calls whose price is known.", _MODEL)
UNPRICED: Final = Spec("sluice.calls.unpriced", COUNTER, "Calls that used tokens whose price is not known.", _MODEL)
ATTEMPTS: Final = Spec("sluice.attempts", COUNTER, "Tries of upstreams.", (*_CLIENT, n.ERROR_TYPE))
RETRIES: Final = Spec("sluice.call.client_retries", COUNTER, "Retries of clients, as they said themselves.", _WHO)
ENTITIES: Final = Spec("sluice.entities", COUNTER, "Values found by redaction.", (*_WHO, n.SIDE, n.KIND))
UNKNOWN: Final = Spec("sluice.placeholders.unknown", COUNTER, "Placeholders in answers that no value belongs to.", _WHO)
OUTCOMES: Final = Spec("sluice.outcomes", COUNTER, "Outcomes that were posted.", (*_WHO, "sluice.outcome.source"))
EVENTS: Final = Spec("sluice.events", COUNTER, "Events recorded, calls' begins and ends included.", ("sluice.kind",))
GAPS: Final = Spec("sluice.gap.events", COUNTER, "Events the record does not hold as promised.", ("sluice.gap",))
OPERATION: Final = Spec(
    n.OPERATION_DURATION, HISTOGRAM, "Duration of each try of an upstream.", (*_CLIENT, n.ERROR_TYPE), "s", _OPERATION_S
)
USAGE: Final = Spec(
    n.TOKEN_USAGE, HISTOGRAM, "Tokens of each call, input and output.", (*_CLIENT, n.TOKEN_TYPE), "{token}", _TOKENS
)
FIRST_CHUNK: Final = Spec(
    n.TIME_TO_FIRST_CHUNK, HISTOGRAM, "From a try's begin to the first byte of its answer.", _CLIENT, "s", _FIRST_S
)
COUNTED: Final = (
    CALLS, ERRORS, DURATION, OVERHEAD, FIRST_TOKEN, STAGES, TOKENS, COST, UNPRICED, ATTEMPTS, RETRIES, ENTITIES,
    UNKNOWN, OUTCOMES, EVENTS, GAPS, OPERATION, USAGE, FIRST_CHUNK,
)  # fmt: skip
OVERFLOW: Final = "sluice.telemetry.overflow"
_TIMES: Final = ((DURATION, "total_ms"), (OVERHEAD, "overhead_ms"), (FIRST_TOKEN, "ttft_ms"))
_TRY_TIMES: Final = ((OPERATION, "total_ms"), (FIRST_CHUNK, "first_byte_ms"))
_ALIKE: Final = 500  # kinds of calls whose rows are kept at hand
_TOTALS: Final = ((RETRIES, "retry_count"), (UNKNOWN, "unknown_placeholders"))
_OUTPUTS: Final = ("output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens")
_BUCKETS: Final = tuple((name, name.removesuffix("_tokens"), name in _OUTPUTS) for name in BUCKETS)


Rows = dict[object, list[float]]  # of calls that are alike: the rows that such calls add to


@dataclass(slots=True)
class Meters:
    """Everything counted since the recorder started. `take` and `families` may be called from different threads."""

    _words: Words = field(default_factory=lambda: Words(_LIMITS))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _by_spec: dict[str, Instrument] = field(init=False)
    _alike: dict[tuple[str, ...], Rows] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_spec = {spec.name: Instrument(spec, self._words) for spec in COUNTED}

    def take(self, stretches: Sequence[Stretch]) -> None:
        """Count events that just got their numbers."""
        with self._lock:
            for stretch in stretches:
                for line in stretch.lines:
                    self._event(line.event)

    def families(self) -> list[Family]:
        """Copy what was counted."""
        with self._lock:
            found = [instrument.family() for instrument in self._by_spec.values()]
            overflowed = self._words.overflowed
        return [*found, counter(OVERFLOW, "Label values shown as other: too many different ones.", overflowed)]

    def _event(self, event: Event) -> None:
        self._add(EVENTS, 1, event.kind)
        if event.kind == END:
            self._call(event)
        elif event.kind == OUTCOME:
            self._add(OUTCOMES, 1, event.tenant, event.automation or "", text(event.body.get("source")))
        elif event.kind == "gap":
            self._add(GAPS, number(event.body.get("events")) or 0, text(event.body.get("what")))

    def _call(self, event: Event) -> None:
        """Count a call. This runs for each call while records are taken in, so its rows are looked up only once."""
        body, given, who = event.body, event.body.get, (event.tenant, event.automation or "")
        names = (text(given("endpoint")), text(given("provider")), text(given("model_requested")))
        rows, at = self._rows((*who, *names, text(given("model_answered")))), self._row
        ended = (text(given("outcome")), text(given("verdict")))
        (rows.get(ended) or at(rows, ended, CALLS, (*who, *ended)))[0] += 1
        if given("error_code"):
            self._add(ERRORS, 1, *who, text(given("error_code")), text(given("layer")))
        for spec, name in _TIMES:
            spent_ms = number(given(name))
            if spent_ms is not None:
                observe(rows.get(name) or at(rows, name, spec, who), spec.bounds, spent_ms / 1000)
        for spec, name in _TOTALS:
            if amount := number(given(name)):
                (rows.get(name) or at(rows, name, spec, who))[0] += amount
        spent = self._by_spec[STAGES.name]
        for stage, spent_us in table(given("stages_us")).items():
            spent.row((stage,))[0] += (number(spent_us) or 0) / 1e6
        self._entities(rows, who, table(given("entities")))
        if usage := table(given("usage")):
            self._usage(rows, who, usage, body)
        for attempt in attempts(body):
            self._attempt(rows, (who[0], n.operation(names[0])), attempt)

    def _entities(self, rows: Rows, who: tuple[str, str], sides: Mapping[str, Any]) -> None:
        for side, kinds in sides.items():
            for kind, count in table(kinds).items():
                key = (side, kind, "")
                (rows.get(key) or self._row(rows, key, ENTITIES, (*who, side, kind)))[0] += number(count) or 0

    def _usage(self, rows: Rows, who: tuple[str, str], usage: Mapping[str, Any], body: Mapping[str, Any]) -> None:
        provider, asked = text(body.get("provider")), text(body.get("model_requested"))
        model, both = (*who, provider, text(body.get("model_answered")) or asked), [0.0, 0.0]
        for bucket, name, is_output in _BUCKETS:
            if amount := number(usage.get(bucket)):
                both[is_output] += amount
                (rows.get(bucket) or self._row(rows, bucket, TOKENS, (*model, name)))[0] += amount
        cost = number(body.get("cost_usd"))
        spec = UNPRICED if cost is None else COST
        (rows.get(spec.name) or self._row(rows, spec.name, spec, model))[0] += 1 if cost is None else cost
        client = (who[0], n.operation(text(body.get("endpoint"))), provider, asked)
        for side, amount in zip(("input", "output"), both, strict=True):
            observe(rows.get(side) or self._row(rows, side, USAGE, (*client, side)), USAGE.bounds, amount)

    def _attempt(self, rows: Rows, operation: tuple[str, str], attempt: Mapping[str, Any]) -> None:
        client = (*operation, text(attempt.get("provider")), text(attempt.get("model")))
        labels = (*client, text(attempt.get("error_code")))
        (rows.get(labels) or self._row(rows, labels, ATTEMPTS, labels))[0] += 1
        for spec, name in _TRY_TIMES:
            spent_ms = number(attempt.get(name))
            if spent_ms is not None:
                key = (spec.name, labels)
                row = rows.get(key) or self._row(rows, key, spec, labels if spec is OPERATION else client)
                observe(row, spec.bounds, spent_ms / 1000)

    def _rows(self, alike: tuple[str, ...]) -> Rows:
        rows = self._alike.get(alike)
        if rows is None:
            if len(self._alike) >= _ALIKE:
                self._alike.clear()
            rows = self._alike[alike] = {}
        return rows

    def _row(self, rows: Rows, key: object, spec: Spec, labels: tuple[str, ...]) -> list[float]:
        row = rows[key] = self._by_spec[spec.name].row(labels)
        return row

    def _add(self, spec: Spec, amount: float, *labels: str) -> None:
        self._by_spec[spec.name].add(amount, *labels)


def text(value: object) -> str:
    """Return a text, and nothing for what is none."""
    return value if type(value) is str else ""


def number(value: object) -> float | None:
    """Return a finite number from 0 up; None for everything else, so that no record can spoil a total."""
    kind = type(value)
    return value if (kind is float or kind is int) and 0 <= value < 1e300 else None  # type: ignore[operator,return-value]


def table(value: object) -> Mapping[str, Any]:
    """Return a mapping, and an empty one for what is none."""
    return value if type(value) is dict else {}


def total(usage: Mapping[str, Any], buckets: Sequence[str]) -> float:
    """Add up some buckets."""
    return sum(number(usage.get(bucket)) or 0 for bucket in buckets)


def attempts(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the tries of a call."""
    found = body.get("attempts")
    yield from (item for item in (found if type(found) is list else ()) if type(item) is dict)
