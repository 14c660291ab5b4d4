"""POST /v1/outcomes: what became of a call or a run."""

import re
from typing import Any, Final

from fastapi import APIRouter, Request

from gateway.errors import BadRequest
from gateway.intake import Intake, Report, identifier, is_word, known_only, label, short, timestamp_us, word

FIELDS: Final = ("id", "call_id", "run_id", "metric", "value", "source", "corrected", "comment", "ts")
SOURCES: Final = ("system", "human", "judge")
# Recorded in the open: nothing but our own ids fits, or any number that says something about a person would.
_CALL_ID: Final = re.compile(r"call_[0-9a-f]{1,64}")


def router(intake: Intake) -> APIRouter:
    """Build the route."""
    routes = APIRouter()

    @routes.post("/v1/outcomes")
    async def outcomes(request: Request) -> dict[str, Any]:
        """Record one outcome, or a list under `outcomes`; the same id again changes nothing."""
        return await intake.take(request, "outcomes", read_outcome)

    return routes


def read_outcome(item: dict[str, Any], where: str) -> Report:
    """Check one outcome. `where` is its place in a list, for messages.

    Raises:
        BadRequest: a field is missing, misspelt or of the wrong kind.
    """
    known_only(item, FIELDS, where)
    name = identifier(item, "id", where)
    call_id, run_id = _call_id(item, where), label(item, "run_id", where)
    if (call_id is None) == (run_id is None):
        raise BadRequest(f"Give either '{where}call_id' or '{where}run_id'.", param=f"{where}call_id")
    source = item.get("source")
    if source not in SOURCES:
        raise BadRequest(f"'{where}source' must be one of {', '.join(SOURCES)}.", param=f"{where}source")
    words = {"metric": word(item.get("metric"), "metric", where)}
    texts = {key: item[key] for key in ("corrected", "comment") if item.get(key) is not None}
    body: dict[str, Any] = {"call_id": call_id, "source": source}
    body |= {"corrected": "corrected" in texts, "comment": "comment" in texts}
    value = _value(item, where)
    if isinstance(value, bool):
        body |= {"value": value, "value_kind": "boolean"}
    elif isinstance(value, str):
        category = is_word(value)
        body |= {"value": None, "value_kind": "category" if category else "text"}
        (words if category else texts)["value"] = value
    else:
        body |= {"value": short(value), "value_kind": "number"}
        texts |= {} if short(value) == value else {"value": value}
    assert name is not None
    return Report(name, "outcome", timestamp_us(item, where), run_id, None, None, body, words, texts)


def _call_id(item: dict[str, Any], where: str) -> str | None:
    value = item.get("call_id")
    if value is not None and not (isinstance(value, str) and _CALL_ID.fullmatch(value)):
        raise BadRequest(f"'{where}call_id' must be the x-sluice-call-id of an answer.", param=f"{where}call_id")
    return value


def _value(item: dict[str, Any], where: str) -> bool | float | str:
    value = item.get("value")
    if isinstance(value, bool | int | float | str):
        return value
    raise BadRequest(f"'{where}value' must be true or false, a number or a text.", param=f"{where}value")
