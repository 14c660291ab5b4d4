"""The product that values are planted through: one started for it in an empty folder, or one that runs already."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gateway.verify.echo import Upstream
from policy.model import Policy
from policy.values import dump

_READY_S = 90.0
_STOP_S = 30
_KEY = "sk-sluice-" + "v" * 43
_PROVIDERS = "schema: 1\nproviders: {verify: {base_url: 'http://127.0.0.1:PORT/v1'}}\n"
_KEPT = ("policy", "schema", "owner", "redaction", "delivery", "failure", "logging", "retention")


@dataclass(frozen=True)
class Target:
    """Where requests go (`url` ends in /v1), and the folder in which the product keeps what it writes."""

    url: str
    key: str
    model: str
    data: Path


@contextmanager
def started(policy: Policy, folder: Path, upstream: Upstream) -> Iterator[Target]:
    """Run gateway and recorder with one policy, in front of the given upstream.

    Raises:
        TimeoutError: they are not ready in time.
    """
    policies, data = folder / "policies", folder / "data"
    policies.mkdir(parents=True)
    block = {name: value for name, value in dump(policy).items() if name in _KEPT}
    (policies / "verified.yaml").write_text(json.dumps(block, indent=1), "utf-8")
    (policies / "providers.yaml").write_text(_PROVIDERS.replace("PORT", str(upstream.port)), "utf-8")
    (policies / "prices.yaml").write_text("schema: 1\nprices: []\n", "utf-8")
    gateway, recorder = _free_ports(2)
    here = f"http://127.0.0.1:{upstream.port}"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SLUICE_", "OTEL_"))},
        **{"SLUICE_DATA": str(data), "SLUICE_POLICIES": str(policies), "SLUICE_UPSTREAM": "verify"},
        **{"SLUICE_PORT": str(gateway), "SLUICE_RECORDER_PORT": str(recorder), "SLUICE_BOOTSTRAP_KEY": _KEY},
        **{"OTEL_EXPORTER_OTLP_ENDPOINT": here, "SLUICE_WORKERS": "1"},
    }
    argv = [sys.executable, "-P", "-m", "gateway.cli", "up", "--no-dashboard", "--no-worker"]
    with (folder / "up.txt").open("wb") as output:
        process = subprocess.Popen(argv, env=environment, stdout=output, stderr=output)
        try:
            for port in (gateway, recorder):
                _wait(f"http://127.0.0.1:{port}/readyz", process)
            yield Target(f"http://127.0.0.1:{gateway}/v1", _KEY, "verify", data)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    (data / "logs").mkdir(exist_ok=True)
    (folder / "up.txt").replace(data / "logs" / "up.txt")


def _free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on, below those that the system hands out for outgoing connections."""
    random = Random()
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(12_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0 and port not in found:
                found.append(port)
    return found


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - an address of ours on this machine
                if reply.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise TimeoutError("the product did not start")
