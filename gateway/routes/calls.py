"""GET /v1/calls/{id}: everything that is recorded about one call of the caller's own automation."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import orjson
from fastapi import APIRouter, Request

from gateway.admission import KeyHolder
from gateway.errors import GatewayError, NotFound
from gateway.pipeline import Pipeline
from gateway.requests import key_holder
from metrics.client import RecorderClient, RecorderError
from metrics.record.master import MasterKey
from metrics.record.token import Grant, secret_of, sign

_MISSING: Final = "No such call is recorded for this key. Records can be read within about two seconds of a call."
_TOKEN_S: Final = 60

Ask = Callable[[KeyHolder, str], dict[str, Any] | None]


class RecorderDown(GatewayError):
    """Calls are recorded, but what is recorded cannot be read now."""

    status, code, retryable = 503, "recorder_unavailable", True
    layer = "record"


def router(pipeline: Pipeline, ask: Ask) -> APIRouter:
    """Build the route."""
    routes = APIRouter()

    @routes.get("/v1/calls/{call_id}")
    async def call(call_id: str, request: Request) -> dict[str, Any]:
        """Return one call in full."""
        holder = key_holder(request, pipeline.directory)
        found = await asyncio.to_thread(ask, holder, call_id)
        if found is None or found.get("automation") != holder.facts.automation:
            raise NotFound(_MISSING)
        return {"object": "call", **found}

    return routes


def asking(master: MasterKey, recorder_url: str, clock_us: Callable[[], int]) -> Ask:
    """Return a function that asks the recorder about one call of the holder's tenant."""
    secret = secret_of(master)

    def ask(holder: KeyHolder, call_id: str) -> dict[str, Any] | None:
        grant = Grant(holder.key_id, holder.facts.tenant, ("viewer",))
        client = RecorderClient(recorder_url, lambda: sign(secret, grant, clock_us() // 1_000_000, _TOKEN_S))
        try:
            row = client.query("call", call_id=call_id).first()
        except RecorderError as error:
            raise RecorderDown("The recorder does not answer; the call is recorded all the same.") from error
        return None if row is None else row | _detail(row)

    return ask


def _detail(row: dict[str, Any]) -> dict[str, Any]:
    """Open the part of a record that has no columns of its own."""
    detail = row.get("detail")
    return {"detail": orjson.loads(detail)} if isinstance(detail, str) else {}
