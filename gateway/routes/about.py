"""`/registry`: the automations with their leverage; `/admin/settings`: what is set, and where."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Depends

from gateway.control.database import Database
from gateway.control.identity.roles import Identity
from gateway.routes.access import Require, SmallBodyRoute
from gateway.settings import SPECS, Settings, shown
from policy.leverage import ranked
from policy.snapshot import Snapshot
from policy.values import dump


def router(database: Database, settings: Settings, snapshot: Callable[[], Snapshot]) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(route_class=SmallBodyRoute, tags=["about"])
    viewer = Depends(Require(database, "viewer"))
    admin = Depends(Require(database, "admin", "auditor"))

    @routes.get("/registry")
    def registry(_by: Identity = viewer) -> dict[str, Any]:
        """List the registry of automations, and workflows with grades in the order of their leverage."""
        tree = snapshot()
        ranks = [
            {"automation": rank.automation.automation, "stage": rank.automation.stage, "hours": rank.hours}
            | {"fit": rank.fit, "score": rank.score, "mend": rank.mend, "grades": dump(rank.leverage)}
            for rank in ranked(tree.automations.values())
        ]
        entries = [dump(tree.automations[name]) for name in sorted(tree.automations)]
        return {"object": "registry", "snapshot": tree.sha256, "automations": entries, "leverage": ranks}

    @routes.get("/admin/settings")
    def set_values(_by: Identity = admin) -> dict[str, Any]:
        """List every setting with the place its value comes from; secrets as set or unset."""
        data = [
            {"name": spec.name, "value": shown(settings, spec), "source": settings.sources[spec.name]}
            | {"purpose": spec.purpose}
            for spec in SPECS
        ]
        return {"object": "list", "data": data}

    return routes
