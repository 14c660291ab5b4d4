"""The ledger: made again from the journal at any time, with every number as it was."""

import asyncio
import random
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from metrics.record.events import Event
from metrics.record.housekeeping import compress_finished
from metrics.record.journal import FileJournal
from metrics.record.ledger import Ledger, NewerLedgerError
from metrics.record.recorder import Recorder, RecorderRunningError, rebuild
from tests.integration.metrics.support import (
    QUICK,
    TS,
    begin,
    caught_up,
    content,
    end,
    journal,
    recording,
    rows,
    segments,
    settled,
    wait_until,
    write,
    write_calls,
)

TABLES = ("events", "calls", "attempts", "entities", "outcomes", "posted", "runs", "days")


def _begun(recorder: Recorder) -> bool:
    return recorder.state.progress.seq > 0


def everything(recorder: Recorder) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(rows(recorder, f"FROM {table}"), key=repr) for table in TABLES}


async def mixed_traffic(process: FileJournal) -> None:
    chance = random.Random(3)
    for n in range(60):
        call, ts_us = f"call_{n:03d}", TS + n * 3_600_000_000
        process.write(begin(call, ts_us))
        body: dict[str, Any] = {
            "total_ms": 12.5,
            "usage": {"input_tokens": n, "output_tokens": 2},
            "stages_us": {"admit": 5, "clear": 70},
            "attempts": [{"n": 1, "provider": "p", "model": "m", "status": 500}, {"n": 2, "status": 200}],
            "entities": {"request": {"EMAIL_ADDRESS": 2}, "answer": {}},
            "outcome": chance.choice(["ok", "refused", "error"]),
            "verdict": "pass",
            "labels": {"prompt": "draft@3"},
            "findings": [["m0", "EMAIL_ADDRESS", 1, 9, 0.9, "email", "pseudonym"]],
        }
        await process.commit(end(call, ts_us, run=f"run_{n % 7}", **body), content(f"subject {n % 5}"))
        said = {"call_id": call, "metric": "success", "value": n % 3 > 0, "source": chance.choice(["human", "system"])}
        await process.commit(Event(f"out_{n}", "outcome", ts_us + 5, "acme", "triage", body=said))
    await process.commit(Event("x1", "something.new", TS, "acme", body={"depth": 3}), content(body="sealed whole"))


def test_a_rebuild_gives_every_record_its_number_and_every_row_again(tmp_path: Path) -> None:
    for _ in range(2):
        write(tmp_path, mixed_traffic)
    with recording(tmp_path) as recorder:
        before, seq = everything(recorder), recorder.status()["seq"]
        assert seq == 60 * 3 + 1
        assert recorder.status()["duplicates"] == seq
    again = rebuild(tmp_path, {})
    again.start()
    wait_until(lambda: caught_up(again))
    assert again.status()["seq"] == seq
    assert again.status()["missing"] == []
    assert everything(again) == before
    again.close()


@pytest.mark.parametrize("damage", ["removed", "empty", "noise", "flipped", "no wal"])
def test_a_damaged_ledger_is_set_aside_and_made_again(tmp_path: Path, damage: str) -> None:
    write_calls(tmp_path, *(f"c{n}" for n in range(20)))
    with recording(tmp_path) as recorder:
        before = everything(recorder)
    path = tmp_path / "ledger.duckdb"
    data = bytearray(path.read_bytes())
    if damage == "removed":
        path.unlink()
    elif damage == "no wal":
        path.with_name("ledger.duckdb.wal").unlink(missing_ok=True)
    else:
        data[4096:] = bytes(byte ^ 0x55 for byte in data[4096:])
        path.write_bytes({"empty": b"", "noise": b"no database" * 1000, "flipped": bytes(data)}[damage])
    with recording(tmp_path) as recorder:
        assert everything(recorder) == before
        assert bool(recorder.status()["set_aside"]) == (damage in ("empty", "noise", "flipped"))


