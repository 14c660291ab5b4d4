"""A recorded call as spans: the gateway's own under its caller's, one for each stage and each try of an upstream."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeGuard

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanKind
from opentelemetry.trace.span import SpanContext, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from metrics.record import otel_names as n
from metrics.record.events import Event
from metrics.record.otel_meters import attempts, number, table, text, total
from metrics.record.otel_settings import Sampler
from metrics.record.rows import STAGES, call_of

Value = str | int | float | bool | list[str]
Attributes = dict[str, Value]

SCOPE: Final = InstrumentationScope("sluice")
_MAX: Final = 2**63 - 1
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_BEFORE: Final = STAGES[: STAGES.index("invoke")]
_AFTER: Final = STAGES[STAGES.index("invoke") + 1 :]
_FAILED: Final = frozenset({"error", "interrupted", "truncated"})
_FACTS: Final[Mapping[str, str]] = {
    "call_id": "sluice.call.id",
    "team": "sluice.team",
    "environment": "sluice.environment",
    "data_class": "sluice.data_class",
    "policy": "sluice.policy.name",
    "policy_hash": "sluice.policy.hash",
    "outcome": n.OUTCOME,
    "verdict": n.VERDICT,
    "layer": n.LAYER,
    "confidence": "sluice.confidence",
    "cost_usd": "sluice.cost_usd",
    "overhead_ms": "sluice.overhead_ms",
    "retry_count": "sluice.client_retries",
    "simulated": "sluice.simulated",
    "stream": n.REQUEST_STREAM,
    "error_code": n.ERROR_TYPE,
    "status": n.STATUS,
}
_INPUT: Final = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "audio_input_tokens",
    "image_input_tokens",
)
_OUTPUT: Final = ("output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens")


class SpanMaker:
    """Turns `call.end` events into spans. The same event gives the same spans, ids included."""

    def __init__(self, resource: Resource, sampled: Sampler) -> None:
        self.resource, self._sampled = resource, sampled

    def spans(self, event: Event) -> list[ReadableSpan]:
        """Return a call's spans, its own first; none when its trace is not sampled."""
        body, call = event.body, call_of(event)
        trace_id = _hex_id(body.get("trace_id"), 32) or _chosen(call, "trace", 16)
        parent_id = _hex_id(body.get("parent_span_id"), 16)
        if not self._sampled(trace_id, _flags(body) if parent_id else None):
            return []
        own = SpanContext(trace_id, _hex_id(body.get("span_id"), 16) or _chosen(call, "call", 8), False, _SAMPLED)
        parent = SpanContext(trace_id, parent_id, True, _SAMPLED) if parent_id else None
        end_ns = event.ts_us * 1000  # a call's end is stamped, its length is known
        start_ns = end_ns - int((number(body.get("total_ms")) or 0) * 1e6)
        name = f"POST {_route(body)}"
        server = self._span(name, own, parent, (start_ns, end_ns), _of_call(event), SpanKind.SERVER, _failed(body))
        return [server, *self._stages(body, own, start_ns, end_ns), *self._attempts(body, own, start_ns)]

    def _stages(self, body: Mapping[str, Any], own: SpanContext, start_ns: int, end_ns: int) -> Iterator[ReadableSpan]:
        """Lay the stages before the model one after the other from the begin, those after it up to the end.

        The record holds how long each took; of a live stream, whose stages take turns, it holds their sums.
        """
        spent = {stage: int((number(us) or 0) * 1000) for stage, us in table(body.get("stages_us")).items()}
        at_ns = start_ns
        for names, begin_ns in ((_BEFORE, start_ns), (_AFTER, end_ns - sum(spent.get(s, 0) for s in _AFTER))):
            at_ns = max(at_ns, begin_ns)
            for stage in names:
                if stage in spent:
                    yield self._child(stage, stage, own, (at_ns, at_ns + spent[stage]), {n.STAGE: stage})
                    at_ns += spent[stage]

    def _attempts(self, body: Mapping[str, Any], own: SpanContext, start_ns: int) -> Iterator[ReadableSpan]:
        stages, tries = table(body.get("stages_us")), list(attempts(body))
        at_ns = start_ns + int(total(stages, _BEFORE) * 1000)
        for place, attempt in enumerate(tries, 1):
            end_ns = at_ns + int((number(attempt.get("total_ms")) or 0) * 1e6)
            operation = n.operation(text(body.get("endpoint")))
            about = {n.OPERATION: operation} | _of_attempt(attempt) | (_of_answer(body) if place == len(tries) else {})
            name = f"{operation} {text(attempt.get('model'))}".strip()
            failed = bool(attempt.get("error_code"))
            yield self._child(name, f"try {place}", own, (at_ns, end_ns), about, SpanKind.CLIENT, failed)
            at_ns = end_ns

    def _child(
        self, name: str, key: str, own: SpanContext, times: tuple[int, int], about: Attributes,
        kind: SpanKind = SpanKind.INTERNAL, failed: bool = False,
    ) -> ReadableSpan:  # fmt: skip
        context = SpanContext(own.trace_id, _chosen(f"{own.span_id:x}", key, 8), False, _SAMPLED)
        return self._span(name, context, own, times, about, kind, failed)

    def _span(
        self, name: str, context: SpanContext, parent: SpanContext | None, times: tuple[int, int], about: Attributes,
        kind: SpanKind, failed: bool,
    ) -> ReadableSpan:  # fmt: skip
        start_ns, end_ns = (min(max(0, at_ns), _MAX) for at_ns in times)
        return ReadableSpan(
            name, context, parent, self.resource, about, kind=kind, start_time=start_ns, end_time=end_ns,
            status=Status(StatusCode.ERROR if failed else StatusCode.UNSET), instrumentation_scope=SCOPE,
        )  # fmt: skip


