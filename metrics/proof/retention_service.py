"""Retention over HTTP, for the keeper alone: no role of a person opens it, for its rules are about every tenant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from metrics.proof.retainer import Retainer
from metrics.proof.retention import Outcome, Rules
from metrics.record.keystore import KeyStoreError
from metrics.record.service import NotAllowedError
from metrics.record.token import KEEPER, Grant

_MOST_BYTES = 4 << 20


def add_retention(app: FastAPI, retainer: Retainer, grant: Callable[[Request], Grant]) -> None:
    """Add `POST /v1/retention`."""

    @app.post("/v1/retention")
    async def retention(request: Request) -> Response:
        given = grant(request)
        if KEEPER not in given.roles:
            raise NotAllowedError("retention is run by the keeper")
        body = await request.body()
        if len(body) > _MOST_BYTES:
            return JSONResponse({"error": {"message": "too many rules", "code": "bad_request"}}, HTTPStatus.BAD_REQUEST)
        asked: dict[str, Any] = orjson.loads(body)
        try:
            done = await run_in_threadpool(_run, retainer, asked, given.sub)
        except (OSError, KeyStoreError, TimeoutError) as problem:
            said = {"message": f"the run was not finished: {type(problem).__name__}", "code": "retention_unfinished"}
            return JSONResponse({"error": said}, HTTPStatus.SERVICE_UNAVAILABLE)
        return JSONResponse(asdict(done))


def _run(retainer: Retainer, asked: dict[str, Any], actor: str) -> Outcome:
    rules = Rules.of(asked)
    return (
        retainer.plan(rules, asked.get("tenant")) if asked.get("dry") else retainer.run(rules, actor, asked["control"])
    )
