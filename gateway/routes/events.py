"""POST /v1/events: what happened in an automation beside its calls."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fastapi import APIRouter, Request

from gateway.errors import BadRequest
from gateway.intake import Intake, Report, identifier, is_word, known_only, label, timestamp_us, word

FIELDS: Final = ("id", "kind", "ts", "run", "step", "subject", "body")
# First parts of kinds that only Sluice itself writes.
RESERVED: Final = frozenset(
    [
        "anchor",
        "audit",
        "budget",
        "call",
        "certificate",
        "erasure",
        "export",
        "gap",
        "hold",
        "key",
        "login",
        "outcome",
        "policy",
        "replay",
        "retention",
        "review",
        "role",
        "session",
        "stop",
        "tenant",
        "user",
    ]
)
_STEPS: Final = ("ingest", "transform", "retrieve", "prompt", "decide", "dispatch")


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _step(value: object) -> bool:
    return value in _STEPS


# The fields of known kinds that stand in the open part of the record; all others are sealed, and so is the whole body
# of a kind that is not listed.
OPEN: Final[Mapping[str, Mapping[str, Callable[[object], bool]]]] = {
    "run.end": {"status": is_word, "duration_ms": _number, "steps": _number, "retries": _number},
    "step.end": {"step_kind": _step, "status": is_word, "duration_ms": _number, "attempt": _number},
    "retrieval": {"hits": _number, "empty": _flag, "top_score": _number, "duration_ms": _number},
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
    shown = OPEN.get(kind, {})
    open_part = {key: value for key, value in body.items() if key in shown and shown[key](value)}
    sealed = {key: value for key, value in body.items() if key not in open_part}
    run, step, subject = (label(item, key, where) for key in ("run", "step", "subject"))
    assert name is not None
    return Report(name, kind, timestamp_us(item, where), run, step, subject, open_part, sealed)
