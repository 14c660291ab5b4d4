"""The worker's HTTP API: who may do what, and how it says no."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from automations.flow.automation import Limits
from automations.flow.engine import Engine
from automations.flow.gateway import Issued, MemoryGateway
from automations.queue.database import open_queue
from automations.queue.outbox import Outbox
from automations.queue.store import Store
from automations.worker.access import Access
from automations.worker.app import Api, create_app
from automations.worker.gateway import KeyRefused
from tests.contract.automations.greeting import Target, greeting
from tests.contract.control.clock import Clock

KEY = "sk-sluice-own"
SESSIONS = {
    f"sess-{role}": {"id": f"usr_{role}", "tenant": "default", "roles": [role]}
    for role in ("viewer", "reviewer", "policy_owner", "auditor", "admin")
} | {"sess-none": {"id": "usr_n", "tenant": "default", "roles": []}}
SESSIONS["sess-foreign"] = {"id": "usr_f", "tenant": "other", "roles": ["admin"]}


class Gateway(MemoryGateway):
    """Knows one API key."""

    keys = {"greeting": KEY}  # noqa: RUF012 - the same for all
    caller = KEY
    homes = "default"

    def tenant_of(self, automation: str) -> str:
        return self.homes

    def as_caller(self, automation: str, key: str) -> "Gateway":
        self.caller = key
        return self

    def new_keys(self, automation: str, wanted: Any) -> list[Issued]:
        if self.caller != KEY:
            raise KeyRefused("401 invalid_api_key: no", 401)
        return MemoryGateway.new_keys(self, automation, wanted)


class Hook:
    """Takes what carries the right word."""

    def read(self, headers: Any, body: bytes) -> list[dict[str, str]]:
        if headers.get("x-word") != "please":
            raise PermissionError("The signature is wrong.")
        return [{"id": body.decode(), "text": "from outside"}]


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def engine(tmp_path: Path, gateway: Gateway) -> Iterator[Engine]:
    queue = open_queue(f"sqlite:///{tmp_path}/queue.db")
    automation = greeting(Target(), limits=Limits(max_queued=3))
    automation.hook = Hook()
    yield Engine(Store(queue, Clock()), gateway, {"greeting": automation})
    queue.close()


@pytest.fixture
def client(engine: Engine, gateway: Gateway) -> Iterator[TestClient]:
    api = Api(engine, gateway, Access(SESSIONS.get), lambda: 0, lambda: 8, lambda: None)  # type: ignore[arg-type]
    with TestClient(create_app(api), raise_server_exceptions=False) as made:
        yield made


def by(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def posted(client: TestClient, *texts: str, token: str = KEY) -> Any:
    inputs = [{"id": f"n-{text}", "text": text} for text in texts]
    return client.post("/automations/greeting/runs", json={"inputs": inputs}, headers=by(token))


def dead(client: TestClient, engine: Engine) -> str:
    run_id: str = posted(client, "bad").json()["data"][0]["run"]
    engine.drain()
    return run_id


def test_inputs_are_taken_with_a_key_of_the_automation(client: TestClient) -> None:
    answer = posted(client, "a", "b")
    assert (answer.status_code, [each["new"] for each in answer.json()["data"]]) == (202, [True, True])
    assert posted(client, "a").json()["data"][0]["new"] is False
    assert posted(client, "c", token="sk-sluice-wrong").status_code == 401
    assert client.post("/automations/greeting/runs", json={"inputs": []}).status_code == 401


@pytest.mark.parametrize("inputs", [[], "x", [{"id": "n1"}], [{"id": 1, "text": None}], [["x"]]])
def test_a_wrong_input_is_told_without_its_values(client: TestClient, inputs: Any) -> None:
    answer = client.post("/automations/greeting/runs", json={"inputs": inputs}, headers=by(KEY))
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] in ("invalid_input", "invalid_value")


def test_a_full_queue_and_an_absent_gateway_ask_to_come_again(client: TestClient, gateway: Gateway) -> None:
    full = posted(client, "a", "b", "c", "d")
    assert (full.status_code, full.json()["error"]["code"]) == (429, "queue_full")
    assert int(full.headers["retry-after"]) >= 1
    gateway.away = True
    away = posted(client, "e")
    assert (away.status_code, away.json()["error"]["code"]) == (503, "gateway_unavailable")
    assert "retry-after" in away.headers


def test_no_body_is_read_beyond_its_bound(client: TestClient) -> None:
    for path in ("/automations/greeting/runs", "/hooks/greeting"):
        parts = (b"x" * 1_000_000 for _ in range(40))
        assert client.post(path, content=parts, headers=by(KEY)).status_code == 413


def test_a_key_of_another_tenant_starts_nothing_that_nobody_could_open(client: TestClient, gateway: Gateway) -> None:
    gateway.homes = "other"
    assert posted(client, "a").status_code == 404


def test_a_key_of_our_own_that_is_refused_is_not_the_senders_fault(client: TestClient, gateway: Gateway) -> None:
    gateway.caller = "sk-sluice-not-known-yet"
    sent = client.post("/hooks/greeting", content=b"h1", headers={"x-word": "please"})
    assert (sent.status_code, sent.headers["retry-after"]) == (503, "2")


def test_what_a_search_should_have_found_is_recorded(client: TestClient, engine: Engine) -> None:
    (run,) = (each["run"] for each in posted(client, "a").json()["data"])
    assert client.post(f"/runs/{run}/gold", json={"ids": ["returns.2"]}, headers=by("sess-reviewer")).status_code == 200
    wrong = client.post(f"/runs/{run}/gold", json={"ids": ["A b"]}, headers=by("sess-reviewer"))
    assert (wrong.status_code, wrong.json()["error"]["message"]) == (
        400,
        "body.ids.0: Text is not written as it must be",
    )
    told = [each for each in Outbox(engine.store).take(9, 1.0) if each.kind == "retrieval.gold"]
    assert [(each.run_id, each.words) for each in told] == [(run, {"ids": ["returns.2"], "by": "usr_reviewer"})]


def test_no_text_keeps_control_characters(client: TestClient) -> None:
    posted(client, "a\0b\x1b[2J\x08\x0c\x7f c:\\\\u0007\n\td")
    (run,) = (each["run_id"] for each in client.get("/runs", headers=by("sess-reviewer")).json()["data"])
    kept = client.get(f"/runs/{run}/content", headers=by("sess-reviewer")).json()["input"]
    assert kept == {"id": "n-ab[2J c:\\\\u0007\n\td", "text": "ab[2J c:\\\\u0007\n\td", "person": None}


def test_a_hook_takes_what_is_signed(client: TestClient) -> None:
    assert client.post("/hooks/greeting", content=b"h1").status_code == 401
    assert client.post("/hooks/greeting", content=b"h1", headers={"x-word": "please"}).status_code == 202
    assert client.post("/hooks/unknown", content=b"h1").status_code == 404


ROUTES = [
    ("GET", "/queue", {"viewer", "reviewer", "policy_owner", "auditor", "admin"}),
    ("GET", "/runs", {"viewer", "reviewer", "policy_owner", "auditor", "admin"}),
    ("GET", "/runs/{run}", {"viewer", "reviewer", "policy_owner", "auditor", "admin"}),
    ("GET", "/runs/{run}/content", {"reviewer", "auditor", "admin"}),
    ("POST", "/runs/{run}/replay", {"reviewer", "policy_owner", "admin"}),
    ("POST", "/runs/{run}/discard", {"reviewer", "policy_owner", "admin"}),
    ("POST", "/runs/{run}/cancel", {"reviewer", "policy_owner", "admin"}),
    ("POST", "/runs/{run}/approve", {"reviewer", "policy_owner", "admin"}),
    ("POST", "/runs/{run}/reject", {"reviewer", "policy_owner", "admin"}),
    ("POST", "/runs/{run}/resolve", {"reviewer", "policy_owner", "admin"}),
    ("POST", "/replays", {"reviewer", "policy_owner", "admin"}),
    ("POST", "/queue/greeting", {"reviewer", "policy_owner", "admin"}),
]
BODIES = {"discard": {"reason": "r"}, "resolve": {"happened": True}, "greeting": {"inputs": [{"id": "x", "text": "y"}]}}


@pytest.mark.parametrize(("method", "path", "allowed"), ROUTES)
def test_roles_decide_what_people_may_do(
    client: TestClient, engine: Engine, method: str, path: str, allowed: set[str]
) -> None:
    run_id = dead(client, engine)
    body = BODIES.get(path.rpartition("/")[2], {}) if method == "POST" else None
    for token, who in SESSIONS.items():
        answer = client.request(method, path.format(run=run_id), json=body, headers=by(token))
        if who["tenant"] == "other":
            assert answer.status_code == 404 or "run_" not in answer.text, (token, answer.text)
        elif set(who["roles"]) & allowed:
            assert answer.status_code in (200, 202, 409), (token, answer.text)
        else:
            assert answer.status_code == 403, (token, answer.text)
    assert client.request(method, path.format(run=run_id), json=body).status_code == 401
    assert client.request(method, path.format(run=run_id), json=body, headers=by("sess-ended")).status_code == 401


def test_numbers_are_for_whoever_has_a_key(client: TestClient, engine: Engine) -> None:
    dead(client, engine)
    assert client.get("/metrics").status_code == 401
    text = client.get("/metrics", headers=by(KEY)).text
    assert 'sluice_queue_runs{automation="greeting",state="dead"} 1' in text
    assert "sluice_queue_dead_letters 1" in text
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