def test_a_rebuild_that_is_stopped_halfway_gives_no_record_another_number(tmp_path: Path) -> None:
    calls = [f"call_{number}" for number in range(40)]
    for call in calls:  # a line of the order file for each
        write_calls(tmp_path, call)
    with recording(tmp_path) as recorder:
        numbered = recorder.order.last_seq
    again = rebuild(tmp_path, {})
    again.close()
    for _ in range(2):
        halfway = Recorder(tmp_path, {}, pace=replace(QUICK, replayed=2))
        halfway.start()
        wait_until(partial(_begun, halfway))
        halfway.close()
        assert halfway.order.last_seq == numbered
    with recording(tmp_path) as recorder:
        assert rows(recorder, "SELECT count(*), count(DISTINCT event_id), max(seq) FROM events") == [(80, 80, numbered)]


def test_a_ledger_of_another_order_file_is_not_trusted(tmp_path: Path) -> None:
    for folder, call in ((tmp_path / "a", "one"), (tmp_path / "b", "two")):
        write_calls(folder, call)
        with recording(folder):
            pass
    (tmp_path / "a" / "ledger.duckdb").rename(tmp_path / "b" / "ledger.duckdb")
    with recording(tmp_path / "b") as recorder:
        assert rows(recorder, "SELECT call_id FROM calls") == [("two",)]
        assert "order file" in recorder.status()["set_aside"]


def test_a_ledger_removed_while_it_is_open_is_made_again_without_a_restart(tmp_path: Path) -> None:
    write_calls(tmp_path, "c1", "c2")
    with recording(tmp_path) as recorder:
        before = everything(recorder)
        (tmp_path / "ledger.duckdb").unlink()
        wait_until(lambda: (tmp_path / "ledger.duckdb").exists() and caught_up(recorder))
        assert everything(recorder) == before


