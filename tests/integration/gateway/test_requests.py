"""Requests that ask no model leave a record and carry an id, too, however they end."""

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient

from gateway.app import Gateway, create_app
from gateway.intake import Intake
from gateway.providers.scripted import ScriptedProvider
from gateway.routes import events, redact
from metrics.record.events import Event, encode
from metrics.record.journal import MemoryJournal
from tests.unit.gateway.making import KEY, pipeline, snapshot

AUTHORIZED = {"authorization": f"Bearer {KEY.decode()}"}


def gateway(folder: Path, journal: MemoryJournal) -> Gateway:
    routes = APIRouter()

    @routes.get("/fault/{name}")
    async def fault(name: str) -> None:
        raise ValueError(name)

    @routes.get("/parts")
    async def parts() -> StreamingResponse:
        return StreamingResponse(iter([b"one", b"two"]))

    @routes.get("/healthz")
    async def healthz() -> str:
        return "ok"

    governed = pipeline(snapshot(folder), ScriptedProvider([]), journal)
    intake = Intake(governed, lambda _tenant, name: name)
    return create_app(governed, [routes, events.router(intake), redact.router(governed)])


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal()


@pytest.fixture
def client(tmp_path: Path, journal: MemoryJournal) -> TestClient:
    return TestClient(gateway(tmp_path, journal))


def ends(journal: MemoryJournal) -> list[Event]:
    return [event for event, _ in journal.committed if event.kind in ("call.end", "request.end")]


ASKED: Any = [
    ("GET", "/nope", None, 404, "unknown_url", "unknown"),
    ("GET", "/v1/files/ann@example.com", None, 404, "unknown_url", "unknown"),
    ("DELETE", "/v1/events", None, 405, "method_not_allowed", "/v1/events"),
    ("POST", "/v1/events", b"{", 400, "invalid_json", "/v1/events"),
    ("POST", "/v1/events", b'{"id": "e", "kind": "call.end"}', 400, "invalid_value", "/v1/events"),
    ("POST", "/v1/redact/inspect", b"{}", 400, "invalid_value", "/v1/redact/inspect"),
    ("GET", "/fault/ann@example.com", None, 500, "internal_error", "/fault/{name}"),
    ("GET", "/parts", None, 200, None, "/parts"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code", "endpoint"), ASKED)
def test_every_request_has_an_id_and_a_record(
    method: str, path: str, body: bytes | None, status: int, code: str | None, endpoint: str,
    client: TestClient, journal: MemoryJournal,
) -> None:  # fmt: skip
    response = client.request(method, path, content=body, headers=AUTHORIZED)
    assert response.status_code == status
    assert response.headers["x-request-id"].startswith("call_")
    (event,) = ends(journal)
    assert event.event_id == response.headers["x-request-id"] + ".e"
    assert (event.tenant, event.actor) == ("acme", "key_1")
    assert event.kind == ("call.end" if code else "request.end")
    said = event.body
    assert (said["status"], said.get("error_code"), said["endpoint"], said["method"]) == (
        status,
        code,
        endpoint,
        method,
    )
    assert b"ann@example.com" not in encode(event)
    if code:
        assert response.json()["error"]["code"] == code


def test_a_wrong_key_is_recorded_and_counted(client: TestClient, journal: MemoryJournal) -> None:
    codes = [client.post("/v1/events", headers={"authorization": "Bearer no"}).status_code for _ in range(22)]
    assert codes == [401] * 20 + [429] * 2
    assert [event.tenant for event in ends(journal)] == [""] * 22


def test_an_answered_probe_leaves_no_record_and_a_report_leaves_its_own(
    client: TestClient, journal: MemoryJournal
) -> None:
    assert client.get("/healthz").headers["x-request-id"]
    assert client.post("/v1/events", json={"id": "e", "kind": "run.end"}, headers=AUTHORIZED).status_code == 200
    assert [event.kind for event, _ in journal.committed] == ["run.end"]


def test_a_client_that_leaves_while_sending_is_recorded_in_one_line(
    tmp_path: Path, journal: MemoryJournal, caplog: pytest.LogCaptureFixture
) -> None:
    messages = iter([{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": "POST", "path": "/v1/events", "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in AUTHORIZED.items()],
    }  # fmt: skip
    with caplog.at_level(logging.INFO):
        asyncio.run(gateway(tmp_path, journal)(scope, receive, send))
    assert not sent
    (event,) = ends(journal)
    assert (event.body["status"], event.body["outcome"]) == (499, "client_disconnected")
    assert [record.exc_info for record in caplog.records if record.name.startswith("sluice")] == [None]


def test_a_repeated_post_is_done_once_and_answered_alike(client: TestClient, journal: MemoryJournal) -> None:
    ask = {**AUTHORIZED, "idempotency-key": "k-1"}
    event = {"id": "e", "kind": "run.end"}
    first, second = (client.post("/v1/events", json=event, headers=ask) for _ in range(2))
    assert (first.json(), first.status_code) == (second.json(), second.status_code)
    assert (second.headers["x-sluice-reused"], "x-sluice-reused" in first.headers) == ("idempotency", False)
    assert [each.kind for each, _ in journal.committed] == ["run.end", "request.end"]
    assert ends(journal)[0].body["endpoint"] == "/v1/events"
    other = client.post("/v1/events", json=event | {"id": "other"}, headers=ask)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert other.headers["x-should-retry"] == "false"
    elsewhere = client.post("/v1/redact/inspect", json={"text": "x"}, headers=ask)
    assert elsewhere.status_code == 409


def test_a_post_that_failed_may_be_repeated(client: TestClient) -> None:
    ask = {**AUTHORIZED, "idempotency-key": "k-2"}
    assert client.post("/v1/redact/inspect", content=b"{", headers=ask).status_code == 400
    assert client.post("/v1/redact/inspect", json={"text": "x"}, headers=ask).status_code == 200


def test_a_journal_that_fails_hides_no_answer(client: TestClient, journal: MemoryJournal) -> None:
    journal.fail = True
    response = client.get("/parts", headers=AUTHORIZED)
    assert (response.text, response.headers["x-sluice-record"]) == ("onetwo", "deferred")
