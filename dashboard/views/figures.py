"""The table of automations: what they did, how well, how fast, at what price."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.data import Data, measured
from dashboard.views.parts import table
from metrics.health.measures import Span

NOBODY = "(none)"
_COLUMNS: Mapping[str, tuple[str, str, str]] = {  # measure, part, column
    "calls": ("volume", "calls", "value"),
    "runs": ("volume", "runs", "value"),
    "success": ("success", "success", "value"),
    "known": ("success", "success", "n"),
    "override": ("override", "of_seen", "value"),
    "p95_ms": ("latency", "total_p95", "value"),
    "cost_usd": ("cost", "total", "value"),
    "per_success_usd": ("cost_per_success", "total", "value"),
    "saved_h": ("time_saved", "saved", "value"),
}
_NUMBER, _SHARE = st.column_config.NumberColumn, st.column_config.ProgressColumn
SHOWN: Mapping[str, Any] = {
    "calls": _NUMBER("calls", format="localized", width=65),
    "runs": _NUMBER("runs", format="localized", width=65),
    "success": _SHARE("task success", min_value=0, max_value=1, format="percent", width=140),
    "known": _NUMBER("of known", format="localized", width=80, help="Runs whose outcome is known."),
    "override": _NUMBER(
        "override", format="percent", width=80, help="Outputs that a human changed or rejected, of those one saw."
    ),
    "p95_ms": _NUMBER("p95 (ms)", format="localized", width=80, help="95 % of the calls took at most this long."),
    "cost_usd": _NUMBER("cost (USD)", format="%.4f", width=95),
    "per_success_usd": _NUMBER(
        "USD a success", format="%.6f", width=110, help="All that was spent, for each known success."
    ),
    "saved_h": _NUMBER("hours saved", format="%.1f", width=95),
}


def baselines(state: Mapping[str, Any]) -> str:
    """Return the minutes that a task took before, by automation, as the measures take them."""
    entries = state.get("automations", [])
    return json.dumps({each["automation"]: float(each["baseline"]["minutes_per_task"]) for each in entries})


def rows_of(data: Data, span: Span) -> pd.DataFrame:
    """Return one row per automation."""
    minutes = baselines(data.policy_state())
    found: dict[str, pd.Series[Any]] = {}
    for measure in dict.fromkeys(measure for measure, _, _ in _COLUMNS.values()):
        extra = {"baselines": minutes} if measure == "time_saved" else {}
        figures = measured(data, measure, span, by="automation", **extra)
        figures["group"] = figures["group"].fillna(NOBODY)
        for name, (of, part, column) in _COLUMNS.items():
            if of == measure:
                found[name] = figures[figures["part"] == part].set_index("group")[column].astype(float)
    rows = pd.DataFrame(found).rename_axis("automation").reset_index()
    rows["saved_h"] /= 60
    rows["p95_ms"] = rows["p95_ms"].round()
    return rows.sort_values("calls", ascending=False)


def figures(data: Data, span: Span) -> pd.DataFrame:
    """Show the table and return it."""
    rows = rows_of(data, span)
    if not rows.empty:
        table(rows, "automations", column_config=SHOWN)
    return rows
