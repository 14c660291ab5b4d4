"""`python -m demo.run` as a user starts it: rows stand in the ledger, and Ctrl-C ends everything with exit code 0."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

SAMPLES = 8


@pytest.mark.timeout(240)
def test_sample_calls_are_recorded_and_everything_stops(tmp_path: Path) -> None:
    environ = {
        **os.environ,
        "SLUICE_DATA": str(tmp_path / "data"),
        "SLUICE_PORT": "0",
        "SLUICE_RECORDER_PORT": "0",
        "SLUICE_DASHBOARD_PORT": "0",
    }
    command = [sys.executable, "-m", "demo.run", "--samples", str(SAMPLES), "--fault-rate", "0"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        said: list[str] = []
        for line in run.stdout:
            said.append(line)
            if line.startswith("Look at it"):
                break
        children = psutil.Process(run.pid).children(recursive=True)
        calls = recorded(environ)
        run.send_signal(signal.SIGINT)
        said += run.communicate()[0].splitlines(keepends=True)
    text = "".join(said)
    assert run.returncode == 0, text
    assert f"{SAMPLES} runs: {SAMPLES} done, 0 refused, 0 failed" in text
    assert "0 not accepted" in text
    assert "simulated provider" in text
    assert "export OPENAI_BASE_URL=http://127.0.0.1:" in text
    assert {call["automation"] for call in calls} == {
        "inbound-triage",
        "crm-enrichment",
        "qualification-summary",
        "support-drafting",
    }
    assert psutil.wait_procs(children, timeout=10)[1] == []


def recorded(environ: dict[str, str]) -> list[dict[str, object]]:
    """The calls in the ledger, once as many are there as the samples make at least."""
    command = [sys.executable, "-m", "gateway.cli", "calls", "list", "--json"]
    for _ in range(20):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        rows = json.loads(done.stdout or "[]")
        calls = rows.get("calls", rows) if isinstance(rows, dict) else rows
        if len(calls) >= SAMPLES + SAMPLES // 2:
            return list(calls)
    raise AssertionError(f"the ledger shows too few calls: {done.stdout} {done.stderr}")
