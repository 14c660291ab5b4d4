"""The recorder over HTTP: who may ask what, and what comes back."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
import urllib3
import uvicorn
from fastapi.routing import APIRoute
from starlette.routing import Route

from metrics.client import Known, RecorderClient, RecorderError
from metrics.proof.retainer import Retainer
from metrics.proof.retention_service import add_retention
from metrics.record.events import Event
from metrics.record.journal import FileJournal
from metrics.record.prometheus import add_metrics
from metrics.record.recorder import Recorder
from metrics.record.sandbox import QueryLimits
from metrics.record.service import ARROW, Service, create_app
from metrics.record.token import Grant, secret_of, sign
from tests.integration.metrics.support import TS, begin, caught_up, content, end, recording, wait_until, write

VIEWER = ("viewer",)


@contextmanager
def serving(recorder: Recorder, limits: QueryLimits | None = None) -> Iterator[str]:
    service = Service(recorder, limits)
    app = create_app(service)
    add_retention(app, Retainer(recorder), service.grant)
    config = uvicorn.Config(app, port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.run, daemon=True)  # a test that fails does not keep the run alive
    thread.start()
    wait_until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    data = tmp_path_factory.mktemp("data")

    async def use(journal: FileJournal) -> None:
        for tenant in ("acme", "other"):
            for n in range(5):
                call = f"{tenant}_{n}"
                found = {"request": {"EMAIL_ADDRESS": n}} if n else {}
                stages = {"admit": 10 * n, "clear": 100}
                policy = {"policy": "support", "policy_hash": "abc", "verdict": "pass", "snapshot": "s1"}
                journal.write(begin(call, TS + n, tenant))
                body = {"entities": found, "stages_us": stages, "total_ms": 10.0, **policy}
                await journal.commit(end(call, TS + n, tenant, run=f"run_{n % 2}", **body), content(request=tenant))
            said = {"call_id": f"{tenant}_1", "metric": "success", "value": True, "source": "human"}
            await journal.commit(Event(f"out_{tenant}", "outcome", TS + 9, tenant, body=said))
            await journal.commit(Event(f"step_{tenant}", "step.end", TS, tenant, None, "only_steps"))

    write(data, use)
    with recording(data) as running:
        yield running


@pytest.fixture(scope="module")
def url(recorder: Recorder) -> Iterator[str]:
    with serving(recorder) as address:
        yield address


def token(recorder: Recorder, tenant: str = "acme", roles: tuple[str, ...] = VIEWER, ttl_s: int = 60) -> str:
    return sign(secret_of(recorder.master), Grant("u1", tenant, roles), int(time.time()), ttl_s)


@pytest.fixture
def client(recorder: Recorder, url: str) -> RecorderClient:
    return RecorderClient(url, lambda: token(recorder))


async def every_kind(journal: FileJournal) -> None:
    """Two tenants with records of every kind: each question has an answer for both."""
    for tenant in ("acme", "other"):
        call, window = f"{tenant}_1", {"drawn": True, "deadline_s": 60, "rate": 1.0, "window": f"{tenant}_window"}
        journal.write(begin(call, TS, tenant))
        asked = {"n": 1, "provider": f"{tenant}_provider", "model": f"{tenant}_model", "status": 200}
        known = {"entities": {"request": {f"{tenant}_KIND": 1}}, "stages_us": {"admit": 10}, "total_ms": 10.0}
        known |= {"policy": f"{tenant}_policy", "policy_hash": "abc", "verdict": f"{tenant}_pass", "snapshot": "s1"}
        known |= {"confidence": 0.9, "audit": window, "charges": [[f"{tenant}_team|usd|day", 0, 5]]}
        known |= {"attempts": [asked], "would_refuse": [f"{tenant}_rule"], "team": f"{tenant}_team"}
        known |= {"cost_usd": None, "usage": {"output_tokens": 3}, "provider": f"{tenant}_provider"}
        await journal.commit(end(call, TS, tenant, run=f"{tenant}_run", **known))
        said = {"call_id": call, "metric": "success", "value": True, "source": "human"}
        await journal.commit(Event(f"out_{tenant}", "outcome", TS + 9, tenant, body=said))
        step = {"step_kind": "prompt", "status": "ok", "duration_ms": 5.0}
        await journal.commit(
            Event(f"step_{tenant}", "step.end", TS, tenant, f"{tenant}_triage", f"{tenant}_run", "classify", body=step)
        )
        dead = {"cause": "timeout", "layer": "orchestration"}
        who = (tenant, f"{tenant}_triage", f"{tenant}_dead", "send")
        await journal.commit(Event(f"dead_{tenant}", "dead_letter", TS, *who, body=dead))
        await journal.commit(Event(f"note_{tenant}", "policy.activated", TS, tenant, f"{tenant}_triage"))
        bad = {"outcome": "error", "error_code": "upstream_error", "total_ms": 20.0, "policy": f"{tenant}_policy"}
        await journal.commit(end(f"{tenant}_2", TS, tenant, run=f"{tenant}_bad", **bad))
        failed = {"call_id": f"{tenant}_2", "metric": "success", "value": False, "source": "human"}
        await journal.commit(Event(f"fail_{tenant}", "outcome", TS + 9, tenant, body=failed))
        held = {"review_id": f"{tenant}_review", "call_id": call, "review_kind": "hold", "deadline_us": TS + 10**12}
        await journal.commit(Event(f"held_{tenant}", "review.opened", TS, tenant, f"{tenant}_triage", body=held))
        item = {"item_id": f"{tenant}_item", "item": "action", "week": "2026-W01"}
        await journal.commit(Event(f"item_{tenant}", "agenda.opened", TS, tenant, f"{tenant}_triage", body=item))
        shadow = {"call_id": call, "provider": f"{tenant}_provider", "model": f"{tenant}_shadow", "outcome": "ok"}
        await journal.commit(Event(f"{call}.s", "call.shadow", TS + 9, tenant, f"{tenant}_triage", body=shadow))


def test_every_question_is_answered_for_the_tokens_tenant_alone(tmp_path: Path) -> None:
    write(tmp_path, every_kind)
    with recording(tmp_path) as recorder, serving(recorder) as address:
        for tenant, stranger in (("acme", "other"), ("other", "acme")):
            asker = RecorderClient(address, lambda tenant=tenant: token(recorder, tenant))  # type: ignore[misc]
            for name, question in Service(recorder).queries.items():
                given = {"call_id": f"{tenant}_1", "since": 0, "until": 2**62, "event_ids": f"out_{tenant}"}
                given["run"] = f"{tenant}_run"
                if name == "events":
                    del given["call_id"], given["run"]
                found = asker.query(name, **{key: given[key] for key in given if key in question.parameters})
                assert found.rows, f"{name}: add to `every_kind` what it asks about"
                assert f"{stranger}_" not in str(found.rows), name
                assert found.watermark.seq == recorder.status()["seq"]
            assert asker.query("call", call_id=f"{stranger}_1").rows == []
            assert asker.query("known", call_id=f"{stranger}_1").first() == {
                "call": False,
                "run": False,
                "began_us": None,
            }


def test_every_route_but_health_wants_a_token(recorder: Recorder) -> None:
    app = create_app(Service(recorder))
    add_metrics(app, lambda: (), Service(recorder).grant)
    asked = {
        f"{next(iter(route.methods or ()))} {route.path}" for route in app.routes if isinstance(route, Route | APIRoute)
    }
    wanting = {"POST /v1/query/{name}", "GET /v1/content/{event_id}"}
    assert asked - wanting == {"GET /healthz", "GET /readyz", "GET /status", "GET /metrics"}
    with serving(recorder) as address:
        for method, path in (each.split(" ") for each in wanting):
            refused = urllib3.request(method, address + path.format(name="calls", event_id="acme_1.e"))
            assert refused.status == 401, path


def test_a_range_and_filters_narrow_the_calls(client: RecorderClient) -> None:
    def ids(**given: object) -> list[str]:
        return [row["call_id"] for row in client.query("calls", **given).dicts()]

    assert ids() == [f"acme_{n}" for n in (4, 3, 2, 1, 0)]
    assert ids(limit=2) == ["acme_4", "acme_3"]
    assert ids(since=TS - 10_000 + 3) == ["acme_4", "acme_3"]
    assert ids(until=TS - 10_000 + 1) == ["acme_0"]
    assert ids(run="run_1") == ["acme_3", "acme_1"]
    assert ids(entity="EMAIL_ADDRESS", verdict="pass", model="m", automation="triage") == ids()[:4]
    assert ids(entity="PHONE_NUMBER") == ids(verdict="block") == ids(automation="x") == []
    seq = client.query("calls", limit=1).first()
    assert seq
    assert ids(before_seq=seq["seq"]) == ids()[1:]


def test_one_call_comes_with_all_that_belongs_to_it(client: RecorderClient) -> None:
    call = client.query("call", call_id="acme_1").first()
    assert call
    assert call["entities"] == [{"side": "request", "kind": "EMAIL_ADDRESS", "n": 1}]
    assert [event["kind"] for event in call["events"]] == ["call.begin", "call.end"]
    assert [said["metric"] for said in call["outcomes"]] == ["success"]
    assert (call["admit_us"], call["clear_us"], call["total_ms"]) == (10, 100, 10.0)


def test_totals_fit_the_calls(client: RecorderClient) -> None:
    by_time = list(client.query("calls_over_time").dicts())
    assert (sum(row["calls"] for row in by_time), sum(row["cost_usd"] for row in by_time)) == (5, 1.25)
    assert sum(row["n"] for row in client.query("entities").dicts()) == 10
    assert {row["stage"]: row["p50_us"] for row in client.query("latency_by_stage").dicts()} == {
        "admit": 20.0,
        "clear": 100.0,
    }
    runs = {row["run_id"]: (row["calls"], row["success"]) for row in client.query("runs").dicts()}
    assert runs == {"run_0": (3, None), "run_1": (2, True)}


def test_arrow_and_json_say_the_same(recorder: Recorder, url: str, client: RecorderClient) -> None:
    headers = {"authorization": f"Bearer {token(recorder)}", "accept": ARROW}
    for name in ("calls", "runs", "policies"):
        response = urllib3.request("POST", f"{url}/v1/query/{name}", headers=headers, body=b"{}")
        table = pa.ipc.open_stream(response.data).read_all()
        said = client.query(name)
        assert tuple(table.column_names) == said.columns
        assert [list(row.values()) for row in table.to_pylist()] == said.rows
        assert table.schema.metadata[b"seq"] == str(said.watermark.seq).encode()


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(None, 401), ("Bearer ", 401), ("Bearer nonsense", 401), ("Basic dTpw", 401)],
)
def test_nobody_asks_without_a_token(url: str, authorization: str | None, status: int) -> None:
    headers = {"authorization": authorization} if authorization else {}
    response = urllib3.request("POST", f"{url}/v1/query/calls", headers=headers, body=b"{}")
    assert response.status == status
    assert "acme" not in response.data.decode()


def test_an_expired_token_is_refused_with_a_sentence(recorder: Recorder, url: str) -> None:
    late = RecorderClient(url, lambda: token(recorder, ttl_s=-1))
    with pytest.raises(RecorderError, match="expired") as caught:
        late.query("calls")
    assert caught.value.status == 401


def test_mistakes_are_explained(client: RecorderClient) -> None:
    with pytest.raises(RecorderError, match="no question named 'drop'"):
        client.query("drop")
    with pytest.raises(RecorderError, match="does not take tenant"):
        client.query("calls", tenant="other")
    with pytest.raises(RecorderError, match="limit must be a whole number"):
        client.query("calls", limit="5; DROP TABLE calls")
    assert len(client.query("calls", automation="' OR 1=1 --").rows) == 0


def test_content_needs_a_role_and_the_right_tenant(recorder: Recorder, url: str, client: RecorderClient) -> None:
    with pytest.raises(RecorderError, match="role reviewer") as caught:
        client.content("acme_1.e")
    assert caught.value.status == 403
    assert RecorderClient(url, lambda: token(recorder, roles=("auditor",))).content("acme_1.e") == {"request": "acme"}
    with pytest.raises(RecorderError, match="no content"):
        RecorderClient(url, lambda: token(recorder, "other", ("admin",))).content("acme_1.e")


def test_erased_content_is_gone_for_everybody(tmp_path: Path) -> None:
    async def use(journal: FileJournal) -> None:
        await journal.commit(end("c1"), content("anna", request="words of anna"))
        await journal.commit(end("c2"), content("bert", request="words of bert"))

    write(tmp_path, use)
    with recording(tmp_path) as recorder, serving(recorder) as address:
        auditor = RecorderClient(address, lambda: token(recorder, roles=("auditor",)))
        assert auditor.content("c1.e") == {"request": "words of anna"}
        ref = recorder.keystore.find_subject("acme", "anna")
        assert ref
        recorder.keystore.erase(ref)
        with pytest.raises(RecorderError, match="erased") as caught:
            auditor.content("c1.e")
        assert caught.value.status == 410
        assert auditor.content("c2.e") == {"request": "words of bert"}
        assert len(auditor.query("calls").rows) == 2


def test_who_read_sealed_content_is_recorded(recorder: Recorder, url: str) -> None:
    auditor = RecorderClient(url, lambda: token(recorder, roles=("auditor",)))
    auditor.content("acme_2.e")
    wait_until(lambda: "acme_2.e" in str(auditor.query("events", kind="content.read").rows))
    said = [(row["actor"], row["body"]) for row in auditor.query("events", kind="content.read").dicts()]
    assert ("u1", '{"event_id":"acme_2.e"}') in said


def test_a_row_limit_cuts_and_says_so(recorder: Recorder) -> None:
    with serving(recorder, QueryLimits(rows=3)) as address:
        table = RecorderClient(address, lambda: token(recorder)).query("calls")
        assert (len(table.rows), table.truncated) == (3, True)


def test_health_is_told_to_everybody(recorder: Recorder, url: str, client: RecorderClient) -> None:
    wait_until(lambda: caught_up(recorder))  # others have read content meanwhile, which is recorded
    assert urllib3.request("GET", f"{url}/healthz").status == 200
    assert urllib3.request("GET", f"{url}/readyz").status == 200
    status = client.status()
    assert (status["phase"], status["behind_bytes"], status["caught_up"]) == ("running", 0, True)
    assert status["seq"] >= 22


def test_a_call_is_known_once_it_is_recorded(client: RecorderClient) -> None:
    assert client.knows(call_id="acme_1").recorded is True
    run = client.knows(run_id="run_1")
    assert run.recorded is True
    assert run.began_us == min(row["ts_us"] for row in client.query("calls", run="run_1").dicts())
    with_no_call = client.knows(run_id="only_steps")
    assert (with_no_call.recorded, with_no_call.began_us) == (True, TS)
    assert client.knows(call_id="never") == client.knows(run_id="never") == Known(False)


@pytest.mark.parametrize("body", [b"[]", b"{", b"null", b"5", b"{" + b" " * 70_000 + b"}"])
def test_a_body_that_is_no_small_object_is_refused(recorder: Recorder, url: str, body: bytes) -> None:
    headers = {"authorization": f"Bearer {token(recorder)}"}
    response = urllib3.request("POST", f"{url}/v1/query/calls", headers=headers, body=body)
    assert response.status == 400
    assert "question" in response.json()["error"]["message"]


def test_a_recorder_that_is_not_there_is_named() -> None:
    with pytest.raises(RecorderError, match="does not answer"):
        RecorderClient("http://127.0.0.1:9", lambda: "t").query("calls")


def test_a_new_record_is_seen_within_moments(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder, serving(recorder) as address:
        asker = RecorderClient(address, lambda: token(recorder))
        assert asker.query("calls").rows == []

        async def use(journal: FileJournal) -> None:
            await journal.commit(end("c1"))

        write(tmp_path, use)
        wait_until(lambda: bool(asker.query("calls").rows), timeout_s=20)
        wait_until(lambda: caught_up(recorder))