def test_a_ledger_locked_by_another_process_is_waited_for(tmp_path: Path) -> None:
    write_calls(tmp_path, "c1")
    with recording(tmp_path):
        pass
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"
    held = str(tmp_path / "ledger.duckdb")
    holder = subprocess.Popen([sys.executable, "-c", hold, held], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout
    assert holder.stdin
    assert holder.stdout.readline() == b"held\n"
    write_calls(tmp_path, "c2")
    with recording(tmp_path, lambda r: r.status()["phase"] == "degraded") as recorder:
        assert "cannot be opened" in recorder.status()["problem"]
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()
        wait_until(lambda: caught_up(recorder))
        assert rows(recorder, "SELECT call_id FROM calls ORDER BY seq") == [("c1",), ("c2",)]


def test_a_ledger_of_a_newer_sluice_is_refused_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    Ledger(path).close()
    with duckdb.connect(str(path)) as other:
        other.execute("UPDATE facts SET number = 99 WHERE name = 'schema'")
    with pytest.raises(NewerLedgerError, match="99"):
        Ledger(path)
    with recording(tmp_path, lambda r: r.status()["phase"] == "degraded"):
        assert not list(tmp_path.glob("*.set-aside"))


def test_an_order_line_that_was_not_finished_is_taken_back(tmp_path: Path) -> None:
    write_calls(tmp_path, "c1")
    with recording(tmp_path) as recorder:
        before = everything(recorder)
    (order,) = (tmp_path / "journal" / "order").iterdir()
    with order.open("ab") as file:
        file.write(b'{"entry":[3,1,"meta/')
    write_calls(tmp_path, "c2")
    with recording(tmp_path) as recorder:
        assert rows(recorder, "SELECT call_id FROM calls ORDER BY seq") == [("c1",), ("c2",)]
        assert set(before["events"]) < set(everything(recorder)["events"])
        assert recorder.status()["order_damage"] == []


def test_numbers_given_before_a_crash_are_kept(tmp_path: Path) -> None:
    """The order file is ahead of the ledger, as after a crash between the two."""
    write_calls(tmp_path, "c1")
    with recording(tmp_path):
        pass
    older = (tmp_path / "ledger.duckdb").read_bytes()
    write_calls(tmp_path, "c2", "c3")
    with recording(tmp_path) as recorder:
        after = everything(recorder)
    (tmp_path / "ledger.duckdb").write_bytes(older)
    with recording(tmp_path) as recorder:
        assert everything(recorder) == after
        assert not recorder.status()["set_aside"]


def test_one_recorder_at_a_time(tmp_path: Path) -> None:
    with recording(tmp_path), pytest.raises(RecorderRunningError):
        Recorder(tmp_path, {})


def test_begun_calls_of_a_dead_writer_are_closed_as_interrupted(tmp_path: Path) -> None:
    async def dies(process: FileJournal) -> None:
        process.write(begin("c1"))
        process.write(begin("c2"))
        await process.commit(end("c2"))

    write(tmp_path, dies)
    with recording(tmp_path, settled) as recorder:
        ends = rows(recorder, "SELECT call_id, outcome, endpoint, status FROM calls ORDER BY call_id")
        assert ends == [("c1", "interrupted", "chat.completions", None), ("c2", "ok", None, 200)]
        before = everything(recorder)
    with recording(tmp_path, settled) as recorder:
        assert recorder.status()["interrupted"] == 0
    again = rebuild(tmp_path, {})
    again.start()
    wait_until(lambda: caught_up(again))
    assert everything(again) == before
    again.close()


def test_a_long_begin_of_a_dead_writer_is_read_whole(tmp_path: Path) -> None:
    labels = {"prompt": "p" * 200_000}  # more than is read at first

    async def dies(process: FileJournal) -> None:
        long = begin("c1")
        process.write(replace(long, body=long.body | {"labels": labels}))
        process.write(begin("c2"))

    write(tmp_path, dies)
    with recording(tmp_path, settled) as recorder:
        sql = "SELECT call_id, outcome, endpoint, prompt FROM calls ORDER BY call_id"
        long, short = rows(recorder, sql)
        assert long == ("c1", "interrupted", "chat.completions", labels["prompt"])
        assert short[:3] == ("c2", "interrupted", "chat.completions")


def test_a_log_is_folded_in_by_small_groups_of_rows(tmp_path: Path) -> None:
    with closing(Ledger(tmp_path / "ledger.duckdb")) as ledger, ledger.cursor() as cursor:
        cursor.execute("INSERT INTO posted SELECT range FROM range(30_000)")
        cursor.execute("CHECKPOINT")
        groups = cursor.execute("SELECT DISTINCT row_group_id FROM pragma_storage_info('posted')").fetchall()
        assert len(groups) > 1


def test_calls_of_a_living_writer_stay_open(tmp_path: Path) -> None:
    with journal(tmp_path) as living:

        async def use() -> None:
            living.write(begin("c1"))
            await living.commit(end("c0"))
            with recording(tmp_path) as recorder:
                await asyncio.sleep(1.2)
                assert rows(recorder, "SELECT call_id FROM calls") == [("c0",)]
                await living.commit(end("c1"))
                await asyncio.to_thread(wait_until, lambda: recorder.status()["seq"] == 3)
                assert recorder.status()["interrupted"] == 0
            await living.close()

        asyncio.run(use())


def test_past_days_are_compressed_and_still_rebuild(tmp_path: Path) -> None:
    write_calls(tmp_path, "c1", "c2")
    with recording(tmp_path) as recorder:
        before = everything(recorder)
        wait_until(
            lambda: all(
                done for _, done in rows(recorder, "SELECT segment, done FROM segments WHERE segment LIKE 'meta/%'")
            )
        )
        positions = {s: (to, done) for s, to, done in rows(recorder, "FROM segments")}
        assert compress_finished(tmp_path / "journal", positions, TS + 10**14) == 1
    assert [path.suffix for path in segments(tmp_path)] == [".gz"]
    again = rebuild(tmp_path, {})
    again.start()
    wait_until(lambda: caught_up(again))
    assert everything(again) == before
    again.close()


def test_a_rebuild_says_which_numbers_are_gone_with_their_segment(tmp_path: Path) -> None:
    write_calls(tmp_path, "c1")
    write_calls(tmp_path, "c2")
    with recording(tmp_path):
        pass
    segments(tmp_path)[0].unlink()
    again = rebuild(tmp_path, {})
    again.start()
    wait_until(lambda: caught_up(again))
    assert rows(again, "SELECT seq, call_id FROM calls") == [(4, "c2")]
    assert len(again.status()["missing"]) == 1
    assert "numbers 1 to 2" in again.status()["missing"][0]
    again.close()


def test_an_outcome_that_comes_before_the_end_of_its_call_counts_for_the_calls_run(tmp_path: Path) -> None:
    async def outcome(open_journal: FileJournal) -> None:
        body = {"call_id": "c2", "metric": "success", "value": True, "source": "human"}
        await open_journal.commit(Event("o1", "outcome", TS + 5, "acme", "triage", body=body), None)

    async def calls(open_journal: FileJournal) -> None:
        for number in (1, 2):
            await open_journal.commit(end(f"c{number}", TS + number, run="r1"), None)

    sql = "SELECT run_id, calls, cost_usd, success, outcome_source FROM runs"
    with recording(tmp_path) as recorder:
        write(tmp_path, outcome)
        wait_until(lambda: caught_up(recorder))
        assert rows(recorder, sql) == [("c2", 0, None, True, "human")]
        write(tmp_path, calls)
        wait_until(lambda: caught_up(recorder))
        assert rows(recorder, sql) == [("r1", 2, 0.5, True, "human")]
        assert rows(recorder, "SELECT sum(calls) FROM days WHERE dim = 'automation'") == [(2,)]


def order_lines(data: Path) -> tuple[Path, list[bytes]]:
    (path,) = (data / "journal" / "order").iterdir()
    return path, path.read_bytes().splitlines(keepends=True)


def recorded_in_turns(data: Path) -> list[tuple[object, ...]]:
    """Let two writers take turns, so that the order file has a line for each turn; return what the ledger holds."""

    async def turns(open_journal: FileJournal) -> None:
        for number in range(4):
            await open_journal.commit(end(f"a{number}", TS + number), None)
            wait_until(lambda: caught_up(recorder))

    with recording(data) as recorder:
        write(data, turns)
        wait_until(lambda: caught_up(recorder))
        return rows(recorder, "SELECT seq, call_id FROM calls ORDER BY seq")


def test_a_garbled_line_of_the_order_file_is_filled_in_from_the_segments(tmp_path: Path) -> None:
    before = recorded_in_turns(tmp_path)
    path, lines = order_lines(tmp_path)
    assert len(lines) >= 3
    path.write_bytes(b"".join([lines[0], b"x" * 20 + lines[1][20:], *lines[2:]]))
    again = rebuild(tmp_path, {})
    again.start()
    wait_until(lambda: caught_up(again))
    assert rows(again, "SELECT seq, call_id FROM calls ORDER BY seq") == before
    assert again.status()["missing"] == []
    assert len(again.status()["order_damage"]) == 1
    again.close()


def test_numbers_that_nothing_fits_are_said_to_be_lost(tmp_path: Path) -> None:
    before = recorded_in_turns(tmp_path)
    path, lines = order_lines(tmp_path)
    path.write_bytes(b"".join([lines[0], b"garbled\n", b"garbled\n", *lines[3:]]))
    (segment,) = segments(tmp_path)
    records = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([records[0], b"-" * (len(records[1]) - 1) + b"\n", *records[2:]]))
    again = rebuild(tmp_path, {})
    again.start()
    wait_until(lambda: caught_up(again))
    assert rows(again, "SELECT seq, call_id FROM calls ORDER BY seq") == [before[0], *before[3:]]
    assert "their line of the order file is garbled" in again.status()["missing"][0]
    again.close()
