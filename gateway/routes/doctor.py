"""`/admin/doctor`: what is unsafe about this installation, and what to do."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Depends

from gateway.control.database import Database
from gateway.control.identity.roles import Identity
from gateway.doctor.findings import Finding
from gateway.routes.access import Require, SmallBodyRoute


def router(database: Database, examined: Callable[[str], Awaitable[list[Finding]]]) -> APIRouter:
    """Build the route."""
    routes = APIRouter(prefix="/admin", route_class=SmallBodyRoute, tags=["admin"])
    reader = Depends(Require(database, "admin", "auditor"))

    @routes.get("/doctor")
    async def doctor(by: Identity = reader) -> dict[str, Any]:
        """List what is unsafe, the gravest first."""
        return {"object": "list", "data": [asdict(each) for each in await examined(by.tenant)]}

    return routes
