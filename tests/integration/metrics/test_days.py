"""The totals by day: the same figures as the rows they were counted from, whatever came late and in whatever order."""

import random
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from metrics.client import Table, Watermark
from metrics.health.measures import Span, evaluate, load_measures
from metrics.record.calendar import day_of, midnight_us
from metrics.record.counted import GROUPS
from metrics.record.days import stretches
from metrics.record.ledger import Ledger
from metrics.record.queries import load_queries
from metrics.record.sandbox import QueryLimits, Sandbox
from tests.integration.metrics.made_up import DAY_US, FIRST_US, add, ask, ledger, tell, traffic

ZONE = "Europe/Berlin"
FIRST, LAST = day_of(ZONE, FIRST_US), day_of(ZONE, FIRST_US + 25 * DAY_US)
SPAN = Span(midnight_us(ZONE, FIRST), midnight_us(ZONE, LAST), ZONE)
LONG = Span(midnight_us(ZONE, FIRST - timedelta(days=30)), midnight_us(ZONE, LAST), ZONE)


def answers(book: Ledger, zone: str | None, span: Span = SPAN) -> dict[Any, Any]:
    """Measures by every group; from the totals of days where `zone` is given."""
    found = {}
    for name in sorted(set(load_measures()) - {"latency", "holds", "time_saved", "retries", "cost", "refusals"}):
        for number, by in enumerate((None, *GROUPS)):
            wanted = {"by": by, "bucket": (None, "week", "day")[number % 3], "automation": (None, "a1")[number % 2]}
            values = evaluate(partial(ask, book, days_of=zone), name, span, baselines='{"a0": 3}', **wanted)
            found[name, by] = [tuple(value) for value in values]
    return found


def close(left: dict[Any, Any], right: dict[Any, Any]) -> bool:
    """Compare figures: sums of the same numbers in another order differ in the last digit; 0 and nothing are one."""
    assert left.keys() == right.keys()
    for at, values in left.items():
        told = {row[:3]: [each or 0 for each in row[3:]] for row in values if any(row[3:])}
        other = {row[:3]: [each or 0 for each in row[3:]] for row in right[at] if any(row[3:])}
        assert told.keys() == other.keys(), at
        for key, row in told.items():
            assert row == pytest.approx(other[key], rel=1e-9, abs=1e-12), (at, key)
    return True


@pytest.mark.parametrize("seed", [1])
def test_totals_of_days_say_what_the_rows_say(tmp_path: Path, seed: int) -> None:
    made = traffic(seed, calls=200)
    tell(made, seed)
    events = list(made.events())
    random.Random(seed).shuffle(events)  # outcomes before their calls, calls days late
    book = ledger(tmp_path / "ledger.duckdb", events, at_once=150, zone=ZONE)
    assert close(answers(book, ZONE, LONG), answers(book, None, LONG))
    book.close()


def test_another_zone_counts_every_day_again(tmp_path: Path) -> None:
    events = list(traffic(3, calls=90).events())
    ledger(tmp_path / "ledger.duckdb", events).close()
    book = Ledger(tmp_path / "ledger.duckdb", zone=ZONE)
    assert close(answers(book, ZONE), answers(book, None))
    book.close()


def test_a_late_outcome_restates_its_week_and_says_so(tmp_path: Path) -> None:
    made = traffic(4, calls=150)
    early, late = list(made.events())[:150], list(made.events())[150:]
    book = ledger(tmp_path / "ledger.duckdb", early, zone=ZONE)
    week = partial(evaluate, partial(ask, book, days_of=ZONE), "success", SPAN, bucket="week")
    before, seq = week(), book.progress().seq
    assert all(value.k == 0 and value.n == 0 for value in before)
    assert ask(book, "restated", after_seq=seq).rows == []
    add(book, late)
    after = {value.bucket: value for value in week()}
    restated = ask(book, "restated", after_seq=seq)
    assert sum(row["runs"] for row in restated.dicts()) == sum(value.n or 0 for value in after.values()) > 0
    assert ask(book, "restated", after_seq=book.progress().seq).rows == []
    book.close()


def test_long_ranges_have_percentiles_within_two_percent(tmp_path: Path) -> None:
    book = ledger(tmp_path / "ledger.duckdb", traffic(5).events(), zone=ZONE)
    exact = evaluate(partial(ask, book), "latency", LONG, by="step")
    rough = {(v.group, v.part): v for v in evaluate(partial(ask, book, days_of=ZONE), "latency", LONG, by="step")}
    for value in exact:
        if value.part.endswith("p50"):  # of few values the interpolation between neighbours differs more in the tails
            assert rough[value.group, value.part].value == pytest.approx(value.value, rel=0.02, abs=60)
            assert rough[value.group, value.part].n == value.n
    book.close()


def test_stages_of_long_ranges_come_from_days_too(tmp_path: Path) -> None:
    events = list(traffic(6).events())
    random.Random(6).shuffle(events)
    book, exactly = ledger(tmp_path / "ledger.duckdb", events, zone=ZONE), load_queries()["latency_by_stage"]
    for automation, off_us in ((None, 0), ("a1", 0), (None, DAY_US // 3), ("a1", 1)):
        wanted: dict[str, Any] = {
            "since": LONG.since_us + off_us,
            "until": LONG.until_us - 5 * off_us,
            "automation": automation,
        }
        with book.cursor() as cursor:
            found = Sandbox(cursor, QueryLimits()).rows(*exactly.prepare("acme", wanted))
        exact = Table(found.columns, [list(row) for row in found.rows], Watermark(0, 0))
        rough = ask(book, "latency_by_stage", days_of=ZONE, **wanted)
        assert rough.rows == ask(book, "latency_by_stage", **wanted).rows, "days and rows fall into the same slots"
        assert exact.columns == rough.columns
        assert [row[0] for row in exact.rows] == [row[0] for row in rough.rows] == ["admit", "clear", "invoke"]
        for said, about in zip(exact.dicts(), rough.dicts(), strict=True):
            assert (about["calls"], about["total_us"]) == (said["calls"], said["total_us"])
            assert about["p50_us"] == pytest.approx(said["p50_us"], rel=0.03)
    book.close()


def test_days_that_follow_each_other_are_counted_together() -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in (0, 1, 2, 5, 6)]
    assert list(stretches([("a", day) for day in days] + [("b", days[0])])) == [
        ("a", days[0], days[2] + timedelta(days=1)),
        ("a", days[3], days[4] + timedelta(days=1)),
        ("b", days[0], days[0] + timedelta(days=1)),
    ]
    year = [("a", date(2026, 1, 1) + timedelta(days=n)) for n in range(365)]
    assert max((last - first).days for _, first, last in stretches(year)) == 31
    assert sum((last - first).days for _, first, last in stretches(year)) == 365
