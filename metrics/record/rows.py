"""Turns events into the rows of the ledger; a value of the wrong type becomes null and stays in `detail`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from typing import Any

import orjson

from metrics.record.events import Event
from metrics.record.gone import KIND as GONE
from metrics.record.reader import Line

Row = tuple[Any, ...]
Columns = Mapping[str, Sequence[Sequence[Any]]]  # of tables

BEGIN, END, OUTCOME = "call.begin", "call.end", "outcome"
RECORDER = "recorder"
STAGES = ("admit", "bind", "clear", "choose", "invoke", "screen", "score", "judge", "act", "restore", "record")
BUCKETS = (
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "output_tokens",
    "reasoning_tokens",
    "audio_input_tokens",
    "audio_output_tokens",
    "image_input_tokens",
    "image_output_tokens",
)
_MAX = 2**63
_AGE_MS = 1e12  # no call takes thirty years


def _text(value: object) -> str | None:
    return value if type(value) is str else None


def _whole(value: object) -> int | None:
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and -_MAX <= value < _MAX else None


def _number(value: object) -> float | None:
    if type(value) is float:
        return value
    return float(value) if type(value) is int else None


def _flag(value: object) -> bool | None:
    return value if type(value) is bool else None


_CALL_FIELDS: Mapping[str, Callable[[object], Any]] = {
    "key_id": _text, "team": _text, "environment": _text, "data_class": _text, "endpoint": _text, "stream": _flag,
    "status": _whole, "outcome": _text, "error_code": _text, "layer": _text, "policy": _text, "policy_hash": _text,
    "snapshot": _text, "git_commit": _text, "dirty": _flag, "model_requested": _text, "model_answered": _text,
    "provider": _text, "simulated": _flag, "usage_estimated": _flag, "cost_usd": _number, "price_id": _text,
    "total_ms": _number, "upstream_ms": _number, "overhead_ms": _number, "ttft_ms": _number, "verdict": _text,
    "confidence": _number, "restored": _whole, "unknown_placeholders": _whole, "request_chars": _whole,
    "answer_chars": _whole, "retry_count": _whole,
}  # fmt: skip
CALL_COLUMNS = (
    "seq", "call_id", "tenant", "automation", "run_id", "step", "ts_us", "end_us", "subject_ref",
    *_CALL_FIELDS, *BUCKETS, *(f"{stage}_us" for stage in STAGES), "attempts", "prompt", "reused", "judge_usd",
    "retried_usd", "version", "schema_score", "grounding", "marks", "detail",
)  # fmt: skip
_NONE: type = type(None)
_FITTING: Mapping[Callable[[object], Any], frozenset[type]] = {  # types of values that fit as they are
    _text: frozenset({str, _NONE}), _flag: frozenset({bool, _NONE}), _number: frozenset({float, _NONE}),
    _whole: frozenset({int, _NONE}),
}  # fmt: skip
_CALL_FITS = {**_CALL_FIELDS, **dict.fromkeys((*BUCKETS, *(f"{stage}_us" for stage in STAGES)), _whole)}
_FIRST_FIT = CALL_COLUMNS.index("key_id")
_TRY_FIELDS = {
    "provider": _text, "model": _text, "status": _whole, "error_code": _text, "first_byte_ms": _number,
    "total_ms": _number,
}  # fmt: skip
ATTEMPT_COLUMNS = (
    "seq", "call_id", "tenant", "automation", "ts_us", "n", *_TRY_FIELDS, *BUCKETS, "cost_usd", "purpose",
)  # fmt: skip
_ATTEMPT_FITS = dict(enumerate((*_TRY_FIELDS.values(), *(_whole for _ in BUCKETS), _number, _text), 6))
_COLUMNS = frozenset({"call_id", "usage", "stages_us", "attempts", "entities", *_CALL_FIELDS})
# What few calls have in their detail; whoever asks for it reads the details of those alone.
_MARKED: Mapping[str, type] = {
    "tools": list, "would_refuse": list, "minimised": dict, "refused_by": str, "charges": list, "audit": dict,
}  # fmt: skip
_DECLINED = frozenset({"content_filter", "refusal"})
_OUTCOME_WORDS = frozenset({"success", "failure", "override", "approved", "edited", "rejected", "expired", "released"})


@dataclass(slots=True)
class Rows:
    """What events say, by table. Values of calls and attempts are looked at when they become columns, all at once."""

    events: list[Row] = field(default_factory=list)
    posted: list[Row] = field(default_factory=list)
    calls: list[Row] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    entities: list[Row] = field(default_factory=list)
    outcomes: list[Row] = field(default_factory=list)
    contents: list[Row] = field(default_factory=list)

    def columns(self) -> Columns:
        """Return the tables that have rows, with their columns: each value has its column's type or is None."""
        found: dict[str, list[Sequence[Any]]] = {
            name: list(zip(*rows, strict=True)) for name in self.__slots__ if (rows := getattr(self, name))
        }
        if calls := found.get("calls"):
            _fit_calls(calls)
        if attempts := found.get("attempts"):
            for place, fit in _ATTEMPT_FITS.items():
                attempts[place], _ = _fitted(attempts[place], fit)
        return found

    def tables(self) -> dict[str, list[Row]]:
        """Return the tables that have rows, with their rows."""
        return {name: list(zip(*columns, strict=True)) for name, columns in self.columns().items()}

    def add(self, seq: int, segment: str, line: Line) -> None:
        """Add all rows of one event; what stands in for a record that was taken out has none."""
        event = line.event
        if event.kind == GONE:
            return
        self.events.append(_event_row(seq, segment, line))
        if is_posted(event.kind, event.actor):
            self.posted.append((id_hash(event.event_id),))
        if event.kind == END:
            self._add_call(seq, event)
        elif event.kind == OUTCOME:
            self.outcomes.append(_outcome_row(seq, event))

    def _add_call(self, seq: int, event: Event) -> None:
        body, call_id, start_us = event.body, call_of(event), started(event)
        attempts = [item for item in _list(body.get("attempts")) if type(item) is dict]
        self.calls.append(_call_row(seq, event, call_id, start_us, attempts))
        key = (seq, call_id, event.tenant, event.automation, start_us)
        self.attempts.extend([_attempt_row(key, n, item) for n, item in enumerate(attempts, 1)])
        for side, kinds in _map(body.get("entities")).items():
            self.entities.extend([(*key, side, kind, _whole(count) or 0) for kind, count in _map(kinds).items()])


