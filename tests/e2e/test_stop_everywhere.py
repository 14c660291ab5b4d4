"""The emergency stop with a real `sluice gateway` of three workers: all their streams end, nothing new gets out."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import openai
import psutil
import pytest

from benchmarks.servers import free_port
from tests.e2e.wire import ASK, completion, text_chunks
from tests.integration.processes.test_real import KEY, POLICY, PRICES, PROVIDERS, SLUICE
from tests.integration.processes.watching import until
from tests.product import program, wait_for
from tests.upstream import Received, Step, Upstream, reply, running_upstream, stream

pytestmark = pytest.mark.timeout(180)
ENOUGH = 12  # new connections in a row, of which the system gives each to any worker


def endless(request: Received) -> list[Step]:
    """Begin a stream and say nothing more for a minute; answer what is not streamed at once."""
    if request.json.get("stream"):
        return stream(*text_chunks("One", " two")[:-1], 60.0, done=False)
    return reply(completion())


@dataclass
class Machine:
    """One gateway of three workers, and its clients."""

    port: int
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    stack: ExitStack

    def sluice(self, *arguments: str) -> None:
        done = subprocess.run([*SLUICE, *arguments], env=self.environment, capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()

    def begun(self) -> Any:
        """Open a live stream over a connection of its own, and read its first piece."""
        client = openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key=KEY, max_retries=0, timeout=90)
        self.stack.enter_context(client)
        said = client.chat.completions.create(model="gpt-test", messages=ASK, stream=True)
        next(iter(said))
        return said

    def busy(self) -> int:
        """Count the workers with a client's connection."""
        found = [each for each in psutil.Process(self.process.pid).children(recursive=True) if _is_worker(each)]
        return sum(any(c.laddr.port == self.port and c.raddr for c in each.net_connections()) for each in found)

    def all_answer(self, status: int) -> bool:
        """Say whether every one of many new connections is answered so."""
        return all(self._status() == status for _ in range(ENOUGH))

    def _status(self) -> int:
        url, headers = f"http://127.0.0.1:{self.port}/v1/chat/completions", {"authorization": f"Bearer {KEY}"}
        return httpx2.post(url, json={"model": "gpt-test", "messages": ASK}, headers=headers, timeout=60).status_code


def _is_worker(process: psutil.Process) -> bool:
    return "gateway.worker" in process.cmdline()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    with ExitStack() as stack:
        upstream: Upstream = stack.enter_context(running_upstream())
        upstream.default = endless
        policies = tmp_path / "policies"
        policies.mkdir()
        for name, text in {"default": POLICY, "providers": PROVIDERS, "prices": PRICES}.items():
            (policies / f"{name}.yaml").write_text(text)
        port = free_port()
        known = {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "k", "SLUICE_BOOTSTRAP_KEY": KEY}
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SLUICE_")} | known
        environment |= {"SLUICE_DATA": str(tmp_path / "data"), "SLUICE_PORT": str(port), "SLUICE_GRACE_S": "2"}
        environment |= {"SLUICE_POLICIES": str(policies)}
        output = tmp_path / "gateway.txt"
        process = stack.enter_context(program([*SLUICE, "gateway", "--workers", "3"], environment, output))
        wait_for(f"http://127.0.0.1:{port}/readyz", process, output)
        yield Machine(port, environment, process, stack)


def test_a_stop_reaches_the_streams_and_calls_of_every_worker(machine: Machine) -> None:
    streams = [machine.begun()]
    while (machine.busy() < 2 or len(streams) < 6) and len(streams) < 40:
        streams.append(machine.begun())
    assert machine.busy() >= 2
    machine.sluice("stop", "default")
    for each in streams:
        with pytest.raises(openai.APIError) as caught:
            list(each)
        assert caught.value.code == "automation_stopped"
    until(lambda: machine.all_answer(423), "every worker holds", 60)
    machine.sluice("start", "default")
    until(lambda: machine.all_answer(200), "every worker answers again", 60)
    assert machine.begun()
