"""What the pages read: the recorder's named queries as data frames, and the machine's state."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Protocol

import pandas as pd

from metrics.client import RecorderClient, Table

HOUR_S = 3600
RANGES = {"Last hour": 1, "Last 24 hours": 24, "Last 7 days": 7 * 24, "Last 28 days": 28 * 24}


class Data(Protocol):
    """Everything a page may ask for. Tenancy and roles are enforced by the recorder, never here."""

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """Ask a named question; see docs/reference/queries.md."""
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
    ) -> None:
        self.recorder, self._status, self._policy_state = recorder, status, policy_state

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """Ask the recorder."""
        return frame(self.recorder.query(name, **params))

    def status(self) -> dict[str, Any]:
        """Ask the gateway."""
        return self._status()

    def policy_state(self) -> dict[str, Any]:
        """Ask the gateway."""
        return self._policy_state()


def frame(table: Table) -> pd.DataFrame:
    """Return an answer as a data frame; every `*ts_us` column gets a UTC time beside it, named without `_us`."""
    found = pd.DataFrame(table.rows, columns=list(table.columns))
    for column in [c for c in found.columns if c.endswith("ts_us")]:
        found[column.removesuffix("_us")] = pd.to_datetime(found[column], unit="us", utc=True)
    return found


def since_us(hours: int, now: datetime) -> int:
    """Return the start of a range that ends now, in UTC microseconds."""
    return int((now - timedelta(hours=hours)).timestamp() * 1e6)


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
        self.frames, self.machine, self.state = frames, status or {}, state or {}
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        """Return the frame of that name."""
        self.asked.append((name, params))
        return self.frames[name].copy()

    def status(self) -> dict[str, Any]:
        """Return the given state."""
        return self.machine

    def policy_state(self) -> dict[str, Any]:
        """Return the given state."""
        return self.state
