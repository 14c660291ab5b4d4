"""`/subjects`: what is kept about a person, a copy of it, and its erasure; every use leaves an event."""

from collections.abc import Callable
from typing import Any, Literal

from fastapi import APIRouter, Depends, Response
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from gateway.control import erasures
from gateway.control.database import Database
from gateway.control.erasures import Erasure
from gateway.control.identity.roles import Identity
from gateway.routes.access import Require, SmallBodyRoute
from gateway.routes.calls import RecorderDown
from gateway.trust.access_page import page
from gateway.trust.subjects import Subjects, Wanted
from metrics.client import RecorderClient, RecorderError
from metrics.record.master import MasterKey
from metrics.record.token import Grant, secret_of, sign

_TOKEN_S = 600


class Person(BaseModel):
    """Whom a request is about."""

    model_config = ConfigDict(extra="forbid")
    subject: str | None = Field(default=None, max_length=512)
    value: str | None = Field(default=None, max_length=512)
    kind: str | None = Field(default=None, max_length=64)

    @property
    def wanted(self) -> Wanted:
        return Wanted(self.subject, self.value, self.kind)


class Export(Person):
    """As `Person`, and the form of the copy."""

    format: Literal["json", "html"] = "json"


class Erase(Person):
    """As `Person`, and why."""

    basis: erasures.Basis
    reference: str | None = None


def router(database: Database, subjects: Subjects) -> APIRouter:
    """Build the routes."""
    routes = APIRouter(prefix="/subjects", route_class=SmallBodyRoute, tags=["subjects"])
    auditor, admin = Depends(Require(database, "auditor", "admin")), Depends(Require(database, "admin"))

    @routes.post("/search")
    def search(body: Person, by: Identity = auditor) -> dict[str, Any]:
        """Say how much is kept about a person, without showing any of it."""
        found = subjects.search(by, body.wanted)
        return {
            "object": "subject",
            **found.counts,
            "by_kind": found.by_kind,
            "subject_refs": list(found.target.subject_refs),
        }

    @routes.post("/export")
    def export(body: Export, by: Identity = auditor) -> Response:
        """Return a copy of everything kept about a person."""
        try:
            made = subjects.export(by, body.wanted)
        except RecorderError as error:
            raise RecorderDown("The recorder does not answer, so the copy would not be whole.") from error
        return HTMLResponse(page(made)) if body.format == "html" else JSONResponse(made)

    @routes.post("/erase")
    def erase(body: Erase, by: Identity = admin) -> dict[str, Any]:
        """Ask for an erasure; the keeper carries it out within seconds."""
        try:
            target = subjects.erasable(by, body.wanted)
        except RecorderError as error:
            raise RecorderDown("The recorder does not answer, so nobody knows whether a hold keeps this.") from error
        return shown(erasures.request(database, by, target, body.basis, body.reference))

    @routes.get("/erasures")
    def listed(by: Identity = auditor) -> dict[str, Any]:
        """List erasures, the newest first."""
        return {"object": "list", "data": [shown(each) for each in erasures.listed(database, by)]}

    @routes.get("/erasures/{erasure_id}")
    def one(erasure_id: str, by: Identity = auditor) -> dict[str, Any]:
        """Return the receipt of an erasure."""
        with database.read() as conn:
            return shown(erasures.find(conn, by.tenant, erasure_id))

    return routes


def recorder_client(
    master: MasterKey, recorder_url: str, clock_us: Callable[[], int]
) -> Callable[[Identity], RecorderClient]:
    """Return a function that gives somebody's own access to the recorder."""
    secret = secret_of(master)

    def client(by: Identity) -> RecorderClient:
        grant = Grant(by.holder, by.tenant, tuple(sorted(by.roles)))
        return RecorderClient(recorder_url, lambda: sign(secret, grant, clock_us() // 1_000_000, _TOKEN_S))

    return client


def shown(erasure: Erasure) -> dict[str, Any]:
    """Return an erasure as its receipt."""
    return {
        "object": "erasure",
        "id": erasure.erasure_id,
        "state": erasure.state,
        "basis": erasure.basis,
        "reference": erasure.reference,
        "requested_by": erasure.requested_by,
        "requested_at": erasure.requested_us // 1_000_000,
        "done_at": erasure.done_us // 1_000_000 if erasure.done_us else None,
        "subject_refs": list(erasure.target.subject_refs),
        "event_ids": list(erasure.target.event_ids),
        "items": len(erasure.target.items),
        "stores": erasure.acks,
        "verified": erasure.state == erasures.DONE,
        "cannot_be_erased": list(CANNOT),
    }


CANNOT = (
    "the record that calls were made (numbers, versions, random references), until metadata retention ends",
    "hashes and salted commitments in the audit tree and its anchors; without the destroyed salts they say nothing",
    "what providers keep, and copies that people or other systems took",
    "ciphertext in backups made before; a restore erases it again before it serves",
)
