"""The audit tree covers every record, signs on time, and refuses to sign upon what it did not sign before."""

import resource
from pathlib import Path

import pytest

from metrics.proof.auditor import EVERY_RECORDS, EVERY_US, Auditor
from metrics.proof.offline import verify
from metrics.record.keystore import KeyStore
from tests.unit.metrics.proof.trees import MASTER, Grown, take


def test_records_are_signed_each_thousand_each_half_minute_and_at_the_end(tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    grown.grow(EVERY_RECORDS - 1)
    assert grown.auditor.sealed == 0
    grown.grow(1)
    assert grown.auditor.sealed == EVERY_RECORDS
    grown.grow(5)
    grown.clock.now_us += EVERY_US
    grown.auditor.tick()
    assert grown.auditor.sealed == EVERY_RECORDS + 5
    grown.auditor.tick()
    grown.grow(1)
    grown.close()
    report = verify(tmp_path, grown.signer.key)
    assert (report.records, report.sealed, report.checkpoints, report.problems) == (1006, 1006, 3, [])


def test_a_tree_goes_on_after_a_stop_and_takes_in_what_it_missed(tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    grown.grow(3)
    missed = grown.add(4)
    grown.auditor.close()
    again = Auditor(tmp_path, grown.signer, grown.clock)
    take(again, grown.order.entries(), grown.contents)
    take(again, missed, grown.contents)  # twice changes nothing
    again.close()
    report = verify(tmp_path, grown.signer.key)
    assert (report.records, report.problems) == (7, [])
    grown.close()


def test_a_clock_that_was_set_back_over_midnight_breaks_nothing(tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    grown.grow(3)
    grown.clock.now_us += EVERY_US
    grown.auditor.tick()
    grown.grow(4)
    grown.clock.now_us -= 86_400_000_000
    grown.auditor.tick()
    assert grown.auditor.sealed == 7
    grown.auditor.close()
    again = Auditor(tmp_path, grown.signer, grown.clock)
    assert (again.sealed, again.problem) == (7, None)
    again.close()
    report = verify(tmp_path, grown.signer.key)
    assert (report.records, report.sealed, report.checkpoints, report.problems) == (7, 7, 2, [])
    grown.close()


def test_nothing_is_signed_upon_leaves_that_were_changed(tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    grown.grow(10)
    grown.close()
    leaves = next((tmp_path / "audit" / "leaves").iterdir())
    lines = leaves.read_bytes().splitlines(keepends=True)
    leaves.write_bytes(b"".join(lines[:-2]))
    auditor = Auditor(tmp_path, grown.signer, grown.clock)
    assert auditor.problem == "10 records were signed, and only 8 leaves are there"
    auditor.close()
    assert verify(tmp_path, grown.signer.key).first_bad == 9


def test_a_disk_that_was_full_halfway_leaves_no_half_leaf_behind(tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    grown.grow(3)
    missed = grown.add(300)
    leaves = tmp_path / "audit" / "leaves" / "000000000001.jsonl"
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (leaves.stat().st_size + 1000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            take(grown.auditor, missed, grown.contents)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert not leaves.read_bytes().endswith(b"\n")
    take(grown.auditor, missed, grown.contents)
    grown.close()
    report = verify(tmp_path, grown.signer.key)
    assert (report.records, report.sealed, report.problems) == (303, 303, [])


def test_a_garbled_checkpoint_is_said_and_nothing_is_signed_upon_it(tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    grown.grow(3)
    grown.close()
    notes = next((tmp_path / "audit" / "checkpoints").iterdir())
    notes.write_bytes(b"{\n" + notes.read_bytes())
    auditor = Auditor(tmp_path, grown.signer, grown.clock)
    take(auditor, grown.order.entries(), grown.contents)
    auditor.close()
    assert (auditor.problem or "").startswith("the last checkpoint is not ours")


def test_content_is_committed_to_field_by_field_and_erasing_it_leaves_the_tree_whole(tmp_path: Path) -> None:
    grown = Grown(tmp_path)
    grown.grow(2, subject="anna@example.com")
    grown.grow(1)
    grown.close()
    leaf = next((tmp_path / "audit" / "leaves").iterdir()).read_text().splitlines()[0]
    assert '"c":{"request":"' in leaf
    assert "anna" not in leaf
    store = KeyStore(tmp_path / "keys" / "keystore.sqlite", MASTER, grown.clock)
    ref = store.find_subject("t1", "anna@example.com")
    assert ref is not None
    store.erase(ref)
    store.close()
    assert verify(tmp_path, grown.signer.key).problems == []
