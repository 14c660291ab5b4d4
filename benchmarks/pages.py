"""Runs pages of the dashboard as scripts over a ledger in this process, and says how long each took."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pandas as pd
from streamlit.testing.v1 import AppTest

from dashboard.data import frame
from metrics.client import Table, Watermark
from metrics.health.questions import all_questions
from metrics.record.sandbox import QueryLimits, Sandbox

PAGES = ("overview", "automations", "quality", "cost", "latency", "calls", "policies")


class LedgerData:
    """What the pages read, asked of an open ledger as the recorder asks it."""

    def __init__(self, cursor: Callable[[], Any], now: datetime, tz: str = "UTC") -> None:
        self._cursor, self.now, self.tz = cursor, now, tz
        self._questions = all_questions(tz)

    def ask(self, name: str, **params: Any) -> Table:
        given = {key: value for key, value in params.items() if value is not None}
        with self._cursor() as cursor:
            found = Sandbox(cursor, QueryLimits(seconds=60)).rows(*self._questions[name].prepare("default", given))
        return Table(found.columns, [list(row) for row in found.rows], Watermark(found.seq, found.ts_us))

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        return frame(self.ask(name, **params))

    def status(self) -> dict[str, Any]:
        return {}

    def policy_state(self) -> dict[str, Any]:
        return {}


OPEN: list[LedgerData] = []  # the script of a page cannot be given an object


def _page(name: str) -> None:
    from importlib import import_module  # noqa: PLC0415 - AppTest runs this function as a script of its own

    from benchmarks.pages import OPEN  # noqa: PLC0415
    from dashboard.weekly import MemoryWeekly  # noqa: PLC0415

    given = (MemoryWeekly({}),) if name == "automations" else ()
    import_module(f"dashboard.pages.{name}").show(*given, OPEN[0], OPEN[0].now)


def timed(data: LedgerData, name: str, times: int = 3, **query: str) -> list[float]:
    """Return how long runs of a page's script took, in seconds, the first apart."""
    OPEN[:] = [data]
    took = []
    for _ in range(times + 1):
        app = AppTest.from_function(_page, args=(name,), default_timeout=120)
        for key, value in query.items():
            app.query_params[key] = value
        began = time.monotonic()
        app.run()
        took.append(time.monotonic() - began)
        assert not app.exception, app.exception
    return took


def at_us(ts_us: int) -> datetime:
    return datetime.fromtimestamp(ts_us / 1e6, UTC)
