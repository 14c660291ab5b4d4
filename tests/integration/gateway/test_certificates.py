"""From audited outcomes to a certificate in the policy folder, and to its withdrawal when it no longer holds."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from gateway.cli import cli
from gateway.control import outbox
from gateway.control.certificates import withdrawn
from gateway.control.database import Database, open_database
from gateway.control.identity.tenants import ensure_tenant
from gateway.control.leases import acquire
from gateway.control.migrations import upgrade
from gateway.keeper.activator import activate
from gateway.keeper.certificates import CertificateWatch
from metrics.health.replay_ledger import stopped_ledger
from metrics.record.events import Event
from metrics.record.journal import FileJournal
from policy.load import load_tree
from policy.model import Policy
from tests.integration.metrics.support import begin, end, recording, write
from tests.unit.policy.certificates import POLICY

TRIAGE = Policy.model_validate(POLICY)
NOW = 1_790_000_000_000_000
DAY_US = 86_400_000_000


class Traffic:
    """Outputs judged under a `certified` band with their outcomes, written as the gateway writes them."""

    def __init__(self, data: Path, seed: int = 1) -> None:
        self._data, self._chance, self._n = data, random.Random(seed), 0

    def go_on(
        self, n: int, *, window: str = "none/1", wrong: float, since_us: int, low: float = 0.0, **audit: Any
    ) -> None:
        async def use(journal: FileJournal) -> None:
            for number in range(n):
                self._n += 1
                name, at = f"call_{self._n:04x}", since_us + number * 1000
                score = self._chance.uniform(low, 1)
                error = self._chance.random() < (wrong if score > 0.3 else 0.6)
                coin = {"rate": 1.0, "drawn": True, "window": window, "deadline_s": 172_800, "certificate": None}
                coin |= {"reason": "absent", "probability": None, "prompt": "sort@2", "model": "m-1"}
                coin |= {"scorer": TRIAGE.scorer_hash, "policy": TRIAGE.output_hash} | audit
                journal.write(begin(name, at, "default"))
                await journal.commit(end(name, at, "default", confidence=score, verdict="hold", audit=coin))
                said = {"call_id": name, "metric": "success", "value": not error, "source": "human"}
                body = {**said, "received_us": at + 10}
                await journal.commit(Event(f"o_{name}", "outcome", at + 10, "default", "triage", body=body))

        write(self._data, use)
        with recording(self._data):
            pass


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder and a policy folder with a certified band, the gateway at rest."""
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "triage.yaml").write_bytes(orjson.dumps(POLICY))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLUICE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SLUICE_POLICIES", str(folder))
    monkeypatch.setenv("SLUICE_PORT", "9")
    monkeypatch.setenv("SLUICE_RECORDER_PORT", "10")
    return tmp_path


def sluice(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["confidence", *arguments], catch_exceptions=False)


def test_a_certificate_is_fitted_shown_and_explained(home: Path) -> None:
    traffic = Traffic(home / "data")
    traffic.go_on(90, wrong=0.0, since_us=NOW)
    early = sluice("fit", "triage", "--since", "2020-01-01")
    assert early.exit_code == 1
    assert "90 audited outcomes, the first look is at 100" in early.output
    assert "if no further error comes: at the look of 300, 210 outcomes from now" in early.output
    traffic.go_on(230, wrong=0.0, since_us=NOW + DAY_US)
    fitted = sluice("fit", "triage", "--since", "2020-01-01", "--by", "ana@example.com")
    assert fitted.exit_code == 0, fitted.output
    assert "with probability 90%, at most 5.0% of them are wrong" in fitted.output
    [made] = load_tree(home / "policies").certificates.by_key.values()
    assert (made.sample.n, made.activated_by, made.key.prompt) == (300, "ana@example.com", "sort@2")
    again = sluice("fit", "triage", "--since", "2020-01-01")
    assert again.exit_code == 1
    assert f"certified already by {made.certificate}" in again.output
    shown = sluice("show", made.certificate)
    assert "in force" in shown.output
    assert "Reliability" in shown.output
    assert "#####" in shown.output
    [row] = orjson.loads(sluice("show", "--json").stdout)
    assert (row["certificate"], row["state"]) == (made.certificate, "in force")
    assert "p = " in sluice("explain", made.certificate).output
    why = sluice("explain", "call_0001").output
    assert "there was no certificate for its automation" in why
    assert "audit rate 1: its coin fell on audit" in why


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("fit", "nobody"), "No audited output of nobody was judged under a `certified` band"),
        (("show", "nothing"), "There is no certificate nothing"),
        (("explain", "call_1"), "There is no call and no certificate call_1."),
        (("fit", "triage", "--valid", "soon"), "--valid"),
    ],
)
def test_mistakes_are_sentences(home: Path, arguments: tuple[str, ...], said: str) -> None:
    Traffic(home / "data").go_on(1, wrong=0, since_us=NOW)
    found = sluice(*arguments)
    assert found.exit_code != 0
    assert said in found.output


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{home / 'data'}/control.db", lambda: NOW + 40 * DAY_US)
    (home / "data").mkdir(exist_ok=True)
    upgrade(opened)
    ensure_tenant(opened, "default")
    yield opened
    opened.close()


def test_what_no_longer_holds_is_withdrawn_once_and_said(home: Path, database: Database) -> None:
    traffic = Traffic(home / "data")
    traffic.go_on(320, wrong=0.0, since_us=NOW)
    assert sluice("fit", "triage", "--since", "2020-01-01").exit_code == 0
    file = next((home / "policies/certificates").iterdir())
    fitted = orjson.loads(sluice("show", "--json").stdout)[0]["fitted_at"]
    file.write_text(file.read_text().replace(fitted, "2026-09-22T00:00:00Z"))
    tree = load_tree(home / "policies")
    [made] = tree.certificates.by_key.values()
    activate(database, tree, "test")
    lease = acquire(database, "keeper", "test", 600)
    assert lease is not None

    def look() -> frozenset[str]:
        with stopped_ledger(home / "data", "default") as ask:
            CertificateWatch(database, lambda _tenant: ask).look(lease)
        with database.read() as conn:
            return withdrawn(conn)

    passing: dict[str, Any] = {"certificate": made.certificate, "reason": "certified", "rate": 0.1}
    passing["window"] = f"{made.certificate}/0.1"
    traffic.go_on(100, wrong=0.02, since_us=NOW + 30 * DAY_US, low=0.5, **passing)
    assert look() == frozenset()
    traffic.go_on(100, wrong=0.5, since_us=NOW + 31 * DAY_US, low=0.5, **passing)
    assert look() == {made.certificate}
    assert look() == {made.certificate}
    [event] = [event for _, event in outbox.unrelayed(database) if event.kind == "certificate.withdrawn"]
    assert event.body["reason"] == "drift"
    assert event.body["wealth"] >= 10
    assert sluice("show", made.certificate).output.count("withdrawn") == 1
    assert "State: withdrawn by keeper at 20" in sluice("explain", made.certificate).output
