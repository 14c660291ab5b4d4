"""The scripts of `make campaign-clients` for the openai client hold here as well; other clients have the campaign."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.campaign_clients import CHECKS, CLIENTS, SCRIPTS, Place, place, strict_key, tried
from benchmarks.peers.subjects import PINS

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with place(tmp_path_factory.mktemp("clients")) as running:
        yield running


@pytest.mark.parametrize("script", ["openai_sync.py", "openai_async.py"])
def test_every_check_holds_and_no_value_leaves(here: Place, script: str) -> None:
    row = tried(here.product, [sys.executable, str(SCRIPTS / script)], script, strict_key(here.product))
    assert row.wrong == ""
    assert set(row.said) >= set(CHECKS) - {"responses", "background"}
    assert row.records >= 7
    assert here.leaked() == []


def test_every_client_has_a_script_and_exact_pins() -> None:
    for client in CLIENTS:
        assert (SCRIPTS / client.script).exists() or (SCRIPTS / "node" / client.script).exists()
        assert client.version()[0].isdigit()


@pytest.mark.parametrize(
    "path", sorted([*(SCRIPTS / "requirements").glob("*.txt"), *PINS.glob("*.txt")]), ids=lambda p: p.name
)
def test_what_clients_and_peers_need_is_pinned_with_hashes(path: Path) -> None:
    lines = [line for line in path.read_text().replace("\\\n", " ").splitlines() if line.strip()]
    assert [line for line in lines if "==" not in line or "--hash=sha256:" not in line] == []
