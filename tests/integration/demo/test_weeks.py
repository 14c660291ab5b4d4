"""The demo of weeks: a folder of its own, everything marked as invented, at the times it pretends."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from demo.weeks.clock import DemoClock, Pauses
from demo.weeks.play import Plan, Play, clock_for, last_full_weeks
from demo.weeks.stage import MARK, NotTheDemosError, open_stage, own_folder, settings_of
from demo.weeks.stories import WEEK_US, planted
from gateway.settings import load
from metrics.client import Table

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


def test_weeks_are_played_through_the_real_gateway_and_recorder(tmp_path: Path) -> None:
    plan = Plan(MONDAY_US, 4, 0.05, certified=False)

    async def played() -> tuple[Play, dict[str, Table]]:
        with own_folder(tmp_path / "demo") as folder:
            settings = settings_of(load({}, folder), folder)
            async with open_stage(settings, clock_for(plan), plan.seed) as stage:
                play = Play(stage, plan)
                await play.days(lambda: None)
                span = {"measure": "volume", "since": MONDAY_US, "until": MONDAY_US + 5 * WEEK_US}
                asked = {"all": {}, "days": {"bucket": "day"}, "automations": {"by": "automation"}}
                return play, {name: stage.query("measure", **span, **more) for name, more in asked.items()}

    play, tables = asyncio.run(played())
    total = {row["part"]: row["value"] for row in tables["all"].dicts()}
    assert total["calls"] == total["simulated"] == play.traffic.runs
    assert total["failed"] == total["refused"] == play.played.failed == 0
    assert play.played.weeks == ["2026-W43", "2026-W44", "2026-W45", "2026-W46"]
    days = {row["bucket"] for row in tables["days"].dicts()}
    assert (min(days)[:7], max(days)[:7]) == ("2026-10", "2026-11")
    assert {row["group"] for row in tables["automations"].dicts()} == set(stage_names())
    assert play.played.reports > 0


def stage_names() -> list[str]:
    return ["inbound-triage", "crm-enrichment", "qualification-summary", "support-drafting"]
