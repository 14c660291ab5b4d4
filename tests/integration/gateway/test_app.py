"""Whatever goes wrong outside the model endpoints is told in OpenAI's shape as well."""

from pathlib import Path

import pytest
from fastapi import APIRouter, Query
from fastapi.testclient import TestClient

from gateway.app import create_app
from gateway.errors import NoRoute
from gateway.providers.scripted import ScriptedProvider
from metrics.record.journal import MemoryJournal
from tests.unit.gateway.making import pipeline, snapshot


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    routes = APIRouter()

    @routes.get("/fault")
    async def fault() -> None:
        raise ValueError("ann@example.com")

    @routes.get("/known")
    async def known() -> None:
        raise NoRoute("no way")

    @routes.get("/number")
    async def number(n: int = Query()) -> int:
        return n

    governed = pipeline(snapshot(tmp_path), ScriptedProvider([]), MemoryJournal())
    return TestClient(create_app(governed, [routes]), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/fault", 500, "internal_error"),
        ("GET", "/known", 503, "no_route"),
        ("GET", "/number?n=x", 400, "invalid_value"),
        ("POST", "/number", 405, "method_not_allowed"),
        ("GET", "/nothing", 404, "unknown_url"),
    ],
)
def test_errors_have_one_shape(method: str, path: str, status: int, code: str, client: TestClient) -> None:
    response = client.request(method, path)
    assert response.status_code == status
    assert response.json()["error"]["code"] == code
    assert "ann@example.com" not in response.text
