"""A background response outlives the worker that ran it: kept sealed in the database, taken over by another process."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from gateway.control import schema
from gateway.control.database import Database
from gateway.machine.prepare import control_database
from gateway.settings import Settings
from tests.e2e.responses_wire import message, response
from tests.integration.gateway.test_worker import Worker, settings_of, started
from tests.upstream import Received, Upstream, reply

ASK = {"model": "gpt-test", "input": "Write to ann@example.com please.", "background": True}
Place = tuple[Settings, Database]


@pytest.fixture
def place(tmp_path: Path, upstream: Upstream) -> Iterator[Place]:
    settings = settings_of(tmp_path, upstream)
    with control_database(settings) as database:
        yield settings, database


def ready(worker: Worker, policies: Path | None) -> Worker:
    if policies is not None:
        worker.activate(policies)
    worker.eventually("/readyz", lambda said: said["parts"]["policy"] == "ok")
    return worker


def answering(request: Received) -> Any:
    mark = request.json["input"][-1]["content"].removeprefix("Write to ").removesuffix(" please.")
    return reply(response(message(f"Sent to {mark}.")))


def test_another_process_takes_over_what_a_killed_one_ran(place: Place, upstream: Upstream) -> None:
    settings, database = place
    upstream.default = lambda _request: [30.0]
    with started(settings, database) as first:
        queued = ready(first, settings.policies).http.post("/v1/responses", json=ASK).json()
        assert queued["status"] == "queued"
        first.eventually(f"/v1/responses/{queued['id']}", lambda said: said["status"] == "in_progress")
        first.process.kill()
        first.process.wait()
    with database.write() as tx:  # as if its lease had run out
        tx.execute(update(schema.leases).values(expires_us=0))
    upstream.default = answering
    with started(settings, database) as second:
        ready(second, None)
        done = second.eventually(f"/v1/responses/{queued['id']}", lambda said: said["status"] == "completed")
    assert done["output"][0]["content"][0]["text"] == "Sent to ann@example.com."
    with database.read() as conn:
        assert not conn.execute(select(schema.leases.c.name)).all()
        (kept,) = conn.execute(select(schema.sealed.c.kind, schema.sealed.c.ciphertext)).all()
    assert kept.kind == "response"
    assert b"ann@example.com" not in kept.ciphertext


def test_a_worker_that_stops_in_order_hands_over_and_cancelling_twice_at_once_is_one_wish(
    place: Place, upstream: Upstream
) -> None:
    settings, database = place
    upstream.default = lambda _request: [30.0]
    with started(settings, database) as first:
        queued = ready(first, settings.policies).http.post("/v1/responses", json=ASK).json()
        first.eventually(f"/v1/responses/{queued['id']}", lambda said: said["status"] == "in_progress")
        first.process.terminate()
        assert first.process.wait(10) == 0
    upstream.default = answering
    with started(settings, database) as second:
        ready(second, None)
        second.eventually(f"/v1/responses/{queued['id']}", lambda said: said["status"] == "completed")
        upstream.default = lambda _request: [30.0]
        wait = second.http.post("/v1/responses", json=ASK).json()
        with ThreadPoolExecutor(8) as threads:
            said = list(threads.map(lambda _: second.http.post(f"/v1/responses/{wait['id']}/cancel").json(), range(8)))
        assert {each.get("status") for each in said} == {"cancelled"}
