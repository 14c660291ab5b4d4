"""Calls: a filtered list, and one call in full with its stages."""

from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data, measured
from dashboard.pages.parts import Filters, choice, csv_download, filters, milliseconds, money, nothing_here, typed

ANY = "any"
OUTCOMES = [ANY, "ok", "refused", "error", "truncated", "client_disconnected", "interrupted"]
VERDICTS = [ANY, "pass", "fallback", "hold", "block", "escalate"]
LIMIT = 500


def show(data: Data, now: datetime) -> None:
    """Draw the list, and beneath it the chosen call."""
    st.title("Calls")
    chosen = filters(data, now)
    found = data.query("calls", limit=LIMIT, **chosen.params, **narrower(data, chosen))
    if found.empty:
        nothing_here()
    else:
        listed(found)
    call_id = st.query_params.get("call")
    if call_id:
        one(data, call_id)


def narrower(data: Data, chosen: Filters) -> dict[str, Any]:
    """Show the second row of filters and return what is chosen."""
    found = measured(data, "redactions", chosen.span, automation=chosen.automation)["part"]
    kinds = [ANY, *sorted({part.partition(" ")[2] for part in found})]
    columns = st.columns(6)
    picked = {
        "outcome": choice(columns[0], "Outcome", OUTCOMES, "outcome"),
        "verdict": choice(columns[1], "Verdict", VERDICTS, "verdict"),
        "entity": choice(columns[2], "Contains", kinds, "entity"),
        "step": typed(columns[3], "Step", "step"),
        "model": typed(columns[4], "Model", "model"),
        "run": typed(columns[5], "Run", "run"),
    }
    return {name: value for name, value in picked.items() if value not in ("", ANY)}


def listed(found: pd.DataFrame) -> None:
    """Show the calls; choosing a row opens it and keeps it in the URL."""
    found["tokens"] = found["tokens_in"] + found["tokens_out"]
    found["model"] = found["model_answered"].fillna(found["model_requested"])
    columns = [
        "ts",
        "automation",
        "step",
        "model",
        "outcome",
        "verdict",
        "entities",
        "tokens",
        "cost_usd",
        "total_ms",
        "overhead_ms",
    ]
    event = st.dataframe(
        found[[*columns, "call_id"]],
        hide_index=True,
        height=360,
        on_select="rerun",
        selection_mode="single-row",
        key="calls",
        column_config={
            "ts": st.column_config.DatetimeColumn("time (UTC)", format="MM-DD HH:mm:ss", timezone="UTC"),
            "cost_usd": st.column_config.NumberColumn("cost (USD)", format="%.6f"),
            "entities": st.column_config.NumberColumn("redacted"),
            "total_ms": st.column_config.NumberColumn("total (ms)", format="%.0f"),
            "overhead_ms": st.column_config.NumberColumn("added (ms)", format="%.2f"),
        },
    )
    csv_download(found[[*columns, "run_id", "call_id"]], "calls")
    st.caption(
        f"The newest {LIMIT} calls of this selection. Choose a row to see the call in full."
        if len(found) == LIMIT
        else f"{len(found)} calls. Choose a row to see the call in full."
    )
    rows = event["selection"]["rows"]
    if rows:
        st.query_params["call"] = str(found.iloc[rows[0]]["call_id"])


def one(data: Data, call_id: str) -> None:
    """Show everything that is known about one call."""
    found = data.query("call", call_id=call_id)
    st.divider()
    if found.empty:
        st.warning(f"There is no call {call_id} among your tenant's records.")
        return
    call = found.iloc[0].to_dict()
    st.subheader(f"Call {call_id}")
    facts(call)
    st.markdown("**Stages**")
    st.altair_chart(charts.waterfall(timeline(call)))
    left, right = st.columns(2)
    with left:
        st.markdown("**Found and rewritten**")
        table(call["entities"], ["side", "kind", "n"], "Nothing was found in this call.")
    with right:
        st.markdown("**Attempts at a provider**")
        table(
            call["attempts"],
            ["n", "provider", "model", "status", "error_code", "first_byte_ms", "total_ms", "cost_usd"],
            "No provider was asked.",
        )
    if call["outcomes"]:
        st.markdown("**Outcomes**")
        table(call["outcomes"], ["metric", "value", "word", "source", "corrected"], "")
    with st.expander("Every recorded field"):
        st.json({name: value for name, value in call.items() if _given(value)}, expanded=False)


def facts(call: dict[str, Any]) -> None:
    """Show who called, under which policy, and how it ended."""
    if call["simulated"]:
        st.warning("Answered by the **simulated provider**.", icon=":material/science:")
    ended = f"{call['outcome']} ({call['status']})" + (f", {call['error_code']}" if call["error_code"] else "")
    rows = (
        ("Ended", ended),
        ("Verdict", call["verdict"] or "-"),
        ("Policy", f"{call['policy']}@{call['policy_hash']}"),
        ("Model", call["model_answered"] or call["model_requested"] or "-"),
        ("Cost", money(call["cost_usd"], int(call["cost_usd"] is None))),
        ("Total", milliseconds(call["total_ms"])),
        ("Added by Sluice", milliseconds(call["overhead_ms"])),
        ("Run", call["run_id"] or "-"),
    )
    for start in (0, 4):
        for column, (name, value) in zip(st.columns(4), rows[start : start + 4], strict=True):
            column.caption(name)
            column.text(value)


def timeline(call: dict[str, Any]) -> pd.DataFrame:
    """Return the stages one after another, as they ran."""
    rows, start_ms = [], 0.0
    for stage in charts.STAGES:
        took = call.get(f"{stage}_us")
        if took is None or pd.isna(took):
            continue
        rows.append({"stage": stage, "start_ms": start_ms, "end_ms": start_ms + took / 1000, "took_ms": took / 1000})
        start_ms += took / 1000
    return pd.DataFrame(rows, columns=["stage", "start_ms", "end_ms", "took_ms"])


def table(rows: list[dict[str, Any]] | None, columns: list[str], empty: str) -> None:
    """Show a small table, or say that there is nothing."""
    if not rows:
        st.caption(empty)
        return
    st.dataframe(pd.DataFrame(rows)[columns], hide_index=True)


def _given(value: object) -> bool:
    return isinstance(value, list | dict | str) or not (value is None or pd.isna(value))
