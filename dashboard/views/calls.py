"""Calls: a filtered list, and one call in full with its stages."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data, measured
from dashboard.views.parts import Filters, choice, filters, milliseconds, money, nothing_here, plain, table, typed

ANY = "any"
OUTCOMES = [ANY, "ok", "refused", "error", "truncated", "client_disconnected", "interrupted"]
VERDICTS = [ANY, "pass", "fallback", "hold", "block", "escalate"]
LIMIT = 500
_NUMBER, _TEXT = st.column_config.NumberColumn, st.column_config.TextColumn
_SHOWN: Mapping[str, Any] = {
    "ts": st.column_config.DatetimeColumn("time (UTC)", format="MM-DD HH:mm:ss", timezone="UTC", width=107),
    "automation": _TEXT("automation", width=147),
    "step": _TEXT("step", width=78),
    "model": _TEXT("model", width=110),
    "outcome": _TEXT("outcome", width=68),
    "verdict": _TEXT("verdict", width=60),
    "entities": _NUMBER("redacted", width=70),
    "tokens": _NUMBER("tokens", format="localized", width=57),
    "cost_usd": _NUMBER("cost (USD)", format="%.6f", width=80),
    "total_ms": _NUMBER("total (ms)", format="%.0f", width=74),
    "overhead_ms": _NUMBER("added (ms)", format="%.1f", width=80),
    "run_id": None,  # of the chosen call, and in the CSV
    "call_id": None,
}


def show(data: Data, now: datetime) -> None:
    """Draw the list, and beneath it the chosen call."""
    st.title("Calls")
    chosen = filters(data, now)
    found = data.query("calls", limit=LIMIT, **chosen.params, **narrower(data, chosen))
    if found.empty:
        nothing_here("range")
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
    looks: dict[str, Any] = {"on_select": "rerun", "selection_mode": "single-row", "key": "calls", "height": 360}
    event = table(found[list(_SHOWN)], "calls", column_config=_SHOWN, **looks)
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
        st.warning(plain(f"There is no call {call_id} among your tenant's records."))
        return
    call = found.iloc[0].to_dict()
    st.subheader(plain(f"Call {call_id}"))
    facts(call)
    st.markdown("**Stages**")
    st.altair_chart(charts.waterfall(timeline(call)))
    left, right = st.columns(2)
    with left:
        st.markdown("**Found and rewritten**")
        part("found", call["entities"], ["side", "kind", "n"], "Nothing was found in this call.")
    with right:
        st.markdown("**Attempts at a provider**")
        part(
            "attempts",
            call["attempts"],
            ["n", "provider", "model", "status", "error_code", "first_byte_ms", "total_ms", "cost_usd"],
            "No provider was asked.",
        )
    if call["outcomes"]:
        st.markdown("**Outcomes**")
        part("outcomes", call["outcomes"], ["metric", "value", "word", "source", "corrected"], "")
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


def part(name: str, rows: list[dict[str, Any]] | None, columns: list[str], empty: str) -> None:
    """Show a part of a call as a table, or say that there is nothing."""
    if not rows:
        st.caption(empty)
        return
    table(pd.DataFrame(rows)[columns], f"call-{name}")


def _given(value: object) -> bool:
    return isinstance(value, list | dict | str) or not (value is None or pd.isna(value))
