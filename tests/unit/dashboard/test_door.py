"""The door of the dashboard: without a session nothing behind it answers, whatever is asked and however."""

import asyncio
import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from dashboard import server
from dashboard.gateway import Gateway, GatewayUnreachable
from dashboard.sign_in import SECURITY_HEADERS, Door, routes

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


def test_the_gateway_hears_which_browser_signs_in() -> None:
    heard: list[tuple[str | None, str | None]] = []

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append((self.headers["x-sluice-browser"], self.headers["x-sluice-dashboard"]))
            self.send_response(401)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Listening) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            gateway = Gateway(f"http://127.0.0.1:{server.server_port}", secret="our-own-secret-1")
            client = TestClient(Door(Starlette(routes=routes(gateway)), gateway), client=("192.0.2.7", 1))
            assert client.post("/sign-in", data={"email": "a", "password": "b"}).status_code == 401
            assert client.get("/?login=link-x").status_code == 401
        finally:
            server.shutdown()
    assert heard == [("192.0.2.7", "our-own-secret-1")] * 2


def test_streamlit_finds_no_pages_of_its_own() -> None:
    """Beside the script it would serve the files of a folder `pages` to whoever comes first by a deep link."""
    assert not [*Path(server.__file__).with_name("pages").glob("*.py")]


def test_a_gateway_behind_https_is_spoken_to_in_tls() -> None:
    first: list[bytes] = []

    def hear() -> None:
        connection, _ = listener.accept()
        with connection:
            first.append(connection.recv(1))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        hearing = threading.Thread(target=hear)
        hearing.start()
        with pytest.raises(GatewayUnreachable, match="did not answer"):
            Gateway(f"https://127.0.0.1:{listener.getsockname()[1]}").me("sess-1")
        hearing.join()
    assert first == [b"\x16"]  # a handshake


def test_no_websocket_without_a_session() -> None:
    assert ask("/_stcore/stream", kind="websocket") == [{"type": "websocket.close", "code": 4401}]


@pytest.mark.parametrize("path", ["/sign-in", "/_stcore/health", "/static/js/main.js"])
def test_what_is_open_to_everybody(path: str) -> None:
    assert status(path) == 200


def test_whoever_is_signed_in_gets_through_under_a_content_policy() -> None:
    start, body = ask("/calls", "GET", "sluice_session=sess-abc")
    assert (start["status"], body["body"]) == (200, INSIDE)
    assert set(SECURITY_HEADERS) <= set(start["headers"])
