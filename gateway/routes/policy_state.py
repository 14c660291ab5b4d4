"""`/admin/policy-state`: how budgets, splits, candidates and certificates of the caller's tenant stand now."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends

from gateway.control import budgets, learned
from gateway.control.certificates import withdrawals
from gateway.control.database import Database
from gateway.control.identity.roles import Identity
from gateway.control.tree import TreeInForce
from gateway.routes.access import Require, SmallBodyRoute
from policy.certified import state
from policy.snapshot import Snapshot
from policy.values import dump


def policy_state_router(database: Database) -> APIRouter:
    """Build the route; whoever has a role may see it."""
    router = APIRouter(prefix="/admin", route_class=SmallBodyRoute, tags=["admin"])
    reader, in_force = Depends(Require(database, "viewer")), TreeInForce()

    @router.get("/policy-state")
    def policy_state(by: Identity = reader) -> dict[str, Any]:
        """Return what is spent, which share each growing arm has, and what became of candidates' answers."""
        with database.read() as conn:
            lessons = [lesson for lesson in learned.read(conn) if lesson.tenant == by.tenant]
            tree, gone = in_force.read(conn), withdrawals(conn)
        states = budgets.states(database, by.tenant, database.clock_us())
        return {
            "budgets": [_budget(each) for each in states if each.allowance.name.endswith(budgets.BUDGETS)],
            "splits": [_split(lesson) for lesson in lessons if lesson.kind == learned.SPLIT],
            "candidates": [row for lesson in lessons if lesson.kind == learned.OUTCOMES for row in _outcomes(lesson)],
            "certificates": _certificates(tree, by.tenant, gone, database.clock_us()),
            "automations": [dump(each) for each in tree.automations.values()] if tree is not None else [],
        }

    return router


def _certificates(tree: Snapshot | None, tenant: str, gone: Mapping[str, Any], now_us: int) -> list[dict[str, Any]]:
    now = datetime.fromtimestamp(now_us / 1e6, UTC)
    held = tree.certificates.by_key.values() if tree is not None else ()
    return [
        dump(each) | {"state": state(each, tree, gone, now), "withdrawal": gone.get(each.certificate)}
        for each in held
        if each.key.tenant == tenant and tree
    ]


def _budget(state: budgets.State) -> dict[str, Any]:
    whose, unit, period = state.allowance.name.rsplit("|", 2)
    figures = {"cap": state.cap, "spent": state.spent, "leased": state.taken - state.spent}
    times = {"period_us": state.allowance.period_us, "until_us": state.allowance.until_us}
    return {"whose": whose, "unit": unit, "period": period, "alerted": state.alerted, **figures, **times}


def _split(lesson: learned.Lesson) -> dict[str, Any]:
    policy, split, _ = lesson.name.split("|")
    return {"policy": policy, "split": split, **lesson.value}


def _outcomes(lesson: learned.Lesson) -> list[dict[str, Any]]:
    names = ("step", "model", "known", "succeeded", "seen", "overridden")
    return [{"automation": lesson.name, **dict(zip(names, row, strict=True))} for row in lesson.value]
