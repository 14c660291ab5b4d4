"""A worker process as it runs in production: it follows the control database, records on disk and stops in order."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx2 as httpx
import orjson
import pytest
import uvicorn
import uvloop
from sqlalchemy import text, update

from benchmarks.servers import free_port
from gateway.control import schema, snapshots
from gateway.control.database import Database
from gateway.control.snapshots import Source
from gateway.machine.prepare import control_database
from gateway.machine.processes import LISTENER_FD
from gateway.settings import Settings, as_environment, load
from gateway.sockets import Door, SocketLimits
from gateway.wire.exchange import Message, Receive, Send
from gateway.worker import INCOMPLETE, WorkerServer
from policy.load import load_tree
from tests.e2e.wire import ASK, completion, text_chunks
from tests.integration.gateway.raw import read_all
from tests.running_gateway import write_policies
from tests.upstream import Upstream, reply, stream

KEY = "sk-sluice-" + "k" * 43
STREAM = {"model": "gpt-test", "messages": ASK, "stream": True}


@dataclass
class Worker:
    """One worker process and what it works with."""

    process: subprocess.Popen[bytes]
    http: httpx.Client
    database: Database
    data: Path
    policies: Path

    def activate(self, policies: Path) -> None:
        """Bring a policy folder in force, as the keeper does."""
        tree = load_tree(policies)
        with self.database.write() as tx:
            now = snapshots.active(tx.conn)
            snapshots.activate(tx, tree.to_bytes(), Source(None, False, "test"), now.generation if now else 0)

    def eventually(self, path: str, wanted: Any, timeout_s: float = 30.0) -> Any:
        """Ask until the answer is as wanted."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.http.get(path).json()
            if wanted(found) or time.monotonic() > deadline:
                assert wanted(found), found
                return found
            time.sleep(0.05)

    def ask(self) -> httpx.Response:
        return self.http.post("/v1/chat/completions", json={"model": "gpt-test", "messages": ASK})

    def ends(self) -> list[dict[str, Any]]:
        """Return what stands in the journal on disk."""
        lines = [line for path in self.data.rglob("*.jsonl") for line in path.read_bytes().splitlines()]
        events = [orjson.loads(line) for line in lines if b'"kind":"call.end"' in line]
        return [event["body"] for event in events]


@pytest.fixture
def worker(tmp_path: Path, upstream: Upstream) -> Iterator[Worker]:
    settings = settings_of(tmp_path, upstream)
    with control_database(settings) as database, started(settings, database) as running:
        running.activate(settings.policies)
        running.eventually("/readyz", lambda said: said["parts"]["policy"] == "ok")
        yield running


def settings_of(folder: Path, upstream: Upstream) -> Settings:
    policies = write_policies(folder / "policies", upstream.base_url)
    file = policies / "structured.yaml"
    file.write_text(file.read_text().replace("{tenant: acme}", "{tenant: default}"))
    chosen = {"SLUICE_BOOTSTRAP_KEY": KEY, "SLUICE_GRACE_S": "3", "SLUICE_UPSTREAM": "test"}
    chosen["SLUICE_RECORDER_PORT"] = str(free_port())  # nobody listens there: these tests run without a recorder
    return replace(load(chosen, folder), policies=policies)


@contextmanager
def started(settings: Settings, database: Database) -> Iterator[Worker]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        environ = os.environ | as_environment(settings) | {LISTENER_FD: str(listener.fileno())}
        process = subprocess.Popen(
            [sys.executable, "-m", "gateway.worker"], env=environ, pass_fds=[listener.fileno()], cwd=settings.data
        )
    headers = {"authorization": f"Bearer {KEY}"}
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20) as http:
            yield Worker(process, http, database, settings.data, settings.policies)
    finally:
        process.kill()
        process.wait()


