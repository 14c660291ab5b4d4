"""The demo of weeks: a folder of its own, everything marked as invented, at the times it pretends."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.weeks.clock import DemoClock, Pauses
from demo.weeks.play import last_full_weeks
from demo.weeks.stage import MARK, NotTheDemosError, own_folder
from demo.weeks.stories import WEEK_US, planted

MONDAY_US = last_full_weeks(datetime(2026, 11, 22, 12, tzinfo=UTC), 4)


def test_a_folder_with_other_data_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "control.db").write_text("mine")
    with pytest.raises(NotTheDemosError, match="did not make"), own_folder(tmp_path):
        pass
    assert (tmp_path / "control.db").read_text() == "mine"


def test_its_own_folder_is_emptied_and_used_again(tmp_path: Path) -> None:
    for _ in range(2):
        with own_folder(tmp_path / "demo") as folder:
            assert sorted(path.name for path in folder.iterdir()) == [MARK, "policies"]
            (folder / "left").touch()


def test_the_clock_goes_on_by_itself_and_by_what_is_skipped() -> None:
    clock = DemoClock(MONDAY_US)
    pauses = Pauses(clock)
    begin_us, begin_ns = clock.us(), clock.ns()
    clock.skip(3600)
    assert clock.us() - begin_us >= 3_600_000_000
    assert clock.ns() - begin_ns >= 3_600_000_000_000
    clock.jump(begin_us)  # never back
    assert clock.us() > begin_us
    asyncio.run(pauses.sleep(2))
    assert pauses.take() == 2
    assert pauses.take() == 0


def test_every_story_lies_in_its_week() -> None:
    for weeks in (4, 8, 12):
        for story in planted(MONDAY_US, weeks):
            assert 3 <= story.week <= weeks
            assert (story.begin_us - MONDAY_US) // WEEK_US == story.week - 1
            assert story.end_us > story.begin_us
