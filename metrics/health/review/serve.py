"""The recorder's answer to whoever wants a review: built from the ledger as it stands, or as it stood at a record."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import orjson
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response

from metrics.health.review.build import build
from metrics.health.review.frozen import frozen
from metrics.health.review.inputs import Inputs
from metrics.health.review.weeks import week_span
from metrics.record.ledger import Ledger
from metrics.record.ledger_file import NotReadyError
from metrics.record.recorder import Recorder
from metrics.record.refusals import QueryError
from metrics.record.replay import replay
from metrics.record.service import Service

_FRESH_US: Final = 60_000_000  # of a week that runs, records younger than this are not waited for


def add_review(app: FastAPI, service: Service) -> None:
    """Add `POST /v1/review`: inputs in, the bytes of the review out."""

    @app.post("/v1/review")
    async def review(request: Request) -> Response:
        grant = service.grant(request)
        given = orjson.loads(await request.body() or b"{}")
        if not isinstance(given, dict):
            raise QueryError("a review is asked for with a JSON object")
        content = await run_in_threadpool(made, service.recorder, grant.tenant, given)
        return Response(content, media_type="application/json")


def made(recorder: Recorder, tenant: str, given: Mapping[str, Any]) -> bytes:
    """Build a review; `at_seq` in what is given makes one again as it was. Raises `QueryError`."""
    inputs, at_seq = Inputs.read(given), given.get("at_seq")
    if at_seq is None:
        _refuse_half_a_week(recorder, inputs)
        inputs = replace(inputs, checkpoint=inputs.checkpoint or _checkpoint(recorder))
    with recorder.door.cursor() as cursor, frozen(cursor, tenant, recorder.zone) as ledger:
        if at_seq in (None, ledger.seq):
            return build(ledger.ask, ledger.seq, inputs)
        if not isinstance(at_seq, int) or not 0 <= at_seq < ledger.seq:
            raise QueryError(f"the record has {ledger.seq} numbers; {at_seq!r} is none of them")
    return _again(recorder, tenant, at_seq, inputs)


def _refuse_half_a_week(recorder: Recorder, inputs: Inputs) -> None:
    """Build nothing while records of the week may still be on their way into the ledger. Raises `NotReadyError`."""
    status = recorder.status()
    until_us = min(week_span(inputs.week, inputs.tz).until_us, recorder.now_us() - _FRESH_US)
    if not status["caught_up"] and status["ts_us"] < until_us:
        raise NotReadyError("the ledger does not know the whole week yet; ask again in a moment")


def _again(recorder: Recorder, tenant: str, seq: int, inputs: Inputs) -> bytes:
    """Make the ledger again up to a record, apart, and build from that."""
    with tempfile.TemporaryDirectory(dir=recorder.data, prefix="review.") as folder:
        ledger = Ledger(Path(folder) / "ledger.duckdb", zone=recorder.zone)
        try:
            missing: list[str] = []
            for _ in replay(recorder.data / "journal", recorder.order, ledger, missing, seq):
                pass
            if missing:
                raise QueryError(f"records of that time cannot be read any more: {missing[0]}")
            ledger.refresh(0, seq)
            with ledger.cursor() as cursor, frozen(cursor, tenant, recorder.zone) as past:
                return build(past.ask, seq, inputs)
        finally:
            ledger.close()


def _checkpoint(recorder: Recorder) -> dict[str, Any] | None:
    """Return the last checkpoint as a review names it; whoever keeps the review keeps an anchor."""
    audit = recorder.status()["audit"]
    if not audit.get("checkpoint"):
        return None
    _, size, root, *_ = audit["checkpoint"].split("\n")
    return {"size": int(size), "time": audit["signed_at"], "root": root}
