"""What is counted of each event, once, when it gets its number in the order file."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from metrics.record import otel_names as n
from metrics.record.otel_instruments import COUNTER, HISTOGRAM, Family, Instrument, Spec, Words, counter
from metrics.record.rows import ATTEMPT_COLUMNS, BUCKETS, CALL_COLUMNS, STAGES, Columns

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
STAGE_TIME: Final = Spec("sluice.stage.time", COUNTER, "Time spent in each stage of calls.", (n.STAGE,), "s")
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
    CALLS, ERRORS, DURATION, OVERHEAD, FIRST_TOKEN, STAGE_TIME, TOKENS, COST, UNPRICED, ATTEMPTS, RETRIES, ENTITIES,
    UNKNOWN, OUTCOMES, EVENTS, GAPS, OPERATION, USAGE, FIRST_CHUNK,
)  # fmt: skip
OVERFLOW: Final = "sluice.telemetry.overflow"
_TIMES: Final = ((DURATION, "total_ms"), (OVERHEAD, "overhead_ms"), (FIRST_TOKEN, "ttft_ms"))
_TRY_TIMES: Final = ((OPERATION, "total_ms"), (FIRST_CHUNK, "first_byte_ms"))
_TOTALS: Final = ((RETRIES, "retry_count"), (UNKNOWN, "unknown_placeholders"))
_OUTPUTS: Final = ("output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens")
_SIDES: Final = (("input", tuple(name for name in BUCKETS if name not in _OUTPUTS)), ("output", _OUTPUTS))
_ALIKE: Final = ("tenant", "automation", "endpoint", "provider", "model_requested", "model_answered", "used")
_TRIED: Final = ("tenant", "operation", "provider", "model", "error_code")
_LOOKED_AT: Final = (
    *_ALIKE, *BUCKETS, "outcome", "verdict", "error_code", "layer", "cost_usd",
    *(name for _, name in (*_TIMES, *_TOTALS)),
)  # fmt: skip

Table = dict[str, Sequence[Any]]  # columns by their names


@dataclass(slots=True)
class Meters:
    """Everything counted since the recorder started. `take` and `families` may be called from different threads."""

    _words: Words = field(default_factory=lambda: Words(_LIMITS))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _by_spec: dict[str, Instrument] = field(init=False)

    def __post_init__(self) -> None:
        self._by_spec = {spec.name: Instrument(spec, self._words) for spec in COUNTED}

    def take(self, columns: Columns) -> None:
        """Count events that just got their numbers, as columns of the ledger's tables."""
        with self._lock:
            if "events" in columns:
                self._events(columns["events"][2], columns["events"][12])
            if "calls" in columns:
                calls: Table = dict(zip(CALL_COLUMNS, columns["calls"], strict=True))
                self._calls(calls)
                if "attempts" in columns:
                    self._attempts(dict(zip(ATTEMPT_COLUMNS, columns["attempts"], strict=True)), calls)
            if "entities" in columns:
                self._entities(columns["entities"])
            if outcomes := columns.get("outcomes"):
                for tenant, automation, source in zip(outcomes[2], outcomes[3], outcomes[10], strict=True):
                    self._add(OUTCOMES, 1, tenant, automation or "", source or "")

    def families(self) -> list[Family]:
        """Copy what was counted."""
        with self._lock:
            found = [instrument.family() for instrument in self._by_spec.values()]
            overflowed = self._words.overflowed
        return [*found, counter(OVERFLOW, "Label values shown as other: too many different ones.", overflowed)]

    def _entities(self, entities: Sequence[Sequence[Any]]) -> None:
        found: dict[tuple[Any, ...], int] = defaultdict(int)
        for labels, count in zip(
            zip(*(entities[place] for place in (2, 3, 5, 6)), strict=True), entities[7], strict=True
        ):
            found[labels] += max(count, 0)
        for labels, count in found.items():
            self._add(ENTITIES, count, *map(text, labels))

    def _events(self, kinds: Sequence[str], bodies: Sequence[str | None]) -> None:
        for kind, count in Counter(kinds).items():
            self._add(EVENTS, count, kind)
        for gap in [orjson.loads(body) for kind, body in zip(kinds, bodies, strict=True) if body and kind == "gap"]:
            self._add(GAPS, number(gap.get("events")) or 0, text(gap.get("what")))

    def _calls(self, calls: Table) -> None:
        for stage in STAGES:
            self._add(STAGE_TIME, sum(_amounts(calls[f"{stage}_us"])) / 1e6, stage)
        buckets = zip(*(calls[name] for name in BUCKETS), strict=True)
        calls["used"] = ["" if row.count(None) == len(BUCKETS) else "used" for row in buckets]
        for (*labels, used), alike in _grouped({name: calls[name] for name in _LOOKED_AT}, _ALIKE):
            self._ended(labels[:2], alike)
            if used:
                self._usage(labels, alike)

    def _ended(self, who: Sequence[str], calls: Table) -> None:
        for ended, count in Counter(zip(calls["outcome"], calls["verdict"], strict=True)).items():
            self._add(CALLS, count, *who, *map(text, ended))
        for failed, count in Counter(zip(calls["error_code"], calls["layer"], strict=True)).items():
            if failed[0]:
                self._add(ERRORS, count, *who, *map(text, failed))
        for spec, name in _TIMES:
            self._observe(spec, [spent_ms / 1000 for spent_ms in _amounts(calls[name])], *who)
        for spec, name in _TOTALS:
            if total := sum(_amounts(calls[name])):
                self._add(spec, total, *who)

    def _usage(self, labels: Sequence[str], calls: Table) -> None:
        tenant, automation, endpoint, provider, asked, answered = labels
        model = (tenant, automation, provider, answered or asked)
        tokens = {name: [value if value and value > 0 else 0 for value in calls[name]] for name in BUCKETS}
        for name, column in tokens.items():
            if amount := sum(column):
                self._add(TOKENS, amount, *model, name.removesuffix("_tokens"))
        if prices := _amounts(calls["cost_usd"]):
            self._add(COST, sum(prices), *model)
        if unpriced := len(calls["cost_usd"]) - len(prices):
            self._add(UNPRICED, unpriced, *model)
        for side, names in _SIDES:
            both = [*map(sum, zip(*(tokens[name] for name in names), strict=True))]
            self._observe(USAGE, both, tenant, n.operation(endpoint), provider, asked, side)

    def _attempts(self, attempts: Table, calls: Table) -> None:
        operations = dict(zip(calls["seq"], map(n.operation, map(text, calls["endpoint"])), strict=True))
        attempts["operation"] = [operations[seq] for seq in attempts["seq"]]
        for labels, alike in _grouped(attempts, _TRIED):
            self._add(ATTEMPTS, len(alike["seq"]), *labels)
            for spec, name in _TRY_TIMES:
                times_s = [spent_ms / 1000 for spent_ms in _amounts(alike[name])]
                self._observe(spec, times_s, *(labels if spec is OPERATION else labels[:-1]))

    def _add(self, spec: Spec, amount: float, *labels: str) -> None:
        self._by_spec[spec.name].add(amount, *labels)

    def _observe(self, spec: Spec, values: Sequence[float], *labels: str) -> None:
        if values:
            self._by_spec[spec.name].observe(values, *labels)


def _grouped(table: Table, by: Sequence[str]) -> Iterator[tuple[tuple[str, ...], Table]]:
    """Yield rows that are alike in some columns: these values as texts, and the columns of these rows."""
    places: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for place, key in enumerate(zip(*(table[name] for name in by), strict=True)):
        places[key].append(place)
    for key, rows in places.items():
        if len(places) > 1:
            yield tuple(map(text, key)), {name: [column[row] for row in rows] for name, column in table.items()}
        else:
            yield tuple(map(text, key)), table


def _amounts(column: Sequence[float | None]) -> list[float]:
    return [value for value in column if value is not None and 0 <= value < 1e300]


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
