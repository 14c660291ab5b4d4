"""Days and weeks of any time zone, as the ledger counts them, against the standard library's own calendar."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.record.calendar import DAY_US, bucket_sql, day_of, midnight_us, transitions
from metrics.record.refusals import QueryError

ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
     "Pacific/Chatham", "America/St_Johns", "Africa/Casablanca", "Pacific/Apia"]
)  # fmt: skip
TIMES = st.integers(1_104_537_600, 2_051_222_400).map(lambda at_s: datetime.fromtimestamp(at_s, UTC))


def us(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000 + at.microsecond


@given(ZONES, st.lists(TIMES, min_size=1, max_size=40), st.sampled_from(["day", "week"]))
def test_every_moment_is_in_the_day_and_week_that_a_wall_calendar_says(
    tz: str, at: list[datetime], bucket: str
) -> None:
    sql = bucket_sql(tz, us(min(at)), us(max(at)) + 1, bucket)
    found = duckdb.execute(f"SELECT {sql} FROM (SELECT unnest(?::BIGINT[]) AS ts_us)", [[us(each) for each in at]])
    local = [each.astimezone(ZoneInfo(tz)) for each in at]
    expected = [f"{each:%Y-%m-%d}" if bucket == "day" else "{}-W{:02}".format(*each.isocalendar()) for each in local]
    assert [row[0] for row in found.fetchall()] == expected


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)])
def test_the_days_on_which_clocks_change_have_23_and_25_hours(day: str, hours: int) -> None:
    begin = us(datetime.fromisoformat(f"{day}T00:00").replace(tzinfo=ZoneInfo("Europe/Berlin")))
    times = range(begin - DAY_US, begin + 2 * DAY_US, 1_800_000_000)
    sql = bucket_sql("Europe/Berlin", times[0], times[-1], "day")
    counted = dict(
        duckdb.execute(
            f"SELECT {sql} AS day, count(*) FROM (SELECT unnest(?::BIGINT[]) AS ts_us) GROUP BY day", [list(times)]
        ).fetchall()
    )
    assert counted[day] == 2 * hours


def test_a_change_of_clocks_is_found_to_the_second() -> None:
    began, ended = us(datetime(2026, 3, 1, tzinfo=UTC)), us(datetime(2026, 4, 1, tzinfo=UTC))
    assert transitions("Europe/Berlin", began, ended) == (
        (began, 3_600_000_000),
        (us(datetime(2026, 3, 29, 1, tzinfo=UTC)), 7_200_000_000),
    )


@pytest.mark.parametrize("name", ["Nowhere/Here", "", "../etc/passwd", "/etc/localtime", "Europe"])
def test_what_is_no_time_zone_is_refused_with_a_sentence(name: str) -> None:
    with pytest.raises(QueryError, match="no time zone"):
        bucket_sql(name, 0, DAY_US, "day")


@given(ZONES, st.dates(date(2005, 1, 1), date(2034, 12, 31)))
def test_a_day_begins_with_the_first_moment_whose_date_it_is(tz: str, day: date) -> None:
    begin, ahead = midnight_us(tz, day), midnight_us(tz, day + timedelta(days=1))
    assert day_of(tz, begin - 1_000_000) < day
    if begin < ahead:  # Samoa had no 30 December 2011
        assert (day_of(tz, begin), day_of(tz, ahead - 1_000_000)) == (day, day)
    assert 0 <= ahead - begin <= 25 * DAY_US // 24
