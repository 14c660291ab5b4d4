"""`/retention`: what is due, the runs there were, and legal holds; every change leaves an event."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gateway.control import legal_holds, retention_runs
from gateway.control.errors import InvalidInput
from gateway.control.identity.roles import Identity
from gateway.control.identity.tenants import DEFAULT_TENANT
from gateway.control.legal_holds import Held
from gateway.routes.access import Require, SmallBodyRoute
from gateway.routes.calls import RecorderDown
from gateway.trust.retaining import Retention
from metrics.client import RecorderError
from metrics.proof.retention import LegalHold
from metrics.record.keystore import KeyStore


class NewHold(BaseModel):
    """What is to be kept, and for which case; what is left out does not limit it."""

    model_config = ConfigDict(extra="forbid")
    reference: str
    subject: str | None = Field(default=None, max_length=512)
    automation: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


def router(retention: Retention, keystore: KeyStore) -> APIRouter:
    """Build the routes."""
    database = retention.database
    routes = APIRouter(prefix="/retention", route_class=SmallBodyRoute, tags=["retention"])
    auditor, admin = Depends(Require(database, "auditor", "admin")), Depends(Require(database, "admin"))

    @routes.get("/plan")
    def plan(by: Identity = auditor) -> dict[str, Any]:
        """Say what a run would destroy of the caller's tenant now, and by which rules."""
        try:
            due = retention.plan(by.tenant)
        except RecorderError as error:
            raise RecorderDown("The recorder does not answer, so nobody knows what is due.") from error
        return {
            "object": "retention_plan",
            "due": due,
            "rules": [asdict(rule) for rule in retention.rules().of_tenant(by.tenant)],
        }

    @routes.get("/runs")
    def runs(by: Identity = auditor) -> dict[str, Any]:
        """List the runs there were, the newest first; what they came to is told to the installation's own tenant."""
        found = [asdict(each) for each in retention_runs.listed(database, by)]
        mine = by.tenant == DEFAULT_TENANT
        return {"object": "list", "data": [each if mine else each | {"outcome": {}} for each in found]}

    @routes.get("/holds")
    def holds(by: Identity = auditor) -> dict[str, Any]:
        """List legal holds, those in force first."""
        return {"object": "list", "data": [shown(each) for each in legal_holds.listed(database, by)]}

    @routes.post("/holds")
    def hold(body: NewHold, by: Identity = auditor) -> dict[str, Any]:
        """Keep something whatever its retention says."""
        given = scope(keystore, by.tenant, body.subject, body.automation, (body.since, body.until))
        return shown(legal_holds.set_hold(database, by, given, body.reference))

    @routes.delete("/holds/{hold_id}")
    def lift(hold_id: str, by: Identity = admin) -> dict[str, Any]:
        """End a hold; what is due goes with the next run."""
        return shown(legal_holds.lift(database, by, hold_id))

    return routes


def scope(
    keystore: KeyStore,
    tenant: str,
    subject: str | None,
    automation: str | None,
    times: tuple[datetime | None, datetime | None],
) -> LegalHold:
    """Return what a hold is about. Raises `InvalidInput` for a subject of whom nothing is stored."""
    ref = keystore.find_subject(tenant, subject) if subject else None
    if subject and ref is None:
        raise InvalidInput("subject", "Nothing is stored under this subject, so there is nothing to hold.")
    since, until = (None if at is None else round(at.timestamp() * 1e6) for at in times)
    return LegalHold(tenant, ref, automation, since, until)


def shown(hold: Held) -> dict[str, Any]:
    """Return a hold for people."""
    return {
        "object": "legal_hold",
        "id": hold.hold_id,
        "reference": hold.reference,
        "subject_ref": hold.subject_ref,
        "automation": hold.automation,
        "since": _time(hold.since_us),
        "until": _time(hold.until_us),
        "set_by": hold.set_by,
        "set_at": _time(hold.set_us),
        "lifted_by": hold.lifted_by,
        "lifted_at": _time(hold.lifted_us),
    }


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="seconds")
