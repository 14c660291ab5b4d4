"""Segments that a crash or a bad disk damaged: only the damaged record is lost, and it is named."""

import random
from pathlib import Path

import pytest

from metrics.record.content import ContentGoneError
from metrics.record.events import encode
from metrics.record.reader import Line, keeping, read_stretch
from metrics.record.rows import id_hash
from metrics.record.segments import SegmentName
from tests.integration.metrics.support import content, end, recording, rows, segments, write_calls

NAME = "meta/2026-11-22/w-000001.jsonl"


def put(data: Path, written: bytes, name: str = NAME) -> Path:
    path = data / "journal" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(written)
    return path


def test_a_tail_cut_at_any_byte_loses_only_the_torn_record(tmp_path: Path) -> None:
    lines = [encode(end(f"c{n}", detail="x" * 200)) for n in range(3)]
    before = b"".join(lines[:2])
    cuts = range(len(lines[2]))
    assert len(cuts) >= 400
    for cut in cuts:
        put(tmp_path, before + lines[2][:cut])
        found: list[Line] = []
        stretch = read_stretch(tmp_path / "journal", NAME, 0, 1 << 20, True, keeping(found))
        assert stretch
        assert [line.event.event_id for line in found] == ["c0.e", "c1.e"]
        assert stretch.end == len(before) + cut
        torn = [(skip.start, skip.end, skip.reason) for skip in stretch.skipped]
        assert torn == ([(len(before), len(before) + cut, "torn")] if cut else [])


def test_an_unfinished_record_of_a_living_writer_is_waited_for(tmp_path: Path) -> None:
    line = encode(end("c1"))
    for cut in range(len(line)):
        put(tmp_path, line + line[:cut])
        found: list[Line] = []
        stretch = read_stretch(tmp_path / "journal", NAME, 0, 1 << 20, False, keeping(found))
        assert stretch
        assert (stretch.count, stretch.end, stretch.skipped) == (1, len(line), ())


def test_garbled_bytes_cost_at_most_the_records_they_touch(tmp_path: Path) -> None:
    lines = [encode(end(f"c{n}", detail="y" * 80)) for n in range(20)]
    whole = b"".join(lines)
    chance = random.Random(7)
    for _ in range(500):
        at, length = chance.randrange(len(whole)), chance.randrange(1, 40)
        damaged = whole[:at] + chance.randbytes(length) + whole[at + length :]
        put(tmp_path, damaged)
        found: list[Line] = []
        stretch = read_stretch(tmp_path / "journal", NAME, 0, 1 << 20, True, keeping(found))
        assert stretch
        starts = [sum(map(len, lines[:n])) for n in range(21)]
        untouched = {f"c{n}.e" for n in range(20) if starts[n + 1] <= at or starts[n] >= at + length}
        read = {line.event.event_id for line in found}
        lost_newline = {f"c{n}.e" for n in range(20) if starts[n] in range(at, at + length + 1)}
        assert untouched - lost_newline <= read
        assert read <= {f"c{n}.e" for n in range(20)}


def test_the_recorder_names_what_it_could_not_read_and_takes_in_the_rest(tmp_path: Path) -> None:
    lines = [encode(end(f"c{n}")) for n in range(4)]
    garbled = lines[1].replace(b"call.end", b"call.enc")
    put(tmp_path, lines[0] + garbled + lines[2] + lines[3][:50])
    with recording(tmp_path, lambda r: r.state.progress.seq == 4) as recorder:
        assert rows(recorder, "SELECT event_id FROM events WHERE kind = 'call.end' ORDER BY seq") == [
            ("c0.e",),
            ("c2.e",),
        ]
        reported = rows(recorder, "SELECT body FROM events WHERE kind = 'journal.damaged' ORDER BY event_id")
        assert len(reported) == 2
        named = recorder.status()["damaged"]
        assert [sentence.rsplit(" ", 1)[-1] for sentence in named] == ["garbled", "torn"]
        assert recorder.status()["behind_bytes"] == 0
    with recording(tmp_path) as recorder:
        assert recorder.status()["seq"] == 4
        assert len(recorder.status()["damaged"]) == 2


def test_damaged_content_costs_only_its_own_frame(tmp_path: Path) -> None:
    write_calls(tmp_path, "c0", "c1", "c2", sealed=content(request="words"))
    (path,) = segments(tmp_path, "content")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with recording(tmp_path) as recorder:
        assert recorder.contents.read("acme", "c0.e").opened.fields == {"request": "words"}
        assert recorder.contents.read("acme", "c2.e").opened.fields == {"request": "words"}
        with pytest.raises(ContentGoneError):
            recorder.contents.read("acme", "c1.e")
        assert any("damaged" in sentence for sentence in recorder.status()["damaged"])


def test_a_record_written_twice_counts_once(tmp_path: Path) -> None:
    line, other = encode(end("c1")), encode(end("c2"))
    put(tmp_path, line + line + other)
    put(tmp_path, other + line, NAME.replace("w-", "v-"))
    with recording(tmp_path) as recorder:
        assert recorder.status()["seq"] == 2
        assert recorder.status()["duplicates"] == 3
    put(tmp_path, line, NAME.replace("w-", "later-"))
    with recording(tmp_path) as recorder:
        assert recorder.status()["seq"] == 2


def test_an_outcome_sent_again_at_another_time_counts_once(tmp_path: Path) -> None:
    import_of = [end("x", ts_us=1000 * n) for n in (1, 2)]
    first, again = (
        encode(type(e)("outcome_1", "outcome", e.ts_us, "acme", body={"metric": "success", "value": True}))
        for e in import_of
    )
    put(tmp_path, first)
    with recording(tmp_path) as recorder:
        assert recorder.status()["seq"] == 1
    put(tmp_path, again, NAME.replace("w-", "later-"))
    with recording(tmp_path) as recorder:
        assert recorder.status()["seq"] == 1
        assert rows(recorder, "SELECT ts_us FROM outcomes") == [(1000,)]


def test_foreign_files_in_the_journal_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, encode(end("c1")))
    put(tmp_path, b"notes", "meta/2026-11-22/README.txt")
    put(tmp_path, b"half", "meta/2026-11-22/.w-000002.jsonl.new")
    with recording(tmp_path) as recorder:
        assert recorder.status()["seq"] == 1
    assert SegmentName.parse("meta/2026-11-22/README.txt") is None


def test_id_hashes_fit_a_signed_column() -> None:
    assert all(0 <= id_hash(str(n)) < 2**63 for n in range(1000))
