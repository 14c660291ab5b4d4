"""A disk that is full or does not sync: the policy decides, and all is well when the disk is, without a restart."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from metrics.record.fileops import FaultyFiles
from metrics.record.journal import FileJournal, Options, open_keystore
from tests.e2e.conftest import Start
from tests.e2e.wire import ASK, completion
from tests.integration.metrics.support import segments
from tests.running_gateway import KEY, Running
from tests.upstream import Upstream, reply


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def journal(tmp_path: Path, files: FaultyFiles) -> Iterator[FileJournal]:
    keystore, _ = open_keystore(tmp_path, {})
    yield FileJournal(tmp_path, "worker-1", keystore, Options(files=files))
    keystore.close()


def ask(gateway: Running) -> httpx.Response:
    body = {"model": "gpt-test", "messages": ASK}
    url = f"{gateway.base_url}/v1/chat/completions"
    return httpx.post(url, json=body, headers={"authorization": f"Bearer {KEY}"}, timeout=10)


def fill(files: FaultyFiles) -> None:
    files.full = True


def stop_syncing(files: FaultyFiles) -> None:
    files.sync_failures = 1_000_000


FAULTS = pytest.mark.parametrize("fault", [fill, stop_syncing])


@FAULTS
def test_block_refuses_while_it_lasts_and_serves_again_at_once_after_it(
    fault: Callable[[FaultyFiles], None],
    files: FaultyFiles,
    journal: FileJournal,
    upstream: Upstream,
    start: Start,
) -> None:
    upstream.default = lambda _request: reply(completion())
    gateway = start(journal=journal)
    assert ask(gateway).status_code == 200
    fault(files)
    refused = [ask(gateway) for _ in range(3)]
    assert [(r.status_code, r.json()["error"]["code"]) for r in refused] == [(503, "record_failed")] * 3
    files.full, files.sync_failures = False, 0
    assert any(ask(gateway).status_code == 200 for _ in range(100))


@FAULTS
def test_serve_answers_says_so_and_writes_later(
    fault: Callable[[FaultyFiles], None],
    files: FaultyFiles,
    journal: FileJournal,
    upstream: Upstream,
    start: Start,
    tmp_path: Path,
) -> None:
    upstream.default = lambda _request: reply(completion())
    gateway = start(failure="serve", journal=journal)
    fault(files)
    served = [ask(gateway) for _ in range(3)]
    assert [r.headers.get("x-sluice-record") for r in served] == ["deferred"] * 3
    files.full, files.sync_failures = False, 0
    assert any("x-sluice-record" not in ask(gateway).headers for _ in range(100))
    written = b"".join(path.read_bytes() for path in segments(tmp_path))
    assert all(f'"{r.headers["x-sluice-call-id"]}.e"'.encode() in written for r in served)
