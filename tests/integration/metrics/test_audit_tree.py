"""The recorder grows the audit tree: every record a leaf, its sealed content committed to, through every stop."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from metrics.proof.auditor import Auditor
from metrics.proof.offline import verify
from metrics.proof.prove import content_problems
from metrics.proof.signer import Signer
from metrics.record.audited import Feed
from metrics.record.ids import utc_us
from metrics.record.ingest import Counters, Files, Ingest
from metrics.record.journal import open_keystore
from metrics.record.ledger_file import open_ledger
from metrics.record.order import OrderFile
from metrics.record.own import OwnSegments
from metrics.record.recorder import Recorder, rebuild
from tests.integration.metrics.support import QUICK, caught_up, content, wait_until, write_calls


@contextmanager
def audited(data: Path) -> Iterator[Recorder]:
    recorder = Recorder(data, {}, pace=QUICK, audit=lambda master: Auditor(data, Signer(master), utc_us))
    recorder.start()
    try:
        wait_until(lambda: caught_up(recorder) and _in_tree(recorder), lambda: str(recorder.status()))
        yield recorder
    finally:
        recorder.close()


def test_every_record_is_a_leaf_and_sealed_content_is_committed_to(tmp_path: Path) -> None:
    write_calls(tmp_path, "c1", "c2", sealed=content("anna", request="hello", answer="hi"))
    with audited(tmp_path):
        write_calls(tmp_path, "c3", sealed=content())
    write_calls(tmp_path, "c4")
    with audited(tmp_path) as recorder:
        status = recorder.status()["audit"]
    leaves = [orjson.loads(line) for line in next((tmp_path / "audit" / "leaves").iterdir()).read_bytes().splitlines()]
    committed = {leaf["id"]: sorted(leaf["c"]) for leaf in leaves if "c" in leaf}
    assert committed == {"c1.e": ["answer", "request"], "c2.e": ["answer", "request"], "c3.e": ["request"]}
    assert (status["records"], status["problem"]) == (8, None)
    _verifies(tmp_path, 8)


def test_a_rebuilt_ledger_leaves_the_tree_as_it_is(tmp_path: Path) -> None:
    write_calls(tmp_path, "c1", "c2", sealed=content())
    with audited(tmp_path):
        pass
    before = next((tmp_path / "audit" / "leaves").iterdir()).read_bytes()
    again = rebuild(tmp_path, {})
    again.start()
    wait_until(lambda: caught_up(again))
    again.close()
    with audited(tmp_path):
        pass
    assert next((tmp_path / "audit" / "leaves").iterdir()).read_bytes() == before
    _verifies(tmp_path, 4)


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_leaves_that_a_crash_lost_are_made_again_as_they_were(tmp_path: Path, kept: int) -> None:
    write_calls(tmp_path, "c1", "c2", sealed=content("anna"))
    with audited(tmp_path):
        pass
    leaves = next((tmp_path / "audit" / "leaves").iterdir())
    whole = leaves.read_bytes()
    leaves.write_bytes(b"".join(whole.splitlines(keepends=True)[:kept]) + b'{"seq":')
    with audited(tmp_path):
        pass
    assert leaves.read_bytes() == whole
    _verifies(tmp_path, 4)


def test_records_become_leaves_while_calls_never_pause(tmp_path: Path) -> None:
    write_calls(tmp_path, "c1", sealed=content("anna"))
    keystore, master = open_keystore(tmp_path, {})
    journal = tmp_path / "journal"
    files = Files(journal, OrderFile(journal), OwnSegments(journal, utc_us), keystore)
    ledger, _ = open_ledger(tmp_path / "ledger.duckdb", files.order, "100MB", "UTC")
    audit = Auditor(tmp_path, Signer(master), utc_us)
    ingest, feed = Ingest(files, ledger, Counters(), utc_us), Feed(audit, files.order, journal, keystore)
    for call in ("c2", "c3", "c4"):
        ingest.step()
        write_calls(tmp_path, call, sealed=content("anna"))  # there is always content that was not read yet
        feed.give(ingest.ripe, ingest.facts, ledger)
        ingest.ripe.clear()
    leaves = [audit.leaf(seq) for seq in range(1, audit.size + 1)]
    assert [(leaf["id"], "c" in leaf) for leaf in leaves if leaf] == [
        ("c1.b", False), ("c1.e", True), ("c2.b", False), ("c2.e", True),
    ]  # fmt: skip
    audit.close()
    ledger.close()
    files.own.close()
    keystore.close()


def _in_tree(recorder: Recorder) -> bool:
    status = recorder.status()
    return bool(status["audit"]["records"] == status["order_seq"])


def _verifies(data: Path, records: int) -> None:
    keystore, master = open_keystore(data, {})
    report = verify(data, Signer(master).key)
    assert (report.records, report.sealed, report.problems) == (records, records, [])
    assert list(content_problems(data, keystore)) == []
    keystore.close()
