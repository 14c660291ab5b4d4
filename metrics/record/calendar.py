"""Days and ISO weeks of any time zone, as arithmetic on UTC microseconds that a ledger can do."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from metrics.record.refusals import QueryError

DAY_US: Final = 86_400_000_000
_EARLIEST_US, LATEST_US = 0, 4_102_444_800_000_000  # 1970 to 2100
_MOST_DAYS: Final = 30 * 366


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name. Raises `QueryError`."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError) as problem:
        raise QueryError(f"there is no time zone {name!r}; give an IANA name such as Europe/Berlin") from problem


def bucket_sql(tz: str, since_us: int, until_us: int, bucket: str | None) -> str:
    """Return SQL for the day (`2026-11-22`) or ISO week (`2026-W47`) that `ts_us` is in; NULL without a bucket."""
    if bucket is None:
        zone(tz)
        return "NULL::VARCHAR"
    day = f"(DATE '1970-01-01' + ((ts_us + {_offset_sql(tz, since_us, until_us)}) // {DAY_US})::INTEGER)"
    return day_bucket_sql(bucket, day)


def day_bucket_sql(bucket: str | None, day: str = "day") -> str:
    """Return SQL for the same of a date."""
    texts = {"day": f"{day}::VARCHAR", "week": f"strftime({day}, '%G-W%V')"}
    return texts[bucket] if bucket else "NULL::VARCHAR"


def midnight_us(tz: str, day: date) -> int:
    """Return when a day begins in a zone; where clocks skip midnight, the first moment after it."""
    there = zone(tz)
    local = datetime.combine(day, time(), there).astimezone(UTC).astimezone(there)
    at_us = int(local.timestamp()) * 1_000_000
    return at_us if local.date() == day else transitions(tz, at_us - DAY_US, at_us + DAY_US)[-1][0]


def day_of(tz: str, at_us: int) -> date:
    """Return the day that a moment is in."""
    return datetime.fromtimestamp(at_us // 1_000_000, zone(tz)).date()


def whole_days(tz: str, since_us: int, until_us: int) -> tuple[date, date] | None:
    """Return the first day of a range and the day after its last, if it begins and ends at midnight."""
    first, last = day_of(tz, since_us), day_of(tz, until_us)
    return (first, last) if (midnight_us(tz, first), midnight_us(tz, last)) == (since_us, until_us) else None


def offset_us(tz: ZoneInfo, at_us: int) -> int:
    """Return how far a zone's clocks are ahead of UTC at a moment."""
    there = datetime.fromtimestamp(at_us // 1_000_000, tz).utcoffset()
    assert there is not None
    return there.days * DAY_US + there.seconds * 1_000_000


@lru_cache(maxsize=256)
def transitions(tz: str, since_us: int, until_us: int) -> tuple[tuple[int, int], ...]:
    """Return (moment, offset from then on) for a range, the first at its begin. Raises `QueryError`."""
    there, at = zone(tz), max(since_us, _EARLIEST_US)
    end = min(until_us, LATEST_US)
    if end - at > _MOST_DAYS * DAY_US:
        raise QueryError("a range with days or weeks has at most 30 years")
    found = [(at, offset_us(there, at))]
    while at < end:
        ahead = min(at + DAY_US, end)
        if offset_us(there, ahead) != found[-1][1]:
            found.append(_change(there, at, ahead))
        at = ahead
    return tuple(found)


def _change(there: ZoneInfo, low: int, high: int) -> tuple[int, int]:
    """Find the second, between two moments with different offsets, from which the later offset holds."""
    low, high = low // 1_000_000, high // 1_000_000
    after = offset_us(there, high * 1_000_000)
    while high - low > 1:
        middle = (low + high) // 2
        if offset_us(there, middle * 1_000_000) == after:
            high = middle
        else:
            low = middle
    return high * 1_000_000, after


def _offset_sql(tz: str, since_us: int, until_us: int) -> str:
    changes = transitions(tz, since_us, until_us)
    if len(changes) == 1:
        return str(changes[0][1])
    until = [moment for moment, _ in changes[1:]]
    cases = " ".join(f"WHEN ts_us < {end} THEN {off}" for end, (_, off) in zip(until, changes, strict=False))
    return f"(CASE {cases} ELSE {changes[-1][1]} END)"
