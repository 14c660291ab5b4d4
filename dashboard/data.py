"""What the pages read: the recorder's named queries as data frames, and the machine's state."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pandas as pd

from metrics.client import RecorderClient, Table, Watermark
from metrics.health.measures import Span, Value, evaluate
from metrics.record.calendar import midnight_us

HOUR_S = 3600
WHOLE_DAYS_FROM_H = 7 * 24
RANGES = {"Last hour": 1, "Last 24 hours": 24, "Last 7 days": 7 * 24, "Last 28 days": 28 * 24}


class Data(Protocol):
    """Everything a page may ask for. Tenancy and roles are enforced by the recorder, never here."""

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """Ask a named question; see docs/reference/queries.md."""
        ...

    def ask(self, name: str, **params: Any) -> Table:
        """Ask a named question; the rows as they are."""
        ...

    @property
    def tz(self) -> str:
        """Return the time zone of days and weeks."""
        ...

    def status(self) -> dict[str, Any]:
        """Return the state of the machine as the gateway tells it."""
        ...

    def policy_state(self) -> dict[str, Any]:
        """Return how budgets, growing splits and candidates stand."""
        ...


class LiveData:
    """The recorder's queries and the gateway's status, for one signed-in user."""

    def __init__(
        self,
        recorder: RecorderClient,
        status: Callable[[], dict[str, Any]],
        policy_state: Callable[[], dict[str, Any]],
        tz: str = "UTC",
    ) -> None:
        self.recorder, self._status, self._policy_state, self.tz = recorder, status, policy_state, tz

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """Ask the recorder."""
        return frame(self.ask(name, **params))

    def ask(self, name: str, **params: Any) -> Table:
        """Ask the recorder."""
        return self.recorder.query(name, **params)

    def status(self) -> dict[str, Any]:
        """Ask the gateway."""
        return self._status()

    def policy_state(self) -> dict[str, Any]:
        """Ask the gateway."""
        return self._policy_state()


def frame(table: Table) -> pd.DataFrame:
    """Return an answer as a data frame; every `*ts_us` column gets a UTC time beside it, named without `_us`.

    A missing text stays None, which is false: pandas makes it NaN, which is true, as soon as one row has a text.
    """
    found = pd.DataFrame(table.rows, columns=list(table.columns))
    for column in found.select_dtypes("str"):
        found[column] = found[column].astype(object).where(found[column].notna(), None)
    for column in [c for c in found.columns if c.endswith("ts_us")]:
        found[column.removesuffix("_us")] = pd.to_datetime(found[column], unit="us", utc=True)
    return found


def measured(data: Data, measure: str, span: Span, **wanted: Any) -> pd.DataFrame:
    """Return the figures of a measure, one row each: the columns of `Value`."""
    return pd.DataFrame(evaluate(data.ask, measure, span, **wanted), columns=list(Value._fields))


def part(figures: pd.DataFrame, name: str, column: str = "value") -> Any:
    """Return one part of a measure that was asked without groups; None when it has no value."""
    found = figures.loc[figures["part"] == name, column]
    return None if found.empty or pd.isna(found.iloc[0]) else found.iloc[0]


def span_of(hours: int, now: datetime, tz: str) -> Span:
    """Return a range that ends now; from a week on one of whole days, which the totals by day answer."""
    if hours < WHOLE_DAYS_FROM_H:
        return Span(int((now - timedelta(hours=hours)).timestamp() * 1e6), int(now.timestamp() * 1e6), tz)
    today = now.astimezone(ZoneInfo(tz)).date()
    first, last = today - timedelta(days=hours // 24 - 1), today + timedelta(days=1)
    return Span(midnight_us(tz, first), midnight_us(tz, last), tz)


def weeks_of(count: int, now: datetime, tz: str, ago: int = 0) -> Span:
    """Return so many ISO weeks, the last of them `ago` weeks before the one that runs."""
    today = now.astimezone(ZoneInfo(tz)).date()
    monday = today - timedelta(days=today.weekday() + 7 * (ago - 1))
    return Span(midnight_us(tz, monday - timedelta(weeks=count)), midnight_us(tz, monday), tz)


def slice_s(hours: int) -> int:
    """Return the width of one bar that gives a readable chart, in seconds."""
    return 60 if hours <= 1 else HOUR_S if hours <= 48 else 24 * HOUR_S


class MemoryData:
    """Answers from given frames; what tests and previews use. A question without a frame is a mistake of the test."""

    def __init__(
        self,
        frames: dict[str, pd.DataFrame],
        status: dict[str, Any] | None = None,
        state: dict[str, Any] | None = None,
    ) -> None:
        self.frames, self.machine, self.state, self.tz = frames, status or {}, state or {}, "UTC"
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """Return the frame of that name."""
        self.asked.append((name, params))
        return self.frames[name].copy()

    def ask(self, name: str, **params: Any) -> Table:
        """Return the frame of that name, or of that measure (`measure NAME`); nothing where none is given."""
        self.asked.append((name, params))
        shape = Value._fields if name == "measure" else ()
        found = self.frames.get(f"measure {params['measure']}" if name == "measure" else name, pd.DataFrame())
        rows = found.astype(object).where(found.notna(), None).values.tolist()
        return Table(tuple(found.columns) or shape, rows, Watermark(1, 0))

    def status(self) -> dict[str, Any]:
        """Return the given state."""
        return self.machine

    def policy_state(self) -> dict[str, Any]:
        """Return the given state."""
        return self.state
