"""Runs every page of the dashboard as a script over a ledger in this process, and says how long each took.

What pages read of the ledger is asked as the recorder asks it, and becomes JSON and back as it does on its way; what
they read of the gateway and of the queue (reviews that wait, runs, settings) is given from memory.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
import pandas as pd
from streamlit.testing.v1 import AppTest

from dashboard.data import frame
from dashboard.queue import MemoryQueue
from dashboard.reviews import MemoryDesk
from dashboard.weekly import MemoryWeekly
from metrics.client import Table, Watermark
from metrics.health.questions import all_questions
from metrics.record.sandbox import QueryLimits, Sandbox
from tests.unit.dashboard.frames import STATE, TRUST, held
from tests.unit.dashboard.test_runs_page import QUEUES

Json = dict[str, Any]
_WEEKS: tuple[dict[str, str], ...] = ({}, {"weeks": "Last 4 weeks"}, {"weeks": "Last 12 weeks"})
_RANGES: tuple[dict[str, str], ...] = ({}, {"range": "Last 7 days"}, {"range": "Last 28 days"})
# Each page with what it is opened with: as it is, and with the choices that make it read more.
PAGES: Mapping[str, tuple[dict[str, str], ...]] = {
    "weekly": ({},), "automations": _WEEKS, "quality": _WEEKS, "cost": _WEEKS, "latency": _WEEKS, "leverage": ({},),
    "overview": _RANGES, "reviews": ({},), "runs": ({},), "calls": (*_RANGES, {"call": ""}), "policies": _RANGES,
    "certificates": ({},), "trust": ({},), "settings": ({},),
}  # fmt: skip


class LedgerData:
    """What the pages read, asked of an open ledger as the recorder asks it."""

    def __init__(self, cursor: Callable[[], Any], now: datetime, tz: str = "UTC") -> None:
        self._cursor, self.now, self.tz = cursor, now, tz
        self._questions = all_questions(tz)
        self.asked: list[tuple[str, float]] = []

    def ask(self, name: str, **params: Any) -> Table:
        given = {key: value for key, value in params.items() if value is not None}
        began = time.monotonic()
        with self._cursor() as cursor:
            found = Sandbox(cursor, QueryLimits(seconds=60)).rows(*self._questions[name].prepare("default", given))
        rows = orjson.loads(orjson.dumps(found.rows))
        self.asked.append((f"{name} {params.get('measure', '')}".strip(), time.monotonic() - began))
        return Table(found.columns, rows, Watermark(found.seq, found.ts_us))

    def query(self, name: str, **params: Any) -> pd.DataFrame:
        return frame(self.ask(name, **params))

    def status(self) -> Json:
        return {}

    def policy_state(self) -> Json:
        minutes = [{"automation": f"automation-{n}", "baseline": {"minutes_per_task": n}} for n in range(24)]
        return STATE | {"automations": minutes}


class Desks:
    """What pages read beside the ledger."""

    def __init__(self, review: Json, run: str, call: str) -> None:
        grades = {"runs_per_week": 300, "determinism": 5, "measurability": 5, "ease_of_verification": 5, "ambiguity": 1}
        rank = {"automation": "invoices", "stage": "candidate", "hours": 35.0, "fit": 1.0, "score": 35.0, "mend": []}
        values = [{"name": f"SLUICE_{n}", "value": "1", "source": "default", "purpose": ""} for n in range(150)]
        registered = {"automations": [], "leverage": [{**rank, "grades": grades}] * 24}
        self.weekly = MemoryWeekly({str(review["week"]): review}, registered=registered, values=values)
        (dead,) = QUEUES["dead"].found
        self.queue = MemoryQueue([dead | {"run_id": run} if n == 0 else dead | {"run_id": f"r{n}"} for n in range(100)])
        self.reviews = MemoryDesk([held(n) for n in range(100)])
        self.trust, self.call = TRUST["full"], call

    def of(self, page: str, data: LedgerData) -> tuple[Any, ...]:
        """Return what a page's `show` takes."""
        return {
            "weekly": (self.weekly, data.now), "automations": (self.weekly, data, data.now), "leverage": (self.weekly,),
            "reviews": (self.reviews, data.now), "runs": (self.queue, data, data.now), "trust": (self.trust, data.now),
            "settings": (self.weekly, data),
        }.get(page, (data, data.now))  # fmt: skip


OPEN: list[tuple[Desks, LedgerData]] = []  # the script of a page cannot be given an object


def _page(name: str) -> None:
    from importlib import import_module  # noqa: PLC0415 - AppTest runs this function as a script of its own

    from benchmarks.pages import OPEN  # noqa: PLC0415

    desks, data = OPEN[0]
    import_module(f"dashboard.views.{name}").show(*desks.of(name, data))


def timed(desks: Desks, data: LedgerData, name: str, query: Mapping[str, str], times: int = 5) -> list[float]:
    """Return how long runs of a page's script took, in seconds, the first apart."""
    OPEN[:] = [(desks, data)]
    took = []
    for _ in range(times + 1):
        app = AppTest.from_function(_page, args=(name,), default_timeout=120)
        for key, value in query.items():
            app.query_params[key] = value or desks.call
        began = time.monotonic()
        app.run()
        took.append(time.monotonic() - began)
        assert not app.exception, app.exception
    return took


def at_us(ts_us: int) -> datetime:
    return datetime.fromtimestamp(ts_us / 1e6, UTC)
