"""POST /v1/events: what happened in an automation beside its calls."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from fastapi import APIRouter, Request

from gateway.errors import BadRequest
from gateway.intake import Intake, Report, identifier, is_word, known_only, label, short, timestamp_us, word
from metrics.proof.retention import AUDIT_KINDS

FIELDS: Final = ("id", "kind", "ts", "run", "step", "subject", "body")
# First parts of kinds that only Sluice itself writes.
RESERVED: Final = AUDIT_KINDS | {
    "agenda", "alert", "call", "gone", "hold", "outcome", "replay", "request", "review", "split", "weekly",
}  # fmt: skip
_STEPS: Final = ("ingest", "transform", "retrieve", "prompt", "decide", "dispatch")

_EFFECTS: Final = (
    "held", "approved", "rejected", "done", "duplicate", "unknown", "resolved", "stopped", "waiting", "denied",
    "dry_run",
)  # fmt: skip

# How the fields of known kinds stand in the open part of the record; all other fields are sealed, and so is the whole
# body of another kind. Words, and the other kinds themselves, are open only if nothing is found in them.
# `words` are a list of them, kept as one text with spaces between.
Sort = Literal["word", "number", "flag", "step", "words", "numbers"]
OPEN: Final[Mapping[str, Mapping[str, Sort]]] = {
    "run.queued": {},
    "run.end": {
        "status": "word",
        "cause": "word",
        "duration_ms": "number",
        "steps": "number",
        "retries": "number",
    },
    "run.replayed": {"status": "word", "by": "word"},
    "run.cancelled": {"by": "word"},
    "run.opened": {"by": "word"},
    "run.discarded": {"by": "word"},
    "step.end": {
        "step_kind": "step",
        "status": "word",
        "duration_ms": "number",
        "attempt": "number",
        "cause": "word",
        "layer": "word",
        "retry_after_s": "number",
    },
    "step.held": {"step_kind": "step"},
    "dead_letter": {"cause": "word", "layer": "word", "attempts": "number"},
    **{f"action.{what}": {"action": "word", "key": "word", "by": "word", "status": "word"} for what in _EFFECTS},
    "retrieval": {
        "hits": "number",
        "empty": "flag",
        "top_score": "number",
        "duration_ms": "number",
        "ids": "words",
        "scores": "numbers",
        "index_version": "word",
    },
    "retrieval.cited": {"ids": "words", "unknown": "number"},
    "retrieval.gold": {"ids": "words", "by": "word"},
}
_MOST: Final = 20  # values of a list


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and len(value) <= _MOST and all(map(fits, value))


_FITS: Final[Mapping[Sort, Callable[[object], bool]]] = {
    "word": is_word,
    "words": _all(is_word),
    "number": _is_number,
    "numbers": _all(_is_number),
    "flag": lambda value: isinstance(value, bool),
    "step": lambda value: value in _STEPS,
}


def router(intake: Intake) -> APIRouter:
    """Build the route."""
    routes = APIRouter()

    @routes.post("/v1/events")
    async def events(request: Request) -> dict[str, Any]:
        """Record one event, or a list under `events`; the same id again changes nothing."""
        return await intake.take(request, "events", read_event)

    return routes


def read_event(item: dict[str, Any], where: str) -> Report:
    """Check one event. `where` is its place in a list, for messages.

    Raises:
        BadRequest: a field is missing, misspelt, reserved or of the wrong kind.
    """
    known_only(item, FIELDS, where)
    name = identifier(item, "id", where)
    kind = word(item.get("kind"), "kind", where)
    if kind.partition(".")[0] in RESERVED:
        raise BadRequest(f"Events of kind '{kind}' are written by Sluice itself.", param=f"{where}kind")
    body = item.get("body") or {}
    if not isinstance(body, dict):
        raise BadRequest(f"'{where}body' must be an object.", code="invalid_type", param=f"{where}body")
    known = {**OPEN.get(kind, {}), "withheld": "word"}
    shown = {key: sort for key, sort in known.items() if key in body and _FITS[sort](body[key])}
    open_part = {key: _opened(body[key], sort) for key, sort in shown.items()}
    words = {key: open_part[key] for key, sort in shown.items() if sort in ("word", "words")}
    sealed = {key: value for key, value in body.items() if key not in words and open_part.get(key) != value}
    run, step, subject = (label(item, key, where) for key in ("run", "step", "subject"))
    words |= {} if kind in OPEN else {"kind": kind}
    return Report(name, kind, timestamp_us(item, where), run, step, subject, open_part, words, sealed, withholds=True)


def _opened(value: Any, sort: Sort) -> Any:
    """Give a value as it stands in the open part: long numbers cut short, lists of words as one text."""
    if sort == "words":
        return " ".join(value)
    if sort == "numbers":
        return [short(each) for each in value]
    return short(value) if sort == "number" else value
