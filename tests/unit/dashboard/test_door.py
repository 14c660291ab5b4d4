"""The door of the dashboard: without a session nothing behind it answers, whatever is asked and however."""

import asyncio
from typing import Any

import pytest

from dashboard.gateway import Gateway
from dashboard.sign_in import SECURITY_HEADERS, Door

INSIDE = b"inside"


def ask(path: str, method: str = "GET", cookie: str = "", kind: str = "http") -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": INSIDE})

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [(b"cookie", cookie.encode())] if cookie else []
    scope = {"type": kind, "method": method, "path": path, "query_string": b"", "headers": headers}
    asyncio.run(Door(app, Gateway("http://127.0.0.1:9"))(scope, receive, send))
    return sent


def status(*asked: str) -> int:
    return int(ask(*asked)[0]["status"])


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/calls",
        "/media/0a1b.csv",
        "/component/x/index.html",
        "/_stcore/upload_file/a/b",
        "/static/../calls",
        "/x.y",
    ],
)
@pytest.mark.parametrize("cookie", ["", "sluice_session=", "other=sess-1", "sluice_session=sk-1"])
def test_nobody_gets_in_without_a_session(path: str, cookie: str) -> None:
    assert status(path, "GET", cookie) == 303
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert status(path, method, cookie) == 401


def test_no_websocket_without_a_session() -> None:
    assert ask("/_stcore/stream", kind="websocket") == [{"type": "websocket.close", "code": 4401}]


@pytest.mark.parametrize("path", ["/sign-in", "/_stcore/health", "/static/js/main.js"])
def test_what_is_open_to_everybody(path: str) -> None:
    assert status(path) == 200


def test_whoever_is_signed_in_gets_through_under_a_content_policy() -> None:
    start, body = ask("/calls", "GET", "sluice_session=sess-abc")
    assert (start["status"], body["body"]) == (200, INSIDE)
    assert set(SECURITY_HEADERS) <= set(start["headers"])
