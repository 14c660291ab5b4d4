"""`sluice up` for real: an unchanged client is answered, the call is listed, keys come and go, crashes are survived."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from openai import AuthenticationError, OpenAI

from gateway.machine.ports import listen
from gateway.machine.up import is_ready
from tests.integration.processes.watching import alive, until
from tests.upstream import Received, Step, Upstream, reply, running_upstream

# One machine is started once and used in order.
pytestmark = [pytest.mark.xdist_group("sluice-up"), pytest.mark.timeout(300)]
SLUICE = (sys.executable, "-P", "-m", "gateway.cli")
KEY = "sk-sluice-of-the-test-0123456789"
POLICY = """
policy: default
schema: 1
owner: tests@example.com
redaction:
  names: "off"
  request: {EMAIL_ADDRESS: {operator: pseudonym}}
  answer: {EMAIL_ADDRESS: {operator: replace}}
  restore: caller
"""
PROVIDERS = "schema: 1\nproviders:\n  openai: {base_url_env: OPENAI_BASE_URL, api_key_env: OPENAI_API_KEY}\n"
PRICES = "schema: 1\nprices:\n  - {provider: openai, model: gpt-test, from: 2020-01-01, input_usd: 1, output_usd: 4}\n"


def echo(request: Received) -> list[Step]:
    """Answer with what the model saw."""
    asked = request.json["messages"][-1]["content"]
    message = {"role": "assistant", "content": f"You wrote: {asked}"}
    return reply(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-test",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
    )


class Up:
    """One data folder on which `sluice up` is started, again and again if need be."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self.folder = folder
        policies = folder / "policies"
        policies.mkdir(parents=True)
        for name, text in {"default": POLICY, "providers": PROVIDERS, "prices": PRICES}.items():
            (policies / f"{name}.yaml").write_text(text)
        ports = dict.fromkeys(("SLUICE_PORT", "SLUICE_RECORDER_PORT", "SLUICE_DASHBOARD_PORT"), "0")
        known = {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "upstream-key", "SLUICE_BOOTSTRAP_KEY": KEY}
        self.environ = {**os.environ, **ports, **known, "SLUICE_GRACE_S": "2"}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def output(self) -> str:
        return (self.folder / "output").read_text("utf-8")

    def start(self) -> None:
        with (self.folder / "output").open("wb") as output:
            command = [*SLUICE, "up", "--no-dashboard", "--no-worker"]
            process = subprocess.Popen(
                command, cwd=self.folder, env=self.environ, stdout=output, stderr=subprocess.STDOUT
            )
        self.process = process
        until(lambda: "Ctrl-C stops everything." in self.output or process.poll() is not None, "readiness", 90)
        assert process.poll() is None, self.output

    def stop(self, number: int = signal.SIGINT) -> int:
        assert self.process
        self.process.send_signal(number)
        return self.process.wait(90)

    def run(self, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*SLUICE, *arguments],
            cwd=self.folder,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=90,
        )

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def address(self, part: str) -> str:
        return str(json.loads((self.folder / "sluice-data" / "up.json").read_text())[part])

    def client(self, key: str = KEY) -> OpenAI:
        return OpenAI(base_url=f"{self.address('gateway')}/v1", api_key=key, max_retries=0, timeout=60)

    def ask(self, text: str, key: str = KEY) -> str:
        with self.client(key) as client:
            answer = client.chat.completions.create(model="gpt-test", messages=[{"role": "user", "content": text}])
        return str(answer.choices[0].message.content)

    def processes(self) -> dict[int, str]:
        """Return the processes that `sluice up` started, with their command lines."""
        assert self.process
        return descendants(self.process.pid)


def descendants(parent: int) -> dict[int, str]:
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    found: dict[int, str] = {}
    families = {parent}
    while families:
        children = {int(pid): args for pid, ppid, args in rows if int(ppid) in families}
        found |= children
        families = set(children)
    return found


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    with running_upstream() as running:
        running.default = echo
        yield running


