"""What a caller may rely on, for the journal on disk and for the one in memory."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from metrics.record.commits import JournalUnavailableError
from metrics.record.events import Event, decode
from metrics.record.fileops import FaultyFiles
from metrics.record.journal import FileJournal, Journal, MemoryJournal, Options, open_keystore
from tests.integration.metrics.support import begin, content, end, segments


class Kept:
    """A journal, how to make it fail, and how to read what it kept."""

    def __init__(self, journal: FileJournal | MemoryJournal, files: FaultyFiles, data: Path) -> None:
        self.journal: Journal = journal
        self._real, self._files, self._data = journal, files, data

    def fail(self, failing: bool) -> None:
        self._files.full = failing
        if isinstance(self._real, MemoryJournal):
            self._real.fail = failing

    def events(self) -> list[Event]:
        if isinstance(self._real, MemoryJournal):
            return self._real.events
        return [decode(line) for path in segments(self._data) for line in path.read_bytes().splitlines(keepends=True)]


@pytest.fixture(params=["memory", "files"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kept]:
    keystore, _ = open_keystore(tmp_path, {})
    files = FaultyFiles()
    disk = FileJournal(tmp_path, "w", keystore, Options(files=files))
    yield Kept(disk if request.param == "files" else MemoryJournal(), files, tmp_path)
    keystore.close()


def test_what_is_committed_is_kept_once(kept: Kept) -> None:
    async def use() -> None:
        kept.journal.write(begin("c1"))
        commit = await kept.journal.commit(end("c1"), content())
        assert not commit.deferred
        assert not commit.content_shed
        await kept.journal.close()

    asyncio.run(use())
    assert [event.event_id for event in kept.events()] == ["c1.b", "c1.e"]


def test_many_callers_at_once_are_all_kept(kept: Kept) -> None:
    async def use() -> None:
        await asyncio.gather(*(kept.journal.commit(end(f"c{n}")) for n in range(200)))
        await kept.journal.close()

    asyncio.run(use())
    assert sorted(event.event_id for event in kept.events()) == sorted(f"c{n}.e" for n in range(200))


def test_a_failing_journal_refuses_and_recovers(kept: Kept) -> None:
    async def use() -> None:
        kept.fail(True)
        with pytest.raises(JournalUnavailableError):
            await kept.journal.commit(end("c1"))
        assert not kept.journal.available
        kept.fail(False)
        await asyncio.sleep(0.3)
        await kept.journal.commit(end("c2"))
        assert kept.journal.available
        await kept.journal.close()

    asyncio.run(use())
    assert "c2.e" in [event.event_id for event in kept.events()]


def test_a_failing_journal_serves_where_it_may_and_says_so(kept: Kept) -> None:
    async def use() -> None:
        kept.fail(True)
        kept.journal.write(begin("c1"))
        commit = await kept.journal.commit(end("c1"), on_failure="serve")
        assert commit.deferred
        await kept.journal.close()

    asyncio.run(use())


def test_a_caller_who_leaves_does_not_take_the_record_along(kept: Kept) -> None:
    async def use() -> None:
        task = asyncio.create_task(kept.journal.commit(end("c1")))
        await asyncio.sleep(0)
        task.cancel()
        await kept.journal.commit(end("c2"))
        await kept.journal.close()

    asyncio.run(use())
    assert {event.event_id for event in kept.events()} == {"c1.e", "c2.e"}
