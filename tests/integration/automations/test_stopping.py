"""A worker as a program: whoever tells it to stop, once or twice, sees it end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.peers import free_port
from tests.product import ROOT, wait_for


def test_a_worker_that_is_told_twice_to_stop_ends_well(tmp_path: Path) -> None:
    port, output = free_port(), tmp_path / "output"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")},
        "SLUICE_DATA": str(tmp_path / "data"),
        "SLUICE_AUTOMATIONS": str(ROOT / "tests" / "e2e" / "automations"),
        "SLUICE_WORKER_KEYS": "letters=sk-sluice-" + "w" * 43,
        "SLUICE_PORT": str(free_port()),  # nobody: it waits for its gateway
    }
    command = [sys.executable, "-P", "-m", "gateway.cli", "worker", "--port", str(port)]
    with output.open("wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/healthz", process, output)
        for number in (signal.SIGTERM, signal.SIGTERM):
            process.send_signal(number)
        assert process.wait(30) == 0
    finally:
        process.kill()
    assert "Traceback" not in output.read_text()
