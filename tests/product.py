"""The whole product for a test: the simulated provider and `sluice up`, as real processes on free ports."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.servers import free_port

ROOT = Path(__file__).parent.parent
SLUICE = Path(sys.executable).parent / "sluice"
KEY = "sk-sluice-" + "e" * 43


@dataclass
class Product:
    """Where everything listens; `output` is what `sluice up` printed."""

    port: int
    recorder: int
    dashboard: int
    data: Path
    output: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def sign_in_link(self) -> str:
        found = re.search(r"http://\S+\?login=\S+", self.output.read_text())
        assert found, self.output.read_text()
        return found.group()

    def sluice(self, *arguments: str) -> str:
        """Run a command of the CLI against this product and return what it printed."""
        done = subprocess.run(
            [SLUICE, *arguments], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_for(url: str, process: subprocess.Popen[bytes], output: Path, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not answers(url):
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < deadline, f"{url} did not answer:\n{output.read_text()}"
        time.sleep(0.1)


@contextmanager
def program(argv: list[str], environment: dict[str, str], output: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the test ends; it is asked to stop as Ctrl-C would ask, and killed if it does not."""
    with output.open("wb") as file:
        process = subprocess.Popen(argv, env=environment, stdout=file, stderr=subprocess.STDOUT, cwd=output.parent)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running_product(
    folder: Path,
    *flags: str,
    policies: Path = ROOT / "policies",
    provider_port: int = 0,
    seen_at: int = 0,
    more: Mapping[str, str] | None = None,
    faults: Sequence[str] = (),
) -> Iterator[Product]:
    """Start the simulated provider and `sluice up`, and wait until every part is ready.

    `faults` are flags of the provider.
    With `seen_at` the gateway reaches the provider at that port, where something passes on what it says.
    """
    upstream, port, recorder, dashboard = provider_port or free_port(), free_port(), free_port(), free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SLUICE_", "OPENAI_"))},
        "SLUICE_UPSTREAM": "simulated",
        "SLUICE_SIMULATED_BASE_URL": f"http://127.0.0.1:{seen_at or upstream}/v1",
        "SLUICE_DATA": str(folder / "data"),
        "SLUICE_POLICIES": str(policies),
        "SLUICE_PORT": str(port),
        "SLUICE_RECORDER_PORT": str(recorder),
        "SLUICE_DASHBOARD_PORT": str(dashboard),
        "SLUICE_WORKER_PORT": str(free_port()),
        "SLUICE_BOOTSTRAP_KEY": KEY,
        **(more or {}),
    }
    provider = [sys.executable, "-m", "demo.provider", "--port", str(upstream), "--latency-scale", "0.1", *faults]
    with (
        program(provider, environment, folder / "provider.txt") as simulated,
        program([str(SLUICE), "up", *flags], environment, folder / "up.txt") as process,
    ):
        wait_for(f"http://127.0.0.1:{upstream}/v1/models", simulated, folder / "provider.txt")
        wait_for(f"http://127.0.0.1:{port}/readyz", process, folder / "up.txt")
        wait_for(f"http://127.0.0.1:{recorder}/readyz", process, folder / "up.txt")
        if "--no-dashboard" not in flags:
            wait_for(f"http://127.0.0.1:{dashboard}/_stcore/health", process, folder / "up.txt")
        if "SLUICE_AUTOMATIONS" in environment:
            wait_for(f"http://127.0.0.1:{environment['SLUICE_WORKER_PORT']}/readyz", process, folder / "up.txt")
        yield Product(port, recorder, dashboard, folder / "data", folder / "up.txt", environment, process)
