"""What is counted of each event, once, when it gets its number in the order file."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from metrics.record import otel_names as n
from metrics.record.events import Event
from metrics.record.otel_instruments import COUNTER, HISTOGRAM, Family, Instrument, Spec, Words, counter
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
_TOTALS: Final = ((RETRIES, "retry_count"), (UNKNOWN, "unknown_placeholders"))
_OUTPUTS: Final = ("output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens")
_BUCKETS: Final = tuple((name, name.removesuffix("_tokens"), name in _OUTPUTS) for name in BUCKETS)


@dataclass(slots=True)
class Meters:
    """Everything counted since the recorder started. `take` and `families` may be called from different threads."""

    _words: Words = field(default_factory=lambda: Words(_LIMITS))
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _by_spec: dict[str, Instrument] = field(init=False)

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
        """Count a call. This runs for each call while records are taken in: about 15 microseconds."""
        given, who = event.body.get, (event.tenant, event.automation or "")
        self._add(CALLS, 1, *who, text(given("outcome")), text(given("verdict")))
        if given("error_code"):
            self._add(ERRORS, 1, *who, text(given("error_code")), text(given("layer")))
        for spec, name in _TIMES:
            self._observe_ms(spec, given(name), *who)
        for spec, name in _TOTALS:
            if amount := number(given(name)):
                self._add(spec, amount, *who)
        spent = self._by_spec[STAGES.name]
        for stage, spent_us in table(given("stages_us")).items():
            spent.add((number(spent_us) or 0) / 1e6, stage)
        for side, kinds in table(given("entities")).items():
            for kind, count in table(kinds).items():
                self._add(ENTITIES, number(count) or 0, *who, side, kind)
        operation = n.operation(text(given("endpoint")))
        if usage := table(given("usage")):
            self._usage(usage, who, operation, event.body)
        for attempt in attempts(event.body):
            self._attempt(event.tenant, operation, attempt)

    def _usage(self, usage: Mapping[str, Any], who: tuple[str, str], operation: str, body: Mapping[str, Any]) -> None:
        provider, asked = text(body.get("provider")), text(body.get("model_requested"))
        model = (*who, provider, text(body.get("model_answered")) or asked)
        both = [0.0, 0.0]
        for bucket, name, is_output in _BUCKETS:
            if amount := number(usage.get(bucket)):
                both[is_output] += amount
                self._add(TOKENS, amount, *model, name)
        cost = number(body.get("cost_usd"))
        self._add(UNPRICED if cost is None else COST, 1 if cost is None else cost, *model)
        for side, amount in zip(("input", "output"), both, strict=True):
            self._by_spec[USAGE.name].observe(amount, who[0], operation, provider, asked, side)

    def _attempt(self, tenant: str, operation: str, attempt: Mapping[str, Any]) -> None:
        client = (tenant, operation, text(attempt.get("provider")), text(attempt.get("model")))
        error = text(attempt.get("error_code"))
        self._add(ATTEMPTS, 1, *client, error)
        self._observe_ms(OPERATION, attempt.get("total_ms"), *client, error)
        self._observe_ms(FIRST_CHUNK, attempt.get("first_byte_ms"), *client)

    def _add(self, spec: Spec, amount: float, *labels: str) -> None:
        self._by_spec[spec.name].add(amount, *labels)

    def _observe_ms(self, spec: Spec, value: object, *labels: str) -> None:
        spent_ms = number(value)
        if spent_ms is not None:
            self._by_spec[spec.name].observe(spent_ms / 1000, *labels)


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
    yield from (item for item in (found if isinstance(found, list) else ()) if isinstance(item, Mapping))
