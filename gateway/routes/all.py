"""Every router of the application beside the model endpoints."""

import hmac
from collections.abc import Callable

from fastapi import APIRouter

from gateway.holds.agenda import AGENDA, Agenda
from gateway.holds.reviewing import ReviewDesk
from gateway.intake import Intake
from gateway.machine.ports import address
from gateway.routes import (
    about,
    calls,
    doctor,
    events,
    health,
    metrics,
    outcomes,
    redact,
    retention,
    reviews,
    runs,
    subjects,
    weekly,
)
from gateway.routes.admin import admin_router
from gateway.routes.identity import SignInDesk, identity_router, query_signer
from gateway.routes.policy_state import policy_state_router
from gateway.sealer import Sealer
from gateway.trust.retaining import Retention, keeper_client
from gateway.trust.subjects import Subjects
from gateway.wiring import Parts
from metrics.record.master import MasterKey


def routers(parts: Parts) -> list[APIRouter]:
    """Build the routers of one worker."""
    intake = Intake(parts.pipeline, hidden_ids(parts.master))
    signer, recorder = query_signer(parts.master, parts.database.clock_us), address(parts.settings, "recorder")
    found = Subjects(
        parts.database, parts.keystore, parts.master,
        subjects.recorder_client(parts.master, recorder, parts.database.clock_us),
    )  # fmt: skip
    return [
        health.router(parts),
        metrics.router(parts),
        outcomes.router(intake, outcomes.knowing(parts.master, recorder, parts.database.clock_us)),
        events.router(intake),
        runs.router(parts.pipeline, parts.run_keys),
        redact.router(parts.pipeline),
        reviews.router(
            ReviewDesk(parts.reviews, parts.pipeline.snapshot, parts.pipeline.redactors), parts.pipeline.directory
        ),
        weekly.router(
            Agenda(parts.database, Sealer(parts.master, AGENDA), parts.pipeline.snapshot, parts.pipeline.redactors)
        ),
        calls.router(parts.pipeline, calls.asking(parts.master, recorder, parts.database.clock_us)),
        about.router(parts.database, parts.settings, parts.pipeline.snapshot),
        identity_router(SignInDesk(parts.database, signer, recorder, parts.settings.dashboard_secret)),
        admin_router(parts.database),
        policy_state_router(parts.database),
        subjects.router(parts.database, found),
        retention.router(
            Retention(parts.database, keeper_client(parts.master, recorder, parts.database.clock_us)), parts.keystore
        ),
        doctor.router(parts.database, health.examining(parts)),
    ]


def hidden_ids(master: MasterKey) -> Callable[[str, str], str]:
    """Return a function that turns a tenant and a caller's id into the same opaque id every time."""
    key = master.derive("gateway/event-ids")
    return lambda tenant, name: hmac.digest(key, f"{tenant}\0{name}".encode(), "sha256").hex()[:32]
