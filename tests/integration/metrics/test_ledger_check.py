"""The ledger against the record: what somebody changed in its file is named by its number."""

from pathlib import Path

import duckdb
import pytest

from metrics.proof.ledger_check import LedgerUnreadableError, ledger_problems
from metrics.record.events import Event
from metrics.record.journal import FileJournal
from tests.integration.metrics.support import TS, end, recording, write, write_calls


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")

    async def use(journal: FileJournal) -> None:
        await journal.commit(end("c9", entities={"request": {"EMAIL_ADDRESS": 2}}, attempts=[{"n": 1}], odd=[1, "x"]))
        said = {"call_id": "c9", "metric": "success", "value": 0.5, "source": "human"}
        await journal.commit(Event("o1", "outcome", TS, "acme", body=said))

    write_calls(folder, "c1", "c2", "c3")
    write(folder, use)
    with recording(folder):
        pass
    return folder


def test_a_ledger_that_nobody_touched_says_what_was_recorded(data: Path) -> None:
    assert list(ledger_problems(data)) == []


@pytest.mark.parametrize(
    ("sql", "seq", "table"),
    [
        ("UPDATE calls SET cost_usd = 0.26 WHERE seq = 2", 2, "calls"),
        ("UPDATE events SET actor = 'me' WHERE seq = 3", 3, "events"),
        ("DELETE FROM events WHERE seq = 1", 1, "events"),
        ("INSERT INTO outcomes SELECT * FROM outcomes", 8, "outcomes"),
        ("UPDATE entities SET n = 1", 7, "entities"),
        ("INSERT INTO calls SELECT * REPLACE (99 AS seq) FROM calls WHERE seq = 2", 99, "calls"),
    ],
)
def test_what_was_changed_is_named(data: Path, tmp_path: Path, sql: str, seq: int, table: str) -> None:
    (tmp_path / "journal").symlink_to(data / "journal")
    (tmp_path / "ledger.duckdb").write_bytes((data / "ledger.duckdb").read_bytes())
    with duckdb.connect(str(tmp_path / "ledger.duckdb")) as db:
        db.execute(sql)
    found = list(ledger_problems(tmp_path))
    assert found == [(seq, f"its rows in the ledger's table {table} are not what was recorded")]


def test_no_ledger_is_said(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnreadableError, match="cannot be opened"):
        list(ledger_problems(tmp_path))
