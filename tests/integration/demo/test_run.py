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
def test_the_automations_work_on_the_samples_and_everything_stops(tmp_path: Path) -> None:
    environ = {**os.environ, "SLUICE_DATA": str(tmp_path / "data")}
    environ |= {f"SLUICE_{part}PORT": "0" for part in ("", "RECORDER_", "DASHBOARD_", "WORKER_")}
    command = [sys.executable, "-m", "demo.run", "--samples", str(SAMPLES), "--fault-rate", "0"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        said: list[str] = []
        for line in run.stdout:
            said.append(line)
            if line.startswith("Look at it"):
                break
        children = psutil.Process(run.pid).children(recursive=True)
        runs = finished(environ)
        run.send_signal(signal.SIGINT)
        said += run.communicate()[0].splitlines(keepends=True)
    text = "".join(said)
    assert run.returncode == 0, text
    assert "2 tickets, 2 companies and 2 summaries came out" in text
    assert "6 outcomes reported" in text
    assert "simulated provider" in text
    assert "export OPENAI_BASE_URL=http://127.0.0.1:" in text
    ended = {(each["automation"], each["state"]) for each in runs}
    assert ended == {
        ("inbound-triage", "done"),
        ("crm-enrichment", "done"),
        ("qualification-summary", "done"),
        ("support-drafting", "held"),  # a person looks at each draft first
    }
    assert psutil.wait_procs(children, timeout=10)[1] == []


def finished(environ: dict[str, str]) -> list[dict[str, str]]:
    """The runs, once there is one for each sample."""
    command = [sys.executable, "-m", "gateway.cli", "runs", "list", "--json"]
    for _ in range(20):
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        rows = json.loads(done.stdout or "[]")
        runs: list[dict[str, str]] = rows.get("data", rows) if isinstance(rows, dict) else rows
        if len(runs) >= SAMPLES:
            return runs
    raise AssertionError(f"too few runs: {done.stdout} {done.stderr}")
