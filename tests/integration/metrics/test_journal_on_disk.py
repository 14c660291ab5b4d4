"""Durability: what is synced before whom, and what happens when the disk refuses."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metrics.record.commits import Commit, JournalUnavailableError, Limits
from metrics.record.content import Content, unseal
from metrics.record.events import Event, decode
from metrics.record.fileops import FaultyFiles
from metrics.record.frames import scan
from metrics.record.journal import FileJournal, Options, open_keystore
from metrics.record.reader import has_writer
from metrics.record.segments import SegmentName
from tests.integration.metrics.support import TS, begin, content, end, segments, wait_until


@dataclass
class Disk:
    data: Path
    files: FaultyFiles
    journal: FileJournal
    day_us: list[int]

    def events(self) -> list[Event]:
        lines = [line for path in segments(self.data) for line in path.read_bytes().splitlines(keepends=True)]
        return [decode(line) for line in lines]

    def ids(self) -> list[str]:
        return [event.event_id for event in self.events()]


@contextmanager
def disk(data: Path, limits: Limits | None = None) -> Iterator[Disk]:
    keystore, _ = open_keystore(data, {})
    files, day_us = FaultyFiles(), [TS]
    options = Options(files, lambda: day_us[0], limits or Limits(retry_s=0.01))
    yield Disk(data, files, FileJournal(data, "w", keystore, options), day_us)
    keystore.close()


def test_content_is_durable_before_the_record_that_speaks_of_it(tmp_path: Path) -> None:
    with disk(tmp_path) as d:

        async def use() -> None:
            await d.journal.commit(end("c1"), content())
            d.files.log.clear()
            await d.journal.commit(end("c2"), content())
            assert d.files.log == [("write", "content"), ("sync", "content"), ("write", "meta"), ("sync", "meta")]
            await d.journal.close()

        asyncio.run(use())


def test_a_begin_is_written_at_once_and_not_synced(tmp_path: Path) -> None:
    with disk(tmp_path) as d:
        d.journal.write(begin("c1"))
        assert d.ids() == ["c1.b"]
        assert ("sync", "meta") not in d.files.log
        asyncio.run(d.journal.close())


@pytest.mark.parametrize("how", ["removed", "moved"])
def test_a_record_is_acknowledged_only_where_readers_find_it(how: str, tmp_path: Path) -> None:
    with disk(tmp_path) as d:

        async def use() -> None:
            await d.journal.commit(end("before"), content())
            for family in ("meta", "content"):
                for day in (tmp_path / "journal" / family).iterdir():
                    shutil.rmtree(day) if how == "removed" else day.rename(tmp_path / f"{family}-elsewhere")
            d.journal.write(begin("c1"))
            assert await d.journal.commit(end("c1"), content()) == Commit()
            assert d.journal.available
            await d.journal.close()

        asyncio.run(use())
        assert d.ids() == ["c1.b", "c1.e"]
        assert segments(tmp_path, "content")


def test_records_that_arrive_during_a_sync_share_the_next(tmp_path: Path) -> None:
    with disk(tmp_path) as d:

        async def use() -> None:
            await asyncio.gather(*(d.journal.commit(end(f"c{n}")) for n in range(300)))
            await d.journal.close()

        asyncio.run(use())
        assert d.files.log.count(("sync", "meta")) < 100


def test_after_a_failed_sync_everything_unacknowledged_moves_to_a_fresh_segment(tmp_path: Path) -> None:
    with disk(tmp_path) as d:

        async def use() -> None:
            await d.journal.commit(end("c1"))
            d.journal.write(begin("c2"))
            d.files.sync_failures = 1
            await d.journal.commit(end("c2"))
            await d.journal.close()

        asyncio.run(use())
        first, second = segments(tmp_path)
        assert [decode(x).event_id for x in second.read_bytes().splitlines(keepends=True)] == ["c2.b", "c2.e"]
        assert [decode(x).event_id for x in first.read_bytes().splitlines(keepends=True)] == ["c1.e", "c2.b", "c2.e"]


def test_a_descriptor_is_never_synced_again_after_it_failed(tmp_path: Path) -> None:
    with disk(tmp_path) as d:

        async def use() -> None:
            await d.journal.commit(end("c1"))
            d.files.log.clear()
            d.files.sync_failures = 2
            await d.journal.commit(end("c2"))
            await d.journal.close()

        asyncio.run(use())
        syncs = [n for n, step in enumerate(d.files.log) if step == ("sync", "meta")]
        assert len(syncs) == 3
        assert all(("create", "meta") in d.files.log[a:b] for a, b in pairwise(syncs))


def test_a_commit_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    with disk(tmp_path) as d:

        async def use() -> None:
            await d.journal.commit(end("c1"))
            d.files.sync_failures = 3
            with pytest.raises(JournalUnavailableError, match="EIO"):
                await d.journal.commit(end("c2"))
            await asyncio.sleep(0.02)
            await d.journal.commit(end("c3"))
            await d.journal.close()

        asyncio.run(use())
        assert d.ids()[-1] == "c3.e"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(room=st.integers(0, 3000))
def test_a_disk_that_fills_at_any_byte_loses_nothing_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, room: int
) -> None:
    with disk(tmp_path_factory.mktemp("d")) as d:
        acked: list[str] = []

        async def use() -> None:
            await d.journal.commit(end("c0"))
            d.files.full, d.files.room = True, room
            for n in range(1, 12):
                d.journal.write(begin(f"c{n}"))
                try:
                    await d.journal.commit(end(f"c{n}"))
                except JournalUnavailableError:
                    break
                acked.append(f"c{n}.e")
            d.files.full = False
            await asyncio.sleep(0.02)
            await d.journal.commit(end("last"))
            await d.journal.close()

        asyncio.run(use())
        whole = []
        for path in segments(d.data):
            *lines, torn = path.read_bytes().split(b"\n")
            whole += [decode(line + b"\n").event_id for line in lines]
            assert torn == b"" or path != segments(d.data)[-1]
        assert set(acked) <= set(whole)
        assert "last.e" in whole
        assert {f"c{n}.b" for n in range(1, len(acked) + 1)} <= set(whole)


def test_a_full_disk_sheds_content_and_keeps_the_record(tmp_path: Path) -> None:
    with disk(tmp_path, Limits(content_floor_bytes=1000)) as d:
        d.files.free = (999, 10_000)

        async def use() -> None:
            commit = await d.journal.commit(end("c1"), content())
            assert commit.content_shed
            assert not commit.deferred
            await d.journal.close()

        asyncio.run(use())
        assert not segments(tmp_path, "content")
        gap = d.events()[-1]
        assert (gap.kind, gap.tenant, gap.body["what"], gap.body["events"]) == ("gap", "acme", "content_shed", 1)


def test_deferred_records_are_written_once_the_disk_works_and_leave_a_gap(tmp_path: Path) -> None:
    with disk(tmp_path) as d:

        async def use() -> None:
            await d.journal.commit(end("c0"))
            d.files.full = True
            for n in range(1, 4):
                commit = await d.journal.commit(end(f"c{n}"), content(), on_failure="serve")
                assert commit.deferred
            d.files.full = False
            await asyncio.to_thread(wait_until, lambda: "c3.e" in d.ids())
            await d.journal.close()

        asyncio.run(use())
        assert {f"c{n}.e" for n in range(4)} <= set(d.ids())
        gaps = [event.body for event in d.events() if event.kind == "gap"]
        assert [(gap["what"], gap["reason"], gap["events"]) for gap in gaps] == [("deferred", "ENOSPC", 3)]


def test_memory_for_deferred_records_is_bounded_and_the_loss_is_recorded(tmp_path: Path) -> None:
    with disk(tmp_path, Limits(retry_s=0.01, deferred_events=5)) as d:

        async def use() -> None:
            await d.journal.commit(end("c0"))
            d.files.full = True
            for n in range(1, 13):
                await d.journal.commit(end(f"c{n}", TS + n), on_failure="serve")
            d.files.full = False
            await d.journal.close()

        asyncio.run(use())
        kept = [n for n in range(1, 13) if f"c{n}.e" in d.ids()]
        assert kept == [8, 9, 10, 11, 12]
        lost = [event.body for event in d.events() if event.kind == "gap" and event.body["what"] == "lost"]
        assert sum(gap["events"] for gap in lost) == 7
        assert min(gap["since_us"] for gap in lost) == TS + 1


def test_segments_change_with_the_day_and_with_their_size(tmp_path: Path) -> None:
    with disk(tmp_path, Limits(segment_bytes=1500)) as d:

        async def use() -> None:
            for n in range(6):
                await d.journal.commit(end(f"c{n}"))
            d.day_us[0] += 86_400_000_000
            await d.journal.commit(end("next"))
            await d.journal.close()

        asyncio.run(use())
        names = [SegmentName.parse(str(path.relative_to(tmp_path / "journal"))) for path in segments(tmp_path)]
        assert [name.number for name in names if name] == list(range(1, len(names) + 1))
        assert {name.day for name in names if name} == {"2026-09-21", "2026-09-22"}
        assert sorted(d.ids()) == sorted([*(f"c{n}.e" for n in range(6)), "next.e"])


def test_a_living_writer_holds_a_lock_and_a_closed_one_does_not(tmp_path: Path) -> None:
    with disk(tmp_path) as d:

        async def use() -> None:
            await d.journal.commit(end("c1"))
            assert has_writer(segments(tmp_path)[-1])
            await d.journal.close()

        asyncio.run(use())
        assert not has_writer(segments(tmp_path)[-1])


def test_files_and_folders_are_for_their_owner_alone(tmp_path: Path) -> None:
    with disk(tmp_path / "data") as d:

        async def use() -> None:
            await d.journal.commit(end("c1"), content())
            await d.journal.close()

        asyncio.run(use())
        open_to_others = [path.name for path in (tmp_path / "data").rglob("*") if path.stat().st_mode & 0o077]
        assert not open_to_others


def test_a_subject_appears_as_a_random_reference_alone(tmp_path: Path) -> None:
    with disk(tmp_path) as d:

        async def use() -> None:
            for call in ("c1", "c2"):
                await d.journal.commit(end(call), content("anna.muster@example.com", answer="a very private answer"))
            await d.journal.close()

        asyncio.run(use())
        refs = {event.subject_ref for event in d.events()}
        assert len(refs) == 1
        assert str(refs.pop()).startswith("sub_")
        everything = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert not [word for word in (b"anna.muster", b"private answer") if word in everything]


def test_no_text_of_the_content_reaches_a_meta_segment(tmp_path: Path) -> None:
    sealed = Content("anna", fields={"request": "needle-one", "answer": b"needle-two"}, index=(("EMAIL", "needle3"),))
    with disk(tmp_path) as d:

        async def use() -> None:
            await d.journal.commit(end("c1"), sealed)
            await d.journal.close()

        asyncio.run(use())
        meta = b"".join(path.read_bytes() for path in segments(tmp_path))
        assert b"needle" not in meta
        keystore, _ = open_keystore(tmp_path, {})
        (piece,) = scan(segments(tmp_path, "content")[0].read_bytes(), final=True)
        assert piece.payload
        assert unseal(piece.payload, keystore).fields == sealed.fields
        keystore.close()


def test_a_record_that_cannot_be_sealed_is_refused_and_does_not_stop_the_journal(tmp_path: Path) -> None:
    odd = Content(fields={"request": object()})  # type: ignore[dict-item]
    with disk(tmp_path) as d:

        async def use() -> None:
            with pytest.raises(JournalUnavailableError):
                await d.journal.commit(end("c1"), odd)
            await d.journal.commit(end("c2"), content())
            await d.journal.close()

        asyncio.run(use())
        assert "c2.e" in d.ids()
