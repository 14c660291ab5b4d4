"""Policies: what is in force, who brought it there, what rules that only observe would have done, and budgets."""

import json
from datetime import datetime
from typing import Any

import streamlit as st

from dashboard.data import Data
from dashboard.pages.parts import Filters, banners, filters, money

_NANO = 1e9
_SHORT = 12


def show(data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Policies")
    chosen = filters(data, now)
    status = data.status()
    banners(status, 0, 0)
    in_force(status)
    versions(data, chosen)
    observed(data, chosen)
    budgets(data, chosen)
    history(data)


def in_force(status: dict[str, Any]) -> None:
    """Show the snapshot in force, and whether every worker has it."""
    policy, workers = status.get("policy") or {}, status.get("workers") or []
    figures = (
        ("In force", str(policy.get("snapshot") or "-")[:_SHORT], "hash of the whole policy folder"),
        ("Generation", f"{policy.get('generation', '-')}", "activations so far"),
        ("Workers", f"{len(workers)}", "all on the same version" if policy.get("in_step") else "changing over"),
    )
    for column, (title, value, note) in zip(st.columns(len(figures)), figures, strict=True):
        column.metric(title, value, border=True)
        column.caption(note)


def versions(data: Data, chosen: Filters) -> None:
    """Show which versions governed calls in the range."""
    st.subheader("Versions that governed calls")
    found = data.query("policies", since=chosen.since)
    if found.empty:
        st.caption("No calls in this range.")
        return
    found["commit"] = found["git_commit"].map(lambda commit: commit[:_SHORT] if commit else "(not in git)")
    found["commit"] += found["dirty"].map(lambda dirty: " with local changes" if dirty else "")
    found["automations"] = found["automations"].map(lambda names: ", ".join(name or "(none)" for name in names))
    st.dataframe(
        found[["policy", "policy_hash", "commit", "automations", "calls", "first_ts", "last_ts"]],
        hide_index=True,
        column_config={
            "policy_hash": st.column_config.TextColumn("hash"),
            "first_ts": st.column_config.DatetimeColumn("first call", format="YYYY-MM-DD HH:mm:ss"),
            "last_ts": st.column_config.DatetimeColumn("last call", format="distance"),
        },
    )


def observed(data: Data, chosen: Filters) -> None:
    """Show what rules under observation would have done, and which ceilings refused calls."""
    st.subheader("Rules on trial, and ceilings")
    found = data.query("observed", **chosen.params)
    if found.empty:
        st.caption("No rule under `enforce: observe` would have acted, and no limit or budget refused a call.")
        return
    found["automation"] = found["automation"].fillna("(none)")
    st.dataframe(found[["policy", "rule", "what", "automation", "calls"]], hide_index=True)
    st.caption(
        "Values that redaction rules only observe are on the Overview. What a change of a policy would have done to "
        "these calls: `sluice policy replay DIR --since 7d`."
    )


def budgets(data: Data, chosen: Filters) -> None:
    """Show what was charged to budgets, and the alerts that were raised."""
    st.subheader("Budgets")
    found = data.query("budgets", since=chosen.since)
    if found.empty:
        st.caption("No budget governs the calls of this range.")
        return
    parts = found["allowance"].str.rsplit("|", n=2, expand=True)
    found["whose"], unit, found["period"] = parts[0], parts[1], parts[2]
    found["used"] = [_amount(kind, used) for kind, used in zip(unit, found["used"], strict=True)]
    st.dataframe(
        found[["whose", "period", "period_ts", "used", "calls"]],
        hide_index=True,
        column_config={"period_ts": st.column_config.DatetimeColumn("from", format="YYYY-MM-DD")},
    )
    for alert in data.query("events", kind="budget.alert", since=chosen.since, limit=10).to_dict("records"):
        body = _body(alert)
        limit = _amount(str(body.get("unit")), float(body.get("cap", 0)))
        whose = f"{body.get('scope')} {alert.get('automation') or ''}".strip()
        what = "calls are refused" if body.get("refused") else f"{body.get('share', 0):.0%} are spent"
        st.warning(
            f"{alert['ts']:%Y-%m-%d %H:%M}: of {limit} a {body.get('period')} ({whose}) {what}.",
            icon=":material/payments:",
        )


def history(data: Data) -> None:
    """Show who brought which version in force, from which commit, and when."""
    st.subheader("History")
    found = data.query("events", kind="policy.activated", limit=50)
    if found.empty:
        st.caption("Activations are recorded in the default tenant.")
        return
    bodies = [_body(event) for event in found.to_dict("records")]
    found["snapshot"] = [str(body.get("snapshot") or "")[:_SHORT] for body in bodies]
    found["commit"] = [str(body.get("git_commit") or "(not in git)")[:_SHORT] for body in bodies]
    found["local changes"] = [bool(body.get("dirty")) for body in bodies]
    st.dataframe(
        found[["ts", "snapshot", "commit", "local changes", "actor"]],
        hide_index=True,
        column_config={"ts": st.column_config.DatetimeColumn("when", format="YYYY-MM-DD HH:mm:ss")},
    )


def _amount(unit: str, used: float) -> str:
    return money(used / _NANO) if unit == "usd" else f"{int(used):,} {unit}"


def _body(event: dict[Any, Any]) -> dict[str, Any]:
    body = event.get("body")
    if isinstance(body, str):
        body = json.loads(body)
    return body if isinstance(body, dict) else {}
