"""Latency: how long each step takes, how that developed, and where the time goes."""

from datetime import datetime

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data, measured, weeks_of
from dashboard.pages.parts import automation_picker, csv_download, nothing_here, weeks
from metrics.health.measures import Span

TREND_WEEKS = 12
ORDER = [f"{what}_p{percent}" for what in ("total", "upstream", "overhead") for percent in (50, 95, 99)]


def show(data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Latency")
    left, right = st.columns([1, 2])
    with left:
        _, span = weeks(data, now)
    automation = automation_picker(data, span, right)
    found = measured(data, "latency", span, by="step", automation=automation)
    if found.empty:
        nothing_here()
        return
    by_step(found)
    by_week(data, now, automation)
    by_stage(data, span, automation)


def by_step(found: pd.DataFrame) -> None:
    """Show percentiles of each step."""
    st.subheader("By step (milliseconds)")
    found["step"] = found["group"].fillna("(no step)")
    shown = found.pivot_table("value", "step", "part").reindex(columns=ORDER)
    shown.insert(0, "calls", found.groupby("step")["n"].max())
    st.dataframe(shown.style.format("{:,.1f}", na_rep="-").format("{:,.0f}", subset=["calls"]))
    csv_download(shown.reset_index(), "latency-by-step")
    st.caption("`total`: the whole call; `upstream`: waiting for models; `overhead`: the gateway's own share.")


def by_week(data: Data, now: datetime, automation: str | None) -> None:
    """Show the development, the gateway's share apart."""
    st.subheader(f"The last {TREND_WEEKS} weeks")
    span = weeks_of(TREND_WEEKS, now, data.tz)
    steps = measured(data, "latency", span, bucket="week", by="step", automation=automation)
    steps = steps[steps["part"] == "total_p95"].assign(step=steps["group"].fillna("(no step)"))
    whole = measured(data, "latency", span, bucket="week", automation=automation)
    whole = whole[whole["part"].str.startswith("overhead")]
    left, right = st.columns(2)
    left.altair_chart(charts.trend(steps, "95 % of calls (ms)", ",.0f", by="step"))
    right.altair_chart(charts.trend(whole, "added by Sluice (ms)", ",.1f", by="part"))


def by_stage(data: Data, span: Span, automation: str | None) -> None:
    """Show where the time of a call goes."""
    st.subheader("Where the time goes")
    found = data.query("latency_by_stage", since=span.since_us, until=span.until_us, automation=automation)
    for percentile in ("p50", "p95", "p99"):
        found[f"{percentile}_ms"] = found[f"{percentile}_us"].astype(float) / 1000
    st.altair_chart(charts.latency(found))
