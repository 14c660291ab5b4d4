"""GET /metrics: the machine's numbers for Prometheus, as the recorder counts them, with the key's own tenant only."""

import asyncio
import time
from typing import Final

from fastapi import APIRouter, Request, Response

from gateway.errors import UpstreamError
from gateway.machine.ports import address
from gateway.requests import key_holder
from gateway.wiring import Parts
from metrics.record.otel_gauges import live_workers, of_workers
from metrics.record.otel_instruments import gauge
from metrics.record.prometheus import CONTENT_TYPE, render
from metrics.record.token import Grant, secret_of, sign

_PATIENCE_S: Final = 5.0


def router(parts: Parts) -> APIRouter:
    """Build the route."""
    routes, secret = APIRouter(), secret_of(parts.master)

    @routes.get("/metrics")
    async def metrics(request: Request) -> Response:
        """Forward the recorder's numbers; without it, say that it is down and how the workers are."""
        holder = key_holder(request, parts.directory)
        grant = Grant(holder.key_id, holder.facts.tenant, ("viewer",))
        text = await _counted(parts, sign(secret, grant, parts.database.clock_us() // 1_000_000))
        if text is None:
            text = await asyncio.to_thread(_without_recorder, parts)
        return Response(text, media_type=CONTENT_TYPE)

    return routes


async def _counted(parts: Parts, token: str) -> bytes | None:
    """Return what the recorder says about the token's tenant; None when it cannot be asked."""
    url = f"{address(parts.settings, 'recorder')}/metrics"
    try:
        status, text = await parts.connections.get(url, _PATIENCE_S, {"authorization": f"Bearer {token}"})
    except UpstreamError:
        return None
    return text if status == 200 else None


def _without_recorder(parts: Parts) -> bytes:
    workers = live_workers(parts.settings.data, time.time())
    down = gauge("sluice.recorder.up", "1: the recorder answers.", 0)
    return render([down, *of_workers(workers)]).encode()
