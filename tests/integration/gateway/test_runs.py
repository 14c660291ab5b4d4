"""What the worker of automations relies on: keys of runs that erasure ends, and permits by policy."""

import base64
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gateway.admission import Holder, StaticDirectory
from gateway.app import create_app
from gateway.holds.stops import Stops
from gateway.providers.scripted import ScriptedProvider
from gateway.routes import runs
from gateway.run_keys import RunKeys
from metrics.record.journal import MemoryJournal
from metrics.record.keystore import KeyStore
from metrics.record.master import MasterKey
from policy.model import Facts
from tests.unit.gateway.making import KEY, pipeline, snapshot

NEIGHBOUR = b"sk-sluice-neighbour"
TOOLS = """
tools:
  default: allow
  rules:
    - {tool: send_refund, at: called, action: hold, when: "arguments.usd > 100.0"}
    - {tool: delete_*, action: deny}
"""


@pytest.fixture
def keystore(tmp_path: Path) -> Iterator[KeyStore]:
    opened = KeyStore(tmp_path / "keystore.sqlite", MasterKey(b"m" * 32), durable=False)
    yield opened
    opened.close()


@pytest.fixture
def stops() -> Stops:
    return Stops()


@pytest.fixture
def client(tmp_path: Path, keystore: KeyStore, stops: Stops) -> Iterator[TestClient]:
    governed = pipeline(
        snapshot(
            tmp_path, "buffered", routing=TOOLS + "hold: {queue: q, deadline: 1h, at_deadline: reject, reply: error}\n"
        ),
        ScriptedProvider([]),
        MemoryJournal(),
    )
    holders = {
        KEY: Holder("key_1", Facts("acme", None, "drafting")),
        NEIGHBOUR: Holder("key_2", Facts("acme", None, "other")),
    }
    governed = replace(governed, stops=stops, directory=StaticDirectory(holders))
    app = create_app(governed, [runs.router(governed, RunKeys(keystore))])
    with TestClient(app, headers={"authorization": f"Bearer {KEY.decode()}"}) as made:
        yield made


def made(client: TestClient, subject: str | None = None) -> dict[str, Any]:
    answer = client.post("/v1/run-keys", json={"runs": [{"run": "run_a", "subject": subject}]}).json()
    assert (answer["tenant"], answer["automation"]) == ("acme", "drafting")
    found: dict[str, Any] = answer["data"][0]
    return found


def test_a_key_is_opened_again_by_the_automation_it_was_made_for(client: TestClient) -> None:
    first = made(client, "ann")
    assert len(base64.b64decode(first["key"])) == 32
    asked = {"run": "run_a", "wrapped": first["wrapped"]}
    assert client.post("/v1/run-keys/open", json=asked).json()["key"] == first["key"]
    other = client.post("/v1/run-keys/open", json=asked, headers={"authorization": f"Bearer {NEIGHBOUR.decode()}"})
    assert (other.status_code, other.json()["error"]["code"]) == (410, "erased")
    assert client.post("/v1/run-keys/open", json=asked | {"run": "run_b"}).status_code == 410


def test_an_erased_subject_takes_its_runs_keys_along(client: TestClient, keystore: KeyStore) -> None:
    first, unlabelled = made(client, "ann"), made(client)
    ref = keystore.find_subject("acme", "ann")
    assert ref is not None
    keystore.erase(ref)
    gone = client.post("/v1/run-keys/open", json={"run": "run_a", "wrapped": first["wrapped"]})
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "erased")
    assert client.post("/v1/run-keys/open", json={"run": "run_a", "wrapped": unlabelled["wrapped"]}).status_code == 200
    both = [{"run": "run_a", "wrapped": each["wrapped"]} for each in (first, unlabelled)]
    opened = client.post("/v1/run-keys/open", json={"runs": both}).json()["data"]
    assert [each["key"] for each in opened] == [None, unlabelled["key"]]


def test_the_end_of_retention_takes_keys_along(client: TestClient, keystore: KeyStore) -> None:
    first = made(client)
    keystore.destroy([key.key_id for key in keystore.day_keys() if key.retention_class == "automation:30d"])
    assert client.post("/v1/run-keys/open", json={"run": "run_a", "wrapped": first["wrapped"]}).status_code == 410


@pytest.mark.parametrize("body", [{"runs": []}, {"runs": "run_a"}, {"runs": ["run_a"]}, {"runs": [{"run": "a b"}]}])
def test_bad_requests_are_told(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/v1/run-keys", json=body).status_code == 400
    assert client.post("/v1/run-keys/open", json=body).status_code == 400


@pytest.mark.parametrize("wrapped", ["", "v1", "v1..", "v2.k_1.abc", "v1.k_unknown.AAAA", "v1.k.!!"])
def test_what_was_never_a_key_opens_nothing(client: TestClient, wrapped: str) -> None:
    assert client.post("/v1/run-keys/open", json={"run": "r", "wrapped": wrapped}).status_code in (400, 410)


def permit(client: TestClient, action: str, **arguments: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.post(
        "/v1/permits", json={"run": "run_a", "action": action, "arguments": arguments}
    ).json()
    return found


def test_an_effect_is_judged_by_the_rules_about_tools(client: TestClient) -> None:
    assert permit(client, "send_reply")["action"] == "allow"
    assert permit(client, "send_refund", usd=99.0)["action"] == "allow"
    held = permit(client, "send_refund", usd=101.0)
    assert (held["action"], held["rule"], held["stopped"]) == ("hold", "rules[0]", False)
    assert permit(client, "delete_account")["action"] == "deny"


def test_a_stopped_automation_gets_no_permit(client: TestClient, stops: Stops) -> None:
    stops.names = frozenset({("acme", "drafting")})
    assert permit(client, "send_reply")["stopped"] is True
