"""The measures as gauges: of the last seven days, by automation, and nothing of other days."""

import time
from pathlib import Path

from metrics.record.journal import FileJournal
from metrics.record.otel_health import WeekGauges
from metrics.record.prometheus import of_all, of_tenant, render
from tests.integration.metrics.support import end, recording, write

DAY_US = 86_400_000_000


def test_the_last_seven_days_are_shown_as_counts_that_add_up(tmp_path: Path) -> None:
    now_us = int(time.time() * 1e6)

    async def use(journal: FileJournal) -> None:
        for number, tenant in enumerate(("acme", "acme", "other")):
            await journal.commit(end(f"c{number}", now_us - number, tenant), None)
        await journal.commit(
            end("refused", now_us, outcome="refused", error_code="held_for_review", cost_usd=None), None
        )
        await journal.commit(end("old", now_us - 9 * DAY_US), None)

    write(tmp_path, use)
    with recording(tmp_path) as recorder:
        found = WeekGauges(recorder).families()
    own = render([of_tenant(family, "acme") for family in found])
    assert 'sluice_week_runs{sluice_tenant="acme",sluice_automation="triage",sluice_run_state="runs"} 3' in own
    assert 'sluice_call_ending="held"} 1' in own
    assert 'sluice_cost_part="cost"} 0.5' in own
    assert "other" not in own
    together = render([of_all(family) for family in found])
    assert 'sluice_week_calls{sluice_automation="triage",sluice_call_ending="answered"} 3' in together


def test_a_ledger_that_is_not_open_shows_nothing(tmp_path: Path) -> None:
    with recording(tmp_path) as recorder:
        gauges = WeekGauges(recorder)
    assert [family.points for family in gauges.families()] == [[], [], []]
