"""ISO weeks by their names, such as 2026-W47, in any time zone."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from metrics.health.measures import Span
from metrics.record.calendar import zone
from metrics.record.refusals import QueryError

_NAME: Final = re.compile(r"(\d{4})-W(\d\d)")


def week_span(week: str, tz: str = "UTC") -> Span:
    """Return the range of a week, Monday to Monday. Raises `QueryError`."""
    return Span(_at_us(_monday(week, tz)), _at_us(_monday(week, tz) + timedelta(days=7)), tz)


def weeks_up_to(week: str, count: int, tz: str = "UTC") -> list[str]:
    """Return the names of so many weeks, this one last. Raises `QueryError`."""
    monday = _monday(week, tz)
    return [name_of(monday - timedelta(weeks=ago)) for ago in reversed(range(count))]


def name_of(at: datetime) -> str:
    """Return the week that a moment lies in, where it is."""
    year, number, _ = at.isocalendar()
    return f"{year}-W{number:02d}"


def last_week(now_us: int, tz: str = "UTC") -> str:
    """Return the newest week that is over. Raises `QueryError`."""
    return name_of(datetime.fromtimestamp(now_us // 1_000_000, zone(tz)) - timedelta(days=7))


def _monday(week: str, tz: str) -> datetime:
    found = _NAME.fullmatch(week)
    try:
        if found:
            return datetime.fromisocalendar(int(found[1]), int(found[2]), 1).replace(tzinfo=zone(tz))
    except ValueError as problem:
        raise QueryError(f"there is no week {week!r}") from problem
    raise QueryError(f"a week is written as 2026-W47, not {week!r}")


def _at_us(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000
