"""Overview: what went through, its cost, where the time went, what was decided and found, under which policy."""

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data, slice_s
from dashboard.pages.parts import Filters, banners, filters, milliseconds, money, nothing_here


def show(data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Overview")
    chosen = filters(data, now)
    totals = data.query("overview", **chosen.params).iloc[0].to_dict()
    banners(data.status(), int(totals["simulated"] or 0), int(totals["calls"]))
    if not totals["calls"]:
        nothing_here()
        return
    headline(totals)
    over_time(data, chosen)
    left, right = st.columns(2)
    with left:
        where_the_time_went(data, chosen)
    with right:
        what_was_found(data, chosen)
    per_automation(data, chosen)
    policies(data, chosen)


def headline(totals: dict[str, Any]) -> None:
    """Show the six figures to read first."""
    calls, ok = int(totals["calls"]), int(totals["ok"])
    figures = (
        ("Calls", f"{calls:,}", f"{int(totals['runs']):,} runs of {int(totals['automations']):,} automations"),
        ("Answered", f"{ok / calls:.1%}", f"{int(totals['refused']):,} refused, {int(totals['errors']):,} errors"),
        ("Cost", money(totals["cost_usd"], int(totals["unpriced"])), _unpriced(int(totals["unpriced"]))),
        (
            "Time to answer",
            milliseconds(totals["total_p50_ms"]),
            f"median; 95 %: {milliseconds(totals['total_p95_ms'])}",
        ),
        (
            "Added by Sluice",
            milliseconds(totals["overhead_p50_ms"]),
            f"median; 95 %: {milliseconds(totals['overhead_p95_ms'])}",
        ),
        ("Values redacted", f"{int(totals['entities']):,}", f"{totals['entities'] / calls:.1f} per call"),
    )
    for column, (title, value, note) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(title, value, border=True)
        column.caption(note)


def _unpriced(count: int) -> str:
    return f"{count:,} calls without a known price" if count else "every call has a price"


def over_time(data: Data, chosen: Filters) -> None:
    """Show calls by how they ended, and cost, over time."""
    found = data.query("calls_over_time", slice_s=slice_s(chosen.hours), **chosen.params)
    left, right = st.columns(2)
    left.subheader("Calls by verdict")
    left.altair_chart(charts.over_time(found, "calls", "calls", by="ending"))
    right.subheader("Cost")
    right.altair_chart(charts.over_time(found, "cost_usd", "US dollars"))


def where_the_time_went(data: Data, chosen: Filters) -> None:
    """Show the latency of every stage."""
    st.subheader("Where the time goes")
    found = data.query("latency_by_stage", **chosen.params)
    for percentile in ("p50", "p95", "p99"):
        found[f"{percentile}_ms"] = found[f"{percentile}_us"].astype(float) / 1000
    st.altair_chart(charts.latency(found))


def what_was_found(data: Data, chosen: Filters) -> None:
    """Show what redaction found."""
    st.subheader("What was redacted")
    found = data.query("entities", **chosen.params)
    if found.empty:
        st.caption("Nothing was found in this range.")
        return
    st.altair_chart(charts.entities(found))
    st.caption("`observed` counts what a rule under `enforce: observe` would have redacted.")


def per_automation(data: Data, chosen: Filters) -> None:
    """Show one row per automation."""
    st.subheader("Automations")
    found = data.query("automations", since=chosen.since)
    found["answered"] = found["ok"] / found["calls"]
    found["automation"] = found["automation"].fillna("(none)")
    columns = [
        "automation",
        "team",
        "calls",
        "runs",
        "answered",
        "refused",
        "cost_usd",
        "total_p50_ms",
        "total_p95_ms",
        "last_ts",
    ]
    st.dataframe(
        found[columns],
        hide_index=True,
        column_config={
            "answered": st.column_config.ProgressColumn("answered", min_value=0, max_value=1, format="percent"),
            "cost_usd": st.column_config.NumberColumn("cost (USD)", format="%.4f"),
            "total_p50_ms": st.column_config.NumberColumn("median (ms)", format="%.0f"),
            "total_p95_ms": st.column_config.NumberColumn("95 % (ms)", format="%.0f"),
            "last_ts": st.column_config.DatetimeColumn("last call", format="distance"),
        },
    )


def policies(data: Data, chosen: Filters) -> None:
    """Show which policy versions governed these calls, newest first."""
    st.subheader("Policies in force")
    found = data.query("policies", since=chosen.since)
    if found.empty:
        return
    found["version"] = found.apply(_version, axis=1)
    found["automations"] = found["automations"].map(lambda names: ", ".join(n or "(none)" for n in names))
    st.dataframe(
        found[["policy", "version", "automations", "calls", "first_ts", "last_ts"]],
        hide_index=True,
        column_config={
            "version": st.column_config.TextColumn("version (hash, commit)"),
            "first_ts": st.column_config.DatetimeColumn("first call", format="YYYY-MM-DD HH:mm:ss"),
            "last_ts": st.column_config.DatetimeColumn("last call", format="distance"),
        },
    )


def _version(row: "pd.Series[Any]") -> str:
    commit = row["git_commit"]
    if not commit:
        return f"{row['policy_hash']} (not in git)"
    return f"{row['policy_hash']} ({commit[:10]}{', with local changes' if row['dirty'] else ''})"
