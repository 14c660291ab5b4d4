"""Latency: how long each step takes, how that developed, and where the time goes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data, measured, weeks_of
from dashboard.views.parts import csv_download, nothing_here, table, weeks_and_automation

TREND_WEEKS = 12
PARTS = {"total": "", "upstream": "model ", "overhead": "added "}
ORDER = {f"{what}_p{percent}": f"{said}p{percent}" for what, said in PARTS.items() for percent in (50, 95, 99)}


def show(data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Latency")
    _, span, automation = weeks_and_automation(data, now)
    found = measured(data, "latency", span, by="step", automation=automation)
    if found.empty:
        nothing_here("weeks")
        return
    by_step(found)
    by_week(data, now, automation)
    by_stage(data, {"since": span.since_us, "until": span.until_us, "automation": automation})


def by_step(found: pd.DataFrame) -> None:
    """Show percentiles of each step."""
    st.subheader("By step (milliseconds)")
    found["step"] = found["group"].fillna("(no step)")
    shown = found.pivot_table("value", "step", "part").reindex(columns=list(ORDER)).rename(columns=ORDER).round(1)
    shown.insert(0, "calls", found.groupby("step")["n"].max())
    number = st.column_config.NumberColumn(format="localized")
    table(shown.reset_index(), "latency-by-step", column_config=dict.fromkeys(shown.columns, number))
    st.caption(
        "p50, p95 and p99: half, 95 % and 99 % of the calls took at most so long; then the part that was waiting for "
        "models, and what the gateway added."
    )


def by_week(data: Data, now: datetime, automation: str | None) -> None:
    """Show the development, the gateway's share apart."""
    st.subheader(f"The last {TREND_WEEKS} weeks")
    span = weeks_of(TREND_WEEKS, now, data.tz)
    steps = measured(data, "latency", span, bucket="week", by="step", automation=automation)
    steps = steps[steps["part"] == "total_p95"].assign(step=steps["group"].fillna("(no step)"))
    whole = measured(data, "latency", span, bucket="week", automation=automation)
    whole = whole[whole["part"].str.startswith("overhead")].assign(percentile=lambda rows: rows["part"].map(ORDER))
    left, right = st.columns(2)
    left.altair_chart(charts.trend(steps, "95 % of calls take at most (ms)", ",.0f", by="step"))
    right.altair_chart(charts.trend(whole, "added by Sluice (ms)", ",.1f", by="percentile"))


def by_stage(data: Data, wanted: Mapping[str, Any]) -> None:
    """Show where the time of a call goes."""
    st.subheader("Where the time goes")
    found = data.query("latency_by_stage", **wanted)
    for percentile in ("p50", "p95", "p99"):
        found[f"{percentile}_ms"] = found[f"{percentile}_us"].astype(float) / 1000
    st.altair_chart(charts.latency(found))
    csv_download(found[["stage", "calls", "p50_ms", "p95_ms", "p99_ms"]], "latency-by-stage")
