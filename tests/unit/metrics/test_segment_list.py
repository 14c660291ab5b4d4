"""Which segments the recorder looks at."""

from pathlib import Path

from metrics.record.segment_list import SegmentList


def test_a_day_that_retention_takes_away_meanwhile_is_no_failure(tmp_path: Path) -> None:
    for family in ("meta", "content"):
        (tmp_path / family).mkdir()
        (tmp_path / family / "2026-11-21").symlink_to(tmp_path / "gone")  # named by its parent, and not there any more
        (tmp_path / family / "2026-11-22").mkdir()
    (tmp_path / "meta" / "2026-11-22" / "w1-000001.jsonl").write_bytes(b"{}\n")
    found = SegmentList(tmp_path, {})
    assert [tail.name.relative for tail in found.tails("meta")] == ["meta/2026-11-22/w1-000001.jsonl"]
    assert found.behind == 3
