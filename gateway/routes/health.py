"""/healthz, /readyz and /status: alive, able to serve, and the state of the whole machine."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import orjson
from fastapi import APIRouter, Response

from gateway.doctor.case import gather
from gateway.doctor.examine import examine
from gateway.doctor.findings import Finding
from gateway.errors import UpstreamError
from gateway.machine.ports import address
from gateway.machine.status import read_workers
from gateway.redactors import needs_detectors
from gateway.wiring import Parts

_PATIENCE_S: Final = 1.0


def router(parts: Parts) -> APIRouter:
    """Build the routes; none needs a key, none shows a secret or a text of a call."""
    routes = APIRouter()

    @routes.get("/healthz")
    async def healthz() -> dict[str, str]:
        """Say that this worker answers."""
        return {"status": "ok"}

    @routes.get("/readyz")
    async def readyz(response: Response) -> dict[str, Any]:
        """Ask each part; 503 while a call could not be served."""
        needed = _needed(parts)
        recorder = await _recorder(parts, "readyz")
        ready = all(needed.values())
        response.status_code = 200 if ready else 503
        said = {name: "ok" if well else "unavailable" for name, well in needed.items()}
        # Calls are served and recorded without the recorder; only reading waits until it is ready.
        said["recorder"] = "ok" if recorder is not None else "degraded"
        said["control"] = "ok" if parts.changes.stale_since is None else "degraded"
        degraded = "degraded" in said.values()
        return {"status": "unavailable" if not ready else "degraded" if degraded else "ok", "parts": said}

    @routes.get("/status")
    async def status() -> dict[str, Any]:
        """Describe every worker of this machine, the policies in force and the record."""
        workers = await asyncio.to_thread(read_workers, parts.settings.data, time.time())
        return {
            "workers": workers,
            "policy": _policy(parts, workers),
            "journal": {"available": parts.journal.available},
            "control": {"changes": parts.changes.version, "stale_since": _iso(parts)},
            "breakers": _breakers(parts),
            "recorder": await _recorder(parts, "status"),
        }

    return routes


def examining(parts: Parts) -> Callable[[str], Awaitable[list[Finding]]]:
    """Return what asks the doctor about this machine and one tenant."""

    async def examined(tenant: str) -> list[Finding]:
        recorder = await _recorder(parts, "status")
        case = await asyncio.to_thread(gather, parts.settings, parts.database, recorder, os.environ, tenant)
        return examine(case)

    return examined


def worker_facts(parts: Parts) -> dict[str, Any]:
    """Return what this worker puts into its status file."""
    return {
        "snapshot": parts.in_force.sha256,
        "generation": parts.in_force.generation,
        "changes": parts.changes.version,
        "stale_since": _iso(parts),
        "journal": parts.journal.available,
        "breakers": {said["name"]: said["state"] for said in _breakers(parts)},
    }


def _breakers(parts: Parts) -> list[dict[str, Any]]:
    """Describe the circuit breakers of this machine."""
    providers = parts.in_force.current().providers if parts.in_force.sha256 else {}
    tries = parts.pipeline.tries
    return tries.breakers.seen(providers, tries.clock_ms())


def _needed(parts: Parts) -> dict[str, bool]:
    needed = {
        "policy": parts.in_force.sha256 is not None,
        "keys": parts.changes.ready,
        "journal": parts.journal.available,
    }
    if needed["policy"] and needs_detectors(parts.in_force.current()):
        needed["names"] = parts.detectors.ready()
    return needed


def _policy(parts: Parts, workers: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "snapshot": parts.in_force.sha256,
        "generation": parts.in_force.generation,
        "in_step": len({worker.get("snapshot") for worker in workers}) <= 1,
        "problems": list(parts.in_force.problems),
    }


def _iso(parts: Parts) -> str | None:
    since = parts.changes.stale_since
    return since.isoformat() if since else None


async def _recorder(parts: Parts, path: str) -> dict[str, Any] | None:
    """Return what the recorder says; None when it cannot be asked."""
    url = f"{address(parts.settings, 'recorder')}/{path}"
    try:
        status, text = await parts.connections.get(url, _PATIENCE_S)
        body = orjson.loads(text)
        return body if status == 200 and isinstance(body, dict) else None
    except (UpstreamError, ValueError):
        return None