def is_posted(kind: str, actor: str | None) -> bool:
    """Say whether a second copy of an event may carry another time than the first, so that only its id tells."""
    return kind not in (BEGIN, END) or actor == RECORDER


def id_hash(event_id: str) -> int:
    """Return 63 bits that stand for an event id in the index of posted events."""
    return int.from_bytes(blake2b(event_id.encode("utf-8", "replace"), digest_size=8).digest()) >> 1


def call_of(event: Event) -> str:
    """Return the id of the call that a begin or an end belongs to."""
    return _text(event.body.get("call_id")) or event.event_id.removesuffix(".b").removesuffix(".e")


def started(event: Event) -> int:
    """Return when a call began: its end is stamped, its length is known."""
    total_ms = _number(event.body.get("total_ms")) or 0.0
    return event.ts_us - int(total_ms * 1000) if abs(total_ms) < _AGE_MS else event.ts_us


def _event_row(seq: int, segment: str, line: Line) -> Row:
    event = line.event
    body = None if event.kind in (BEGIN, END) else orjson.dumps(event.body).decode()
    ends = (event.actor, event.subject_ref, segment, line.start, body)
    return (seq, event.event_id, event.kind, event.ts_us, event.tenant, event.automation, event.run, event.step, *ends)


def _call_row(seq: int, event: Event, call_id: str, start_us: int, attempts: Sequence[Any]) -> Row:
    body = event.body
    rest = {name: value for name in _beside_columns(tuple(body)) if (value := body[name]) is not None}
    labels = _map(rest.get("labels"))
    return (
        seq, call_id, event.tenant, event.automation, event.run or call_id, event.step,
        start_us, event.ts_us, event.subject_ref, *map(body.get, _CALL_FIELDS),
        *map(_map(body.get("usage")).get, BUCKETS), *map(_map(body.get("stages_us")).get, STAGES),
        len(attempts), _text(labels.get("prompt")), _text(rest.get("reused")), *_beside(attempts),
        _text(labels.get("version")), *_scored(rest.get("scores")), _marks(rest), orjson.dumps(rest).decode(),
    )  # fmt: skip