@pytest.fixture(scope="module")
def up(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    started = Up(tmp_path_factory.mktemp("up"), upstream)
    try:
        started.start()
        yield started
    finally:
        if started.process and started.process.poll() is None:
            started.process.kill()
            started.process.wait()


def listed(up: Up, **wanted: str) -> list[Mapping[str, Any]]:
    filters = [part for name, value in wanted.items() for part in (f"--{name}", value)]
    return list(up.json("calls", "list", *filters))


def test_it_says_who_answers_and_where_to_point_a_client(up: Up, upstream: Upstream) -> None:
    assert f"Upstream: openai at 127.0.0.1:{upstream.port}." in up.output
    assert f"export OPENAI_BASE_URL={up.address('gateway')}/v1" in up.output
    assert KEY not in up.output
    assert "the key you set" in up.output


def test_an_unchanged_client_is_answered_and_the_model_saw_no_address(up: Up, upstream: Upstream) -> None:
    assert up.ask("Write to ann@example.com") == "You wrote: Write to ann@example.com"
    seen = upstream.received[-1]
    assert b"ann@example.com" not in seen.body
    assert seen.headers["authorization"] == "Bearer upstream-key"


def test_the_call_is_listed_and_shown(up: Up) -> None:
    up.ask("Please list me, bob@example.com")
    until(lambda: listed(up, since="1h"), "a listed call", 60)
    call = listed(up, since="1h")[0]
    assert (call["automation"], call["status"], call["outcome"]) == ("default", 200, "ok")
    assert call["cost_usd"] == pytest.approx(0.00003)
    shown = up.json("calls", "show", call["call_id"])
    assert shown["policy"] == "default"
    assert {(found["side"], found["kind"]) for found in shown["entities"]} >= {("request", "EMAIL_ADDRESS")}
    assert "bob@example.com" not in json.dumps(shown)
    table = up.run("calls", "list").stdout
    assert call["call_id"] in table


def test_a_new_key_works_and_a_revoked_one_does_not(up: Up) -> None:
    key = up.run("keys", "create", "--name", "short-lived").stdout.strip()
    until(lambda: works(up, key), "the new key", 30)
    [made] = [each for each in up.json("keys", "list") if each["name"] == "short-lived"]
    assert up.run("keys", "revoke", made["key_id"]).returncode == 0
    until(lambda: not works(up, key), "the refusal", 30)


def works(up: Up, key: str) -> bool:
    try:
        up.ask("hello", key)
    except AuthenticationError:
        return False
    return True


def test_a_killed_worker_and_a_killed_recorder_come_back(up: Up) -> None:
    victims = [
        pid for pid, args in up.processes().items() if "gateway.worker" in args or "gateway.cli recorder" in args
    ]
    assert len(victims) == 3
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    until(lambda: sum("gateway.worker" in args for args in up.processes().values()) == 2, "new workers")
    assert up.ask("still there?") == "You wrote: still there?"
    until(lambda: "The recorder ended unexpectedly (SIGKILL)" in up.output, "the line about the recorder")
    until(lambda: up.run("calls", "list").returncode == 0, "the recorder", 60)


def test_a_second_supervisor_on_the_same_folder_is_refused(up: Up) -> None:
    second = up.run("up", "--no-dashboard")
    assert second.returncode == 2
    assert second.stderr.startswith("Error: SLUICE_DATA is ")


def test_ctrl_c_stops_everything_and_loses_nothing(up: Up) -> None:
    before = len(listed(up))
    up.ask("the last call")
    everything = up.processes()
    assert up.stop() == 0
    assert up.output.endswith("Stopped. Nothing was lost.\n")
    assert not [pid for pid in everything if alive(pid)]
    up.start()
    assert len(listed(up)) == before + 1


def test_after_a_kill_nothing_is_left_and_the_next_start_finds_every_call(up: Up) -> None:
    up.ask("before the kill")
    before = len(listed(up))
    everything = up.processes()
    assert up.process
    up.process.kill()
    up.process.wait()
    until(lambda: not [pid for pid in everything if alive(pid)], "the end of all parts", 30)
    up.start()
    until(lambda: len(listed(up)) >= before, "all calls", 60)
    assert up.stop() == 0
    rebuilt = up.json("ledger", "rebuild")
    assert rebuilt["missing"] == []


def test_the_gateway_alone_prepares_itself_answers_and_drains(up: Up, tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    environ = {**up.environ, "SLUICE_PORT": str(port), "SLUICE_DATA": str(tmp_path / "data"), "SLUICE_WORKERS": "1"}
    alone = subprocess.Popen([*SLUICE, "gateway"], cwd=up.folder, env=environ, stderr=subprocess.DEVNULL)
    try:
        until(lambda: asyncio.run(is_ready("127.0.0.1", port, "/readyz")), "the gateway", 90)
        with OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key=KEY, max_retries=0) as client:
            answer = client.chat.completions.create(model="gpt-test", messages=[{"role": "user", "content": "alone"}])
        assert answer.choices[0].message.content == "You wrote: alone"
        alone.terminate()
        assert alone.wait(60) == 0
    finally:
        alone.kill()
        alone.wait()


def test_a_busy_port_that_was_set_is_an_error_with_exit_code_two(up: Up, tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as busy:
        port = str(busy.getsockname()[1])
        for name in ("up", "gateway"):
            done = up.run(name, SLUICE_PORT=port, SLUICE_DATA=str(tmp_path / "data"))
            assert done.returncode == 2
            assert f"SLUICE_PORT is {port}, but another program listens there" in done.stderr


def test_a_base_url_that_leads_back_is_refused_with_exit_code_two(up: Up, tmp_path: Path) -> None:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    own = {"SLUICE_PORT": str(port), "OPENAI_BASE_URL": f"http://localhost:{port}/v1"}
    for name in ("up", "gateway"):
        done = up.run(name, **own, SLUICE_DATA=str(tmp_path / "data"))
        assert done.returncode == 2
        assert "OPENAI_BASE_URL is " in done.stderr
        assert "this gateway itself" in done.stderr
