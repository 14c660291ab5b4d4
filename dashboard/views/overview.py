"""Overview: what went through, its cost, where the time went, what was decided and found, under which policy."""

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data, measured, part, slice_s
from dashboard.views.figures import figures
from dashboard.views.latency import by_stage
from dashboard.views.parts import (
    Filters,
    banners,
    csv_download,
    filters,
    milliseconds,
    money,
    nothing_here,
    share,
    table,
)


def show(data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Overview")
    chosen = filters(data, now)
    volume = measured(data, "volume", chosen.span, automation=chosen.automation)
    calls = int(part(volume, "calls") or 0)
    banners(data.status(), int(part(volume, "simulated") or 0), calls)
    if not calls:
        nothing_here("range")
        return
    sliced = data.query("calls_over_time", slice_s=slice_s(chosen.hours), **chosen.params)
    headline(data, chosen, volume, int(sliced.loc[sliced["ending"] == "hold", "calls"].sum()))
    over_time(chosen, sliced)
    left, right = st.columns(2)
    with left:
        by_stage(data, chosen.params)
    with right:
        what_was_found(data, chosen)
    per_automation(data, chosen)
    policies(data, chosen)


def headline(data: Data, chosen: Filters, volume: pd.DataFrame, held: int) -> None:
    """Show the figures to read first, in two rows: how calls ended, and what they cost."""
    ended = {name: int(part(volume, name) or 0) for name in ("calls", "runs", "answered", "held", "refused", "failed")}
    calls = ended["calls"]
    left = int(part(volume, "abandoned") or 0)
    cost = measured(data, "cost", chosen.span, automation=chosen.automation)
    times = measured(data, "latency", chosen.span, automation=chosen.automation)
    unpriced = int(part(cost, "total", "unknown") or 0)
    total, overhead = _times(times, "total"), _times(times, "overhead")
    shown = (
        ("Model calls", f"{calls:,}", f"in {ended['runs']:,} runs; requests that ask no model are not counted"),
        ("Answered", share(ended["answered"] / calls), f"{ended['answered']:,} calls; {left:,} callers left early"),
        ("Held for review", f"{held:,}", f"{ended['held']:,} of their callers got 423, the others another answer"),
        ("Refused", f"{ended['refused']:,}", "by a policy, a limit or a key"),
        ("Errors", f"{ended['failed']:,}", f"{ended['failed'] / calls:.1%} of the calls: failed or cut off"),
        ("Cost", money(part(cost, "total")), _unpriced(unpriced)),
        ("Time to answer", *total),
        ("Added by Sluice", *overhead),
    )
    for row in (shown[:4], shown[4:]):
        for column, (title, value, note) in zip(st.columns(len(row)), row, strict=True):
            column.metric(title, value, border=True)
            column.caption(note)


def _times(times: pd.DataFrame, what: str) -> tuple[str, str]:
    return milliseconds(part(times, f"{what}_p50")), f"median; 95 %: {milliseconds(part(times, f'{what}_p95'))}"


def _unpriced(count: int) -> str:
    return f"and {count:,} answered calls without a known price" if count else "every answered call has a price"


def over_time(chosen: Filters, found: pd.DataFrame) -> None:
    """Show calls by how they ended, and cost, over time."""
    width = slice_s(chosen.hours)
    each = {60: "a minute", 3600: "an hour"}.get(width, "a day")
    left, right = st.columns(2)
    left.subheader("Calls by verdict")
    left.altair_chart(charts.over_time(found, "calls", f"calls {each} (UTC)", width, "ending", chosen.span))
    right.subheader("Cost")
    right.altair_chart(charts.over_time(found, "cost_usd", f"US dollars {each} (UTC)", width, span=chosen.span))
    csv_download(found, "calls-over-time")


def what_was_found(data: Data, chosen: Filters) -> None:
    """Show what redaction found."""
    st.subheader("What was redacted")
    found = measured(data, "redactions", chosen.span, automation=chosen.automation)
    if found.empty:
        st.caption("Nothing was found in this range.")
        return
    found[["side", "kind"]] = found["part"].str.split(" ", n=1, expand=True)
    st.altair_chart(charts.entities(found.rename(columns={"value": "n_found"})))
    csv_download(found[["side", "kind", "value"]], "redactions")
    st.caption("`observed` counts what a rule under `enforce: observe` would have redacted.")


def per_automation(data: Data, chosen: Filters) -> None:
    """Show one row per automation."""
    st.subheader("Automations")
    figures(data, chosen.span)


def policies(data: Data, chosen: Filters) -> None:
    """Show which policy versions governed these calls, newest first."""
    st.subheader("Policies in force")
    found = data.query("policies", since=chosen.since)
    if found.empty:
        return
    found["version"] = found.apply(_version, axis=1)
    found["automations"] = found["automations"].map(lambda names: ", ".join(n or "(none)" for n in names))
    table(
        found[["policy", "version", "automations", "calls", "first_ts", "last_ts"]],
        "policies",
        column_config={
            "version": st.column_config.TextColumn("version (hash, commit)"),
            "first_ts": st.column_config.DatetimeColumn("first call (UTC)", format="YYYY-MM-DD HH:mm:ss"),
            "last_ts": st.column_config.DatetimeColumn("last call", format="distance"),
        },
    )


def _version(row: "pd.Series[Any]") -> str:
    commit = row["git_commit"]
    if not commit:
        return f"{row['policy_hash']} (not in git)"
    return f"{row['policy_hash']} ({commit[:10]}{', with local changes' if row['dirty'] else ''})"
