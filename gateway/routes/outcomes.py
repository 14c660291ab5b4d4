"""POST /v1/outcomes: what became of a call or a run."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from fastapi import APIRouter, Request

from gateway.admission import KeyHolder
from gateway.control.reviews import LATE_US
from gateway.errors import BadRequest, NotFound
from gateway.intake import Intake, Report, Reporter, identifier, is_word, known_only, label, short, timestamp_us, word
from metrics.client import Known, RecorderClient, RecorderError
from metrics.record.master import MasterKey
from metrics.record.token import Grant, secret_of, sign

FIELDS: Final = ("id", "call_id", "run_id", "metric", "value", "source", "corrected", "comment", "ts")
SOURCES: Final = ("system", "human", "judge")
ALWAYS: Final = frozenset({"success", "override"})  # metrics that need no declaration
_BEGAN: Final = re.compile(r"call_([0-9a-f]{14})[0-9a-f]{16}$")  # the time it began, and chance
_TOKEN_S: Final = 60
_ASK_S: Final = 2.0
# Recorded in the open: nothing but our own ids fits, or any number that says something about a person would.
_CALL_ID: Final = re.compile(r"call_[0-9a-f]{1,64}")


# Says whether a call or a run of a tenant was recorded.
Ask = Callable[[KeyHolder, str | None, str | None], Known]


def unknowable(_holder: KeyHolder, _call_id: str | None, _run_id: str | None) -> Known:
    """Know nothing: every outcome is accepted."""
    return Known()


def knowing(master: MasterKey, recorder_url: str, clock_us: Callable[[], int]) -> Ask:
    """Ask the recorder; while it is behind or away, nothing is known."""
    secret = secret_of(master)

    def known(holder: KeyHolder, call_id: str | None, run_id: str | None) -> Known:
        grant = Grant(holder.key_id, holder.facts.tenant, ("viewer",))
        client = RecorderClient(recorder_url, lambda: sign(secret, grant, clock_us() // 1_000_000, _TOKEN_S), _ASK_S)
        try:
            return client.knows(call_id=call_id, run_id=run_id)
        except RecorderError:
            return Known()

    return known


def router(intake: Intake, known: Ask = unknowable) -> APIRouter:
    """Build the route."""
    routes = APIRouter()

    async def check(reporter: Reporter, reports: Sequence[tuple[str, Report]]) -> None:
        for where, report in reports:
            _declared(reporter, report, where)
        began = await asyncio.to_thread(_all_known, known, reporter, reports)
        for (_, report), began_us in zip(reports, began, strict=True):
            _mark_late(report, began_us, intake.pipeline.desk.clock_us())

    @routes.post("/v1/outcomes")
    async def outcomes(request: Request) -> dict[str, Any]:
        """Record one outcome, or a list under `outcomes`; the same id again changes nothing."""
        return await intake.take(request, "outcomes", read_outcome, check)

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
    return Report(name, "outcome", timestamp_us(item, where), run_id, None, None, body, words, texts)


def _declared(reporter: Reporter, report: Report, where: str) -> None:
    """Refuse a metric that the policy does not declare, or a value of another kind, where it declares any."""
    block = reporter.bound.policy.outcomes
    metric = report.words["metric"]
    if block is None or metric in ALWAYS:
        return
    declared = block.metrics.get(metric)
    if declared is None:
        names = ", ".join(sorted({*ALWAYS, *block.metrics}))
        raise BadRequest(f"'{where}metric' is not declared by the policy; it may be: {names}.", param=f"{where}metric")
    kind = report.body["value_kind"]
    if kind != declared.kind and (kind, declared.kind) != ("category", "text"):
        raise BadRequest(f"'{where}value' must be of the kind {declared.kind}.", param=f"{where}value")


def _mark_late(report: Report, run_began_us: int | None, now_us: int) -> None:
    """Mark an outcome that comes over a week after its call or run began: weeks that were reviewed are restated."""
    call = _BEGAN.match(report.body.get("call_id") or report.run or "")  # a call without a run is one of its own
    began_us = run_began_us if call is None else int(call[1], 16)
    if began_us is not None and now_us - began_us > LATE_US:
        report.body["late"] = True


def _all_known(known: Ask, reporter: Reporter, reports: Sequence[tuple[str, Report]]) -> list[int | None]:
    """Refuse an outcome of something that was never recorded, and give when runs began; asks once for each."""
    asked: dict[tuple[str | None, str | None], Known] = {}
    began: list[int | None] = []
    for where, report in reports:
        call_id, run = report.body.get("call_id"), reporter.redactor.clear_label(report.run) if report.run else None
        if (call_id, run) not in asked:
            asked[call_id, run] = known(reporter.holder, call_id, run)
        began.append(asked[call_id, run].began_us)
        if asked[call_id, run].recorded is False:
            name = "call_id" if call_id else "run_id"
            what = f"call {call_id}" if call_id else "run of this name"
            tenant = reporter.holder.facts.tenant
            text = (
                f"'{where}{name}': no {what} is recorded for the tenant {tenant}, and all its records were looked at."
            )
            raise NotFound(text, param=f"{where}{name}")
    return began


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
