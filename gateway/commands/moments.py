"""Times and spans as people type them."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

_UNITS: Final = {
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_US: Final = timedelta(microseconds=1)


def span_us(option: str, text: str) -> int:
    """Return a span such as `30d` in microseconds.

    Raises:
        BadParameter: it is none.
    """
    found = re.fullmatch(r"(\d{1,5})([mhdw])", text)
    if not found:
        raise click.BadParameter("must be a number and m, h, d or w, such as 30d.", param_hint=option)
    return int(found[1]) * _UNITS[found[2]] // _US


def moment_us(option: str, text: str, now_us: int) -> int:
    """Return a moment in UTC microseconds: a span before now, or an ISO date or time (UTC unless it says otherwise).

    Raises:
        BadParameter: it is none of these.
    """
    if re.fullmatch(r"\d{1,5}[mhdw]", text):
        return now_us - span_us(option, text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        sentence = "must be a span such as 2h or 7d, or a date or time such as 2026-01-31T12:00."
        raise click.BadParameter(sentence, param_hint=option) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def utc_text(time_us: int | None) -> str | None:
    """Return a time in UTC microseconds as ISO text to the second, or None."""
    if time_us is None:
        return None
    return datetime.fromtimestamp(time_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
