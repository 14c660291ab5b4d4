"""/metrics of a recorder and of a gateway, with and without each other; no collector, no OpenTelemetry."""

import dataclasses
import json
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from gateway.admission import Holder, StaticDirectory
from gateway.app import create_app
from gateway.errors import UpstreamError
from gateway.providers.scripted import ScriptedProvider
from gateway.routes import metrics as gateway_metrics
from gateway.settings import load
from gateway.wiring import Parts
from metrics.record.ids import utc_us
from metrics.record.journal import MemoryJournal
from metrics.record.master import MasterKey
from metrics.record.otel import Telemetry
from metrics.record.prometheus import CONTENT_TYPE, add_metrics
from metrics.record.recorder import Recorder
from metrics.record.service import Service
from metrics.record.service import create_app as recorder_app
from metrics.record.token import Grant, secret_of, sign, verify
from policy.model import Facts
from tests.integration.metrics.support import caught_up, recording, wait_until, write_calls
from tests.unit.gateway.making import pipeline, snapshot

KEY = "sk-sluice-test"


def application(recorder: Recorder, environ: dict[str, str] | None = None) -> FastAPI:
    service = Service(recorder)
    app = recorder_app(service)
    add_metrics(app, Telemetry(recorder, environ or {}).families, service.grant)
    return app


def bearer(recorder: Recorder, tenant: str) -> dict[str, str]:
    token = sign(secret_of(recorder.master), Grant("key_1", tenant, ("viewer",)), int(time.time()))
    return {"authorization": f"Bearer {token}"}


def samples(text: str) -> dict[str, float]:
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line[0] != "#"}


def test_the_recorder_shows_calls_its_own_place_and_the_gateways_workers(tmp_path: Path) -> None:
    (tmp_path / "status").mkdir()
    for name, journal in (("w1", True), ("w2", False)):
        said = {
            "pid": 1,
            "snapshot": "abc",
            "journal": journal,
            "stale_since": None,
            "breakers": {"openai/gpt": "open"},
        }
        (tmp_path / "status" / f"{name}.json").write_text(json.dumps(said))
    with recording(tmp_path) as recorder, TestClient(application(recorder)) as client:
        write_calls(tmp_path, "call_1", "call_2")
        wait_until(lambda: caught_up(recorder) and recorder.state.progress.seq == 4)
        answer = client.get("/metrics", headers=bearer(recorder, "acme"))
    assert answer.headers["content-type"] == CONTENT_TYPE
    found = samples(answer.text)
    about = 'sluice_tenant="acme",sluice_automation="triage",sluice_outcome="ok",sluice_verdict=""'
    expected = {
        f"sluice_calls_total{{{about}}}": 2,
        "sluice_recorder_running": 1,
        "sluice_recorder_behind_bytes": 0,
        "sluice_ledger_seq": 4,
        "sluice_workers": 2,
        "sluice_workers_journal_unavailable": 1,
        "sluice_workers_snapshots": 1,
        'sluice_breaker_state{gen_ai_provider_name="openai",gen_ai_request_model="gpt"}': 2,
    }
    assert {name: found[name] for name in expected} == expected
    assert not [name for name in found if name.startswith("sluice_otlp")]


def test_without_a_token_no_tenant_can_be_told_from_another(tmp_path: Path) -> None:
    write_calls(tmp_path, "call_1", "call_2")
    write_calls(tmp_path, "call_3", tenant="umbrella")
    with recording(tmp_path) as recorder, TestClient(application(recorder)) as client:
        everybody, asked = client.get("/metrics").text, client.get("/metrics?tenant=acme").text
        own = client.get("/metrics", headers=bearer(recorder, "umbrella")).text
        forged = client.get("/metrics", headers={"authorization": "Bearer forged"})
    alike = 'sluice_automation="triage",sluice_outcome="ok",sluice_verdict=""'
    for text in (everybody, asked):
        assert samples(text)[f"sluice_calls_total{{{alike}}}"] == 3
        assert "acme" not in text
        assert "umbrella" not in text
    assert samples(own)[f'sluice_calls_total{{sluice_tenant="umbrella",{alike}}}'] == 1
    assert "acme" not in own
    assert forged.status_code == 401


def test_torn_records_are_counted(tmp_path: Path) -> None:
    write_calls(tmp_path, "call_1")
    (segment,) = (tmp_path / "journal" / "meta").glob("*/*")
    segment.write_bytes(segment.read_bytes() + b'{"event_id":"half a line')
    with (
        recording(tmp_path, lambda r: bool(r.counters.damaged)) as recorder,
        TestClient(application(recorder)) as client,
    ):
        assert samples(client.get("/metrics").text)['sluice_journal_damaged_total{sluice_reason="torn"}'] == 1


def test_a_variable_that_cannot_be_followed_turns_sending_off_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    recorder = Recorder(tmp_path, {})
    telemetry = Telemetry(recorder, environ)
    telemetry.start()
    telemetry.close()
    recorder.close()
    assert "OTEL_EXPORTER_OTLP_PROTOCOL" in caplog.text


def test_without_a_collector_the_recorder_does_without_opentelemetrys_sdk() -> None:
    program = "import sys, metrics.main; print([m for m in sys.modules if m.startswith('opentelemetry.sdk')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


class Asking:
    """The gateway's route, asked with or without a recorder behind it."""

    def __init__(self, data: Path, said: str | None) -> None:
        self.settings = load({"SLUICE_DATA": str(data), "SLUICE_RECORDER_PORT": "9"}, data)
        self.said, self.asked = said, cast("dict[str, str]", {})
        self.master, self.database = MasterKey(b"k" * 32), SimpleNamespace(clock_us=utc_us)
        self.directory = StaticDirectory({KEY.encode(): Holder("k", Facts("acme", None, "triage", None, None))})

    async def get(self, _url: str, _seconds: float, headers: dict[str, str]) -> tuple[int, bytes]:
        if self.said is None:
            raise UpstreamError("nobody there")
        self.asked = headers
        return 200, self.said.encode()

    def answer(self, key: str | None) -> Any:
        parts = SimpleNamespace(
            settings=self.settings, connections=self, directory=self.directory, master=self.master,
            database=self.database,
        )  # fmt: skip
        idle = pipeline(snapshot(self.settings.data), ScriptedProvider([]), MemoryJournal())
        served = dataclasses.replace(idle, directory=self.directory)
        with TestClient(create_app(served, [gateway_metrics.router(cast("Parts", parts))])) as client:
            return client.get("/metrics", headers={"authorization": f"Bearer {key}"} if key else {})


def test_the_gateway_forwards_the_recorders_numbers_about_the_keys_tenant(tmp_path: Path) -> None:
    asking = Asking(tmp_path, "sluice_recorder_up 1\n")
    assert asking.answer(KEY).text == "sluice_recorder_up 1\n"
    token = asking.asked["authorization"].removeprefix("Bearer ")
    assert verify(secret_of(asking.master), token, int(time.time())).tenant == "acme"


def test_the_gateway_says_that_the_recorder_is_down(tmp_path: Path) -> None:
    found = samples(Asking(tmp_path, None).answer(KEY).text)
    assert (found["sluice_recorder_up"], found["sluice_workers"]) == (0, 0)


def test_the_gateways_numbers_need_a_key(tmp_path: Path) -> None:
    refused = Asking(tmp_path, "secret").answer(None)
    assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