def test_a_worker_serves_records_and_tells_its_state(worker: Worker, upstream: Upstream) -> None:
    upstream.default = lambda _request: reply(completion())
    answered = worker.ask()
    assert answered.status_code == 200
    assert [end["call_id"] for end in worker.ends()] == [answered.headers["x-sluice-call-id"]]
    assert worker.http.get("/healthz").json() == {"status": "ok"}
    ready = worker.http.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["parts"]["recorder"] == "degraded"
    said = worker.eventually("/status", lambda found: found["workers"] and found["workers"][0]["snapshot"])
    assert said["workers"][0]["snapshot"] == said["policy"]["snapshot"]
    assert said["policy"]["in_step"] is True
    refused = worker.http.get(f"/v1/calls/{answered.headers['x-sluice-call-id']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "recorder_unavailable")


class RestingRecorder(BaseHTTPRequestHandler):
    """A recorder that lives and cannot go on, as when its order file is gone."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 503)
        self.end_headers()
        self.wfile.write(b'{"status": "degraded", "problem": "no such file"}')

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


def test_a_recorder_that_lives_but_cannot_go_on_is_not_called_well(tmp_path: Path, upstream: Upstream) -> None:
    settings = settings_of(tmp_path, upstream)
    with (
        HTTPServer(("127.0.0.1", settings.recorder_port), RestingRecorder) as recorder,
        control_database(settings) as database,
        started(settings, database) as worker,
    ):
        Thread(target=recorder.serve_forever, daemon=True).start()
        worker.activate(settings.policies)
        said = worker.eventually("/readyz", lambda said: said["parts"]["policy"] == "ok")
        assert (said["status"], said["parts"]["recorder"]) == ("degraded", "degraded")
        recorder.shutdown()


def test_a_new_policy_governs_the_next_calls(worker: Worker, upstream: Upstream) -> None:
    upstream.default = lambda _request: reply(completion())
    before = worker.ask().headers["x-sluice-policy"]
    file = worker.policies / "structured.yaml"
    file.write_text(
        file.read_text().replace("EMAIL_ADDRESS: {operator: pseudonym}", "EMAIL_ADDRESS: {operator: block}")
    )
    worker.activate(worker.policies)
    worker.eventually("/status", lambda said: said["policy"]["generation"] == 2)
    refused = worker.ask()
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "content_blocked")
    assert refused.headers["x-sluice-policy"] != before


def test_a_revoked_key_is_refused_by_a_worker_that_runs(worker: Worker, upstream: Upstream) -> None:
    upstream.default = lambda _request: reply(completion())
    assert worker.ask().status_code == 200
    with worker.database.write() as tx:
        changed = tx.bump()
        tx.execute(update(schema.api_keys).values(revoked_us=tx.now_us, revoked_by="test", changed=changed))
    revoked = time.monotonic()
    while worker.ask().status_code != 401:
        assert time.monotonic() - revoked < 30.0
        time.sleep(0.02)


def test_a_worker_that_can_no_longer_do_all_it_must_finishes_its_calls_and_ends(
    worker: Worker, upstream: Upstream
) -> None:
    first, *rest = text_chunks("One ", "two.")
    upstream.scripts.append(stream(first, *(part for chunk in rest for part in (1.0, chunk))))
    with worker.http.stream("POST", "/v1/chat/completions", json=STREAM) as response:
        chunks = response.iter_raw()
        body = next(chunks)
        with worker.database.write() as tx:
            tx.execute(text("UPDATE changes SET version = x'00'"))  # nobody can count on from there
        body += b"".join(chunks)
    assert body.endswith(b"data: [DONE]\n\n")
    assert worker.process.wait(30) == INCOMPLETE
    assert [end["outcome"] for end in worker.ends()] == ["ok"]


def test_sigterm_lets_running_streams_finish(worker: Worker, upstream: Upstream) -> None:
    first, *rest = text_chunks("One ", "two ", "three.")
    upstream.scripts.append(stream(first, *(part for chunk in rest for part in (0.05, chunk))))
    with worker.http.stream("POST", "/v1/chat/completions", json=STREAM) as response:
        chunks = response.iter_raw()
        body = next(chunks)
        worker.process.send_signal(signal.SIGTERM)
        body += b"".join(chunks)
    assert body.endswith(b"data: [DONE]\n\n")
    assert worker.process.wait(30) == 0
    assert [end["outcome"] for end in worker.ends()] == ["ok"]


def test_sigterm_ends_a_stuck_stream_honestly_at_the_deadline(worker: Worker, upstream: Upstream) -> None:
    first, *_ = text_chunks("One ")
    upstream.scripts.append(stream(first, *([0.5, first] * 60), done=False))
    with worker.http.stream("POST", "/v1/chat/completions", json=STREAM) as response:
        chunks = response.iter_raw()
        body = next(chunks)
        worker.process.send_signal(signal.SIGTERM)
        body += b"".join(chunks)
    assert b'"code":"interrupted"' in body
    assert b"[DONE]" not in body
    assert worker.process.wait(30) == 0
    assert [end["outcome"] for end in worker.ends()] == ["interrupted"]


def test_ctrl_c_and_the_parents_sigterm_are_one_wish_and_a_second_ctrl_c_another(
    worker: Worker, upstream: Upstream
) -> None:
    first, *rest = text_chunks("One ", "two.")
    upstream.scripts.append(stream(first, *(part for chunk in rest for part in (0.1, chunk))))
    with worker.http.stream("POST", "/v1/chat/completions", json=STREAM) as response:
        chunks = response.iter_raw()
        body = next(chunks)
        worker.process.send_signal(signal.SIGINT)
        worker.process.send_signal(signal.SIGTERM)
        body += b"".join(chunks)
    assert body.endswith(b"data: [DONE]\n\n")
    assert worker.process.wait(30) == 0


def test_a_second_ctrl_c_cuts_calls_short_and_still_records_them(worker: Worker, upstream: Upstream) -> None:
    first, *_ = text_chunks("One ")
    upstream.scripts.append(stream(first, *([0.5, first] * 60), done=False))
    with worker.http.stream("POST", "/v1/chat/completions", json=STREAM) as response:
        chunks = response.iter_raw()
        body = next(chunks)
        worker.process.send_signal(signal.SIGINT)
        time.sleep(0.1)
        worker.process.send_signal(signal.SIGINT)
        body += b"".join(chunks)
    assert b'"code":"interrupted"' in body
    assert worker.process.wait(30) == 0
    assert [end["outcome"] for end in worker.ends()] == ["interrupted"]


def test_callers_in_the_queue_of_the_socket_are_answered_at_the_stop() -> None:
    async def app(_scope: Message, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})

    async def main() -> list[bytes]:
        config = uvicorn.Config(
            app, http=Door(SocketLimits(), lambda _error: app).protocol(), lifespan="off", log_config=None
        )
        server, listener = WorkerServer(config, 10.0, lambda: None), socket.create_server(("127.0.0.1", 0))
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup([listener])
        clients = [socket.create_connection(listener.getsockname(), timeout=10) for _ in range(20)]
        for client in clients:  # the system has made these connections; nobody has accepted them
            client.sendall(b"GET / HTTP/1.1\r\nhost: sluice\r\nconnection: close\r\n\r\n")
        await server.shutdown([listener])
        replies = [read_all(client) for client in clients]
        for client in clients:
            client.close()
        return replies

    replies = uvloop.run(main())
    assert all(reply.startswith(b"HTTP/1.1 200") and reply.endswith(b"ok") for reply in replies)