@lru_cache(maxsize=100)  # most calls have the same fields
def _beside_columns(names: tuple[str, ...]) -> list[str]:
    return [name for name in names if name not in _COLUMNS]


def _fit_calls(columns: list[Sequence[Any]]) -> None:
    """Fit the values of calls into their columns; what has another type than its field stays in `detail`."""
    odd: dict[int, dict[str, Any]] = {}
    for place, (name, fit) in enumerate(_CALL_FITS.items(), _FIRST_FIT):
        columns[place], strange = _fitted(columns[place], fit)
        for row, value in strange.items() if name in _CALL_FIELDS else ():
            odd.setdefault(row, {})[name] = value
    if odd:
        details = list(columns[-1])
        for row, values in odd.items():
            details[row] = orjson.dumps(orjson.loads(details[row]) | values).decode()
        columns[-1] = details


def _fitted(values: Sequence[Any], fit: Callable[[object], Any]) -> tuple[Sequence[Any], dict[int, Any]]:
    """Return a column whose values are of its type, and by their places those that are not."""
    if _FITTING[fit].issuperset(map(type, values)) and (
        fit is not _whole or max(filter(None, values), default=0) < _MAX
    ):
        return values, {}
    fitted = [fit(value) for value in values]
    strange = {row: value for row, value in enumerate(values) if value is not None and fitted[row] is None}
    return fitted, strange


def _beside(attempts: Sequence[Any]) -> tuple[float | None, float | None]:
    """Return what models asked to score cost, and what tries cost whose answer was not the one shown."""
    if len(attempts) < 2:
        return None, None
    judges = [item for item in attempts if item.get("purpose") in ("sample", "verifier")]
    again = [item for item in attempts if item.get("purpose") == "escalated"]
    again += [item for item in attempts[:-1] if item.get("error_code") and "purpose" not in item]
    return _spent(judges), _spent(again)


def _scored(scores: object) -> tuple[float | None, float | None]:
    """Return what the scorers `schema` and `grounding` said, each the first of its kind."""
    found: dict[Any, float | None] = {}
    for item in _list(scores):
        if type(item) is dict and type(item.get("kind")) is str:
            found.setdefault(item["kind"], _number(item.get("score")))
    return found.get("schema"), found.get("grounding")


def _marks(rest: Mapping[str, Any]) -> str | None:
    """Name what the rest of a body has that few have."""
    found = [name for name in _MARKED.keys() & rest if rest[name] and type(rest[name]) is _MARKED[name]]
    if _list(_map(rest.get("route")).get("observed")):
        found.append("observed")
    if _map(rest.get("prompt")).get("decision") == "flag":
        found.append("flagged")
    if any(type(word) is str and word in _DECLINED for word in _list(rest.get("finish_reasons"))):
        found.append("declined")
    return " ".join(found) or None


def _spent(attempts: Sequence[Any]) -> float | None:
    return sum(_number(item.get("cost_usd")) or 0.0 for item in attempts) if attempts else None


def _attempt_row(key: tuple[Any, ...], n: int, item: Mapping[str, Any]) -> Row:
    usage = _map(item.get("usage"))
    times = map(item.get, _TRY_FIELDS)
    return (
        *key,
        _whole(item.get("n")) or n,
        *times,
        *map(usage.get, BUCKETS),
        item.get("cost_usd"),
        item.get("purpose"),
    )


def _outcome_row(seq: int, event: Event) -> Row:
    body, value = event.body, event.body.get("value")
    number = float(value) if isinstance(value, bool) else _number(value)
    word = value if isinstance(value, str) and value in _OUTCOME_WORDS else None
    call_id, run_id = _text(body.get("call_id")), _text(body.get("run_id")) or event.run
    head = (seq, event.event_id, event.tenant, event.automation, event.ts_us, call_id, run_id)
    return (*head, _text(body.get("metric")), number, word, _text(body.get("source")), bool(body.get("corrected")))


def _map(value: object) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _list(value: object) -> Sequence[Any]:
    return value if type(value) is list else ()