def _of_call(event: Event) -> Attributes:
    body = event.body
    given = {n.TENANT: event.tenant, n.AUTOMATION: event.automation, "sluice.run.id": event.run,
             "sluice.step": event.step, n.PROMPT_NAME: table(body.get("labels")).get("prompt")}  # fmt: skip
    found: Attributes = {n.METHOD: "POST", n.ROUTE: _route(body)}
    found |= {name: value for name, value in given.items() if isinstance(value, str) and value}
    found |= {name: body[key] for key, name in _FACTS.items() if _fits(body.get(key))}
    for side, kinds in table(body.get("entities")).items():
        if counts := table(kinds):
            found[f"sluice.entities.{side}"] = _whole(total(counts, list(counts)))
    return found


def _of_attempt(attempt: Mapping[str, Any]) -> Attributes:
    first_ms = number(attempt.get("first_byte_ms"))
    given = {
        n.PROVIDER: attempt.get("provider"),
        n.REQUEST_MODEL: attempt.get("model"),
        n.STATUS: attempt.get("status"),
        n.ERROR_TYPE: attempt.get("error_code"),
        n.FIRST_CHUNK_S: None if first_ms is None else first_ms / 1000,
        "sluice.attempt": attempt.get("n"),
        "sluice.cost_usd": attempt.get("cost_usd"),
    }
    found: Attributes = {name: value for name, value in given.items() if _fits(value)}
    return found | _of_usage(table(attempt.get("usage")))


def _of_usage(usage: Mapping[str, Any]) -> Attributes:
    """Give OpenTelemetry's totals, which include cached and reasoning tokens, and those again apart."""
    if not usage:
        return {}
    apart = {"cached_input_tokens": n.CACHE_READ_TOKENS, "cache_write_tokens": n.CACHE_WRITE_TOKENS,
             "reasoning_tokens": n.REASONING_TOKENS}  # fmt: skip
    found: Attributes = {n.INPUT_TOKENS: _whole(total(usage, _INPUT)), n.OUTPUT_TOKENS: _whole(total(usage, _OUTPUT))}
    return found | {name: _whole(amount) for bucket, name in apart.items() if (amount := number(usage.get(bucket)))}


def _of_answer(body: Mapping[str, Any]) -> Attributes:
    """Give what the record holds of the last try only."""
    reasons = body.get("finish_reasons")
    found: Attributes = {}
    if model := text(body.get("model_answered")):
        found[n.RESPONSE_MODEL] = model
    if isinstance(reasons, list) and (said := [reason for reason in reasons if isinstance(reason, str)]):
        found[n.FINISH_REASONS] = said
    return found


def _whole(amount: float) -> int:
    return int(min(amount, _MAX))


def _fits(value: object) -> TypeGuard[str | int | float | bool]:
    """Say whether a value can be sent: one odd record must not hold up the others."""
    return isinstance(value, str | float) or (isinstance(value, int) and abs(value) <= _MAX)


def _route(body: Mapping[str, Any]) -> str:
    return f"/v1/{text(body.get('endpoint')).replace('.', '/')}"


def _failed(body: Mapping[str, Any]) -> bool:
    """Say whether the gateway failed; a refusal is an answer."""
    return (number(body.get("status")) or 0) >= 500 or text(body.get("outcome")) in _FAILED


def _flags(body: Mapping[str, Any]) -> int:
    return _hex_id(body.get("trace_flags"), 2) if isinstance(body.get("trace_flags"), str) else 1


def _hex_id(value: object, digits: int) -> int:
    """Read an id of so many hexadecimal digits; 0, which is no id, for anything else."""
    if not isinstance(value, str) or len(value) != digits:
        return 0
    try:
        return int(value, 16)
    except ValueError:
        return 0


def _chosen(call: str, name: str, length: int) -> int:
    """Make an id that is the same whenever this call is turned into spans."""
    digest = hashlib.blake2b(f"{call}\0{name}".encode("utf-8", "replace"), digest_size=length).digest()
    return int.from_bytes(digest) or 1
