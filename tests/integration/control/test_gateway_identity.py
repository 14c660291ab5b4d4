"""A whole gateway: who signs in may make a key, every worker accepts it, and refuses it once it is revoked."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.control.database import open_database
from metrics.record.master import master_key
from metrics.record.token import secret_of, verify

ROOT = Path(__file__).parents[3]
POLICY = "policy: default\nschema: 1\nowner: o@example.com\nredaction: {names: 'off'}\n"
PROVIDERS = "schema: 1\nproviders:\n  openai: {base_url: 'http://127.0.0.1:9/v1'}\n"
REFUSED = {401, 429}  # a wrong key; too many of them in this minute
LOOKS = 20  # requests on connections of their own: every worker gets some


@dataclass
class Site:
    """A gateway with two workers on a port of its own."""

    data: Path
    port: int

    def ask(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        found = response.status, json.loads(response.read())
        connection.close()
        return found

    def statuses(self, key: str) -> set[int]:
        call = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}
        return {self.ask("POST", "/v1/chat/completions", key, call)[0] for _ in range(LOOKS)}

    @property
    def operator(self) -> str:
        return (self.data / "cli.token").read_text()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("gateway")
    data, policies = folder / "data", folder / "policies"
    policies.mkdir()
    (policies / "default.yaml").write_text(POLICY)
    (policies / "providers.yaml").write_text(PROVIDERS)
    settings = {"SLUICE_DATA": str(data), "SLUICE_POLICIES": str(policies), "SLUICE_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "gateway"],
        env={"PATH": os.environ["PATH"], **settings},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        made = Site(data, _port(process))
        until_ready(made)
        yield made
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def _port(process: "subprocess.Popen[str]") -> int:
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"listening on 127\.0\.0\.1:(\d+)", line)
        if found:
            return int(found[1])
    raise AssertionError("the gateway did not start")


def until_ready(site: Site) -> None:
    """Wait until both workers have policies and keys."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if {site.ask("GET", "/readyz", "none")[0] for _ in range(LOOKS)} == {200}:
                return
        except OSError:
            pass
        time.sleep(0.1)
    raise AssertionError("the gateway was not ready within a minute")


def test_a_key_made_over_http_works_in_every_worker_until_it_is_revoked(site: Site) -> None:
    assert site.statuses("sk-sluice-wrong") == {401}
    status, made = site.ask("POST", "/admin/keys", site.operator, {"automation": "triage"})
    assert status == 200
    deadline = time.monotonic() + 30
    while REFUSED & site.statuses(made["key"]):
        assert time.monotonic() < deadline, "the key is not known to every worker"
    assert site.ask("DELETE", f"/admin/keys/{made['id']}", site.operator)[1]["state"] == "revoked"
    while site.statuses(made["key"]) - REFUSED:
        assert time.monotonic() < deadline, "the revoked key is still accepted"


def test_the_operators_token_opens_the_recorders_door(site: Site) -> None:
    status, answer = site.ask("POST", "/auth/query-token", site.operator, {})
    assert status == 200
    grant = verify(secret_of(master_key(site.data, {})), answer["token"], int(time.time()))
    assert (grant.sub, grant.tenant) == ("usr_operator", "default")
    assert "admin" in grant.roles


def test_no_secret_lies_in_the_data_folder_in_clear_but_the_operators_own_token(site: Site) -> None:
    _, made = site.ask("POST", "/admin/keys", site.operator, {})
    site.ask("GET", "/v1/models", made["key"])
    token, key = site.operator.encode(), made["key"].encode()
    database = open_database(f"sqlite:///{site.data}/control.db")
    with database.outside_transactions() as conn:
        conn.exec_driver_sql("PRAGMA wal_checkpoint(FULL)").all()
    database.close()
    holders = {file.name for file in site.data.rglob("*") if file.is_file() and token in file.read_bytes()}
    assert holders == {"cli.token"}
    assert not [file for file in site.data.rglob("*") if file.is_file() and key[10:] in file.read_bytes()]
