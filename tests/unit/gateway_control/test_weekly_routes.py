"""`/weekly`: roles, tenants apart, and texts that are cleared before they are sealed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gateway.app import create_app
from gateway.control import schema
from gateway.control.database import Database
from gateway.control.identity.bootstrap import bootstrap
from gateway.control.identity.tenants import ensure_tenant
from gateway.holds.agenda import AGENDA, Agenda
from gateway.providers.scripted import ScriptedProvider
from gateway.routes import weekly
from gateway.sealer import Sealer
from metrics.record.journal import MemoryJournal
from tests.unit.gateway.making import pipeline, snapshot
from tests.unit.gateway_control.test_routes import MASTER, Caller, session_of

ENTERED = {"text": "Write to bob@example.com about the prompt", "owner": "ann", "measure": "success"}


@pytest.fixture
def client(database: Database, tmp_path: Path) -> Iterator[TestClient]:
    bootstrap(database, None)
    ensure_tenant(database, "acme")
    idle = pipeline(snapshot(tmp_path), ScriptedProvider([]), MemoryJournal())
    agenda = Agenda(database, Sealer(MASTER, AGENDA), idle.snapshot, idle.redactors)
    with TestClient(create_app(idle, [weekly.router(agenda)]), raise_server_exceptions=False) as made:
        yield made


def caller(client: TestClient, database: Database, tenant: str, role: str) -> Caller:
    return Caller(client, session_of(database, tenant, f"{role}@{tenant}.example", [role]))


def test_an_action_is_entered_listed_and_closed(client: TestClient, database: Database) -> None:
    reviewer = caller(client, database, "acme", "reviewer")
    status, item = reviewer("POST", "/weekly/2026-W47/items", ENTERED)
    assert (status, item["state"], item["owner"]) == (200, "open", "ann")
    assert "bob@example.com" not in item["text"]
    viewer = caller(client, database, "acme", "viewer")
    assert [each["text"] for each in viewer("GET", "/weekly/items?week=2026-W48")[1]["data"]] == [item["text"]]
    assert viewer("POST", f"/weekly/items/{item['item_id']}/close", {"state": "done"})[0] == 403
    assert reviewer("POST", f"/weekly/items/{item['item_id']}/close", {"state": "done"})[1]["state"] == "done"
    assert reviewer("GET", "/weekly/items?week=2026-W48")[1]["data"] == []


def test_texts_are_sealed_and_never_in_the_outbox(client: TestClient, database: Database) -> None:
    caller(client, database, "acme", "admin")("POST", "/weekly/2026-W47/items", ENTERED)
    with database.read() as conn:
        rows = [*conn.execute(select(schema.outbox.c.body)), *conn.execute(select(schema.sealed.c.ciphertext))]
    assert rows
    assert not [row for row in rows if "prompt" in str(row) or "ann" in str(row)]


def test_a_freeze_is_asked_for_by_those_who_may_and_seen_by_their_tenant(
    client: TestClient, database: Database
) -> None:
    owner = caller(client, database, "acme", "policy_owner")
    assert owner("POST", "/weekly/2026-W47/freeze")[1]["state"] == "building"
    assert owner("POST", "/weekly/2026-W47/freeze")[0] == 409
    assert owner("GET", "/weekly/2026-W47")[1]["document"] is None
    stranger = caller(client, database, "default", "admin")
    assert stranger("GET", "/weekly/2026-W47")[0] == 404
    assert stranger("GET", "/weekly")[1]["data"] == []
    assert caller(client, database, "acme", "auditor")("POST", "/weekly/2026-W48/freeze")[0] == 403
    assert Caller(client, None)("GET", "/weekly")[0] == 401
