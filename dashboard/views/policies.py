"""Policies: what is in force, who brought it there, what rules that only observe would have done, and budgets."""

import json
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard.data import Data
from dashboard.views.parts import Filters, banners, filters, money, plain, table

_NANO = 1e9
_SHORT = 12


def show(data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Policies")
    chosen = filters(data, now)
    status = data.status()
    banners(status, 0, 0)
    state = data.policy_state()
    in_force(status)
    breakers(status)
    versions(data, chosen)
    observed(data, chosen)
    routing(data, chosen, state)
    budgets(data, chosen, state)
    replays(data, chosen)
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
    table(
        found[["policy", "policy_hash", "commit", "automations", "calls", "first_ts", "last_ts"]],
        "policy-versions",
        column_config={
            "policy_hash": st.column_config.TextColumn("hash"),
            "first_ts": st.column_config.DatetimeColumn("first call (UTC)", format="YYYY-MM-DD HH:mm:ss"),
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
    table(found[["policy", "rule", "what", "automation", "calls"]], "observed")
    st.caption(
        "Values that redaction rules only observe are on the Overview. What a change of a policy would have done to "
        "these calls: `sluice policy replay DIR --since 7d`."
    )


def breakers(status: dict[str, Any]) -> None:
    """Show the candidates that are not asked at the moment; a closed breaker is not worth a line."""
    found = [each for each in status.get("breakers") or [] if each.get("state") != "closed"]
    for each in found:
        since = f"for {each.get('open_s', 0):.0f} s, {each.get('failures_in_a_row', 0)} failures in a row"
        said = f"Circuit breaker of {each.get('name')}: {each.get('state')} {since}."
        st.warning(plain(said), icon=":material/bolt:")
    if not found:
        st.caption("All circuit breakers are closed.")


def routing(data: Data, chosen: Filters, state: dict[str, Any]) -> None:
    """Show splits that grow by themselves, what is known of candidates, and shadow copies."""
    if splits := state.get("splits"):
        st.subheader("Growing splits")
        shown = pd.DataFrame(splits)
        shown["since"] = pd.to_datetime(shown["since_us"], unit="us", utc=True)
        table(
            shown[["policy", "split", "share", "reason", "since"]],
            "splits",
            column_config={
                "share": st.column_config.ProgressColumn("share of the growing arm", format="percent"),
                "since": st.column_config.DatetimeColumn("since (UTC)", format="YYYY-MM-DD HH:mm:ss"),
            },
        )
        for move in data.query("events", kind="split.moved", since=chosen.since, limit=10).to_dict("records"):
            body = _body(move)
            moved = f"{body.get('from', 0):.0%} to {body.get('to', 0):.0%}"
            where = f"arm {body.get('arm')} of {body.get('split')}"
            st.caption(plain(f"{move['ts']:%Y-%m-%d %H:%M}: {where} from {moved}, {body.get('reason')}."))
    if candidates := state.get("candidates"):
        st.subheader("What became of candidates' answers (28 days)")
        table(pd.DataFrame(candidates), "candidates")
    copies = data.query("shadows", **chosen.params)
    if not copies.empty:
        st.subheader("Shadow copies")
        names = ["automation", "model", "shadow", "copies", "answered", "same_text", "same_tools", "word_overlap"]
        table(copies[[*names, "shadow_cost_usd", "cost_usd", "shadow_ms", "total_ms"]], "shadow-copies")


def budgets(data: Data, chosen: Filters, state: dict[str, Any]) -> None:
    """Show what is spent and leased of each budget now, and the alerts that were raised."""
    st.subheader("Budgets")
    found = state.get("budgets")
    if not found:
        st.caption("No budget governs any call of this period.")
        return
    shown = pd.DataFrame(found)
    for name in ("spent", "leased", "cap"):
        shown[name + " "] = [_amount(unit, value) for unit, value in zip(shown["unit"], shown[name], strict=True)]
    shown["used"] = shown["spent"] / shown["cap"].where(shown["cap"] > 0)
    shown["until"] = pd.to_datetime(shown["until_us"], unit="us", utc=True)
    table(
        shown[["whose", "period", "spent ", "leased ", "cap ", "used", "until"]],
        "budgets",
        column_config={
            "used": st.column_config.ProgressColumn("used", format="percent"),
            "until": st.column_config.DatetimeColumn("until", format="YYYY-MM-DD"),
        },
    )
    st.caption("Leased: set aside for calls under way, or held by workers for the next ones.")
    for alert in data.query("events", kind="budget.alert", since=chosen.since, limit=10).to_dict("records"):
        body = _body(alert)
        limit = _amount(str(body.get("unit")), float(body.get("cap", 0)))
        whose = f"{body.get('scope')} {alert.get('automation') or ''}".strip()
        what = "calls are refused" if body.get("refused") else f"{body.get('share', 0):.0%} are spent"
        said = f"{alert['ts']:%Y-%m-%d %H:%M}: of {limit} a {body.get('period')} ({whose}) {what}."
        st.warning(plain(said), icon=":material/payments:")


def replays(data: Data, chosen: Filters) -> None:
    """Show what saved replays said about candidates."""
    st.subheader("Replays")
    found = data.query("events", kind="policy.replayed", limit=20)
    if found.empty:
        st.caption(
            "None saved. `sluice policy replay BRANCH --since 7d --save` shows here what a change would have done."
        )
        return
    bodies = [_body(event) for event in found.to_dict("records")]
    for name in ("candidate", "base", "calls", "changed", "refusals", "holds"):
        found[name] = [body.get(name) for body in bodies]
    found["revision"] = [body.get("revision") or "" for body in bodies]
    found["cost"] = [f"{body.get('cost_increase', 0):+.1%}" for body in bodies]
    columns = ["ts", "revision", "candidate", "base", "calls", "changed", "cost", "refusals", "holds"]
    table(
        found[columns],
        "replays",
        column_config={"ts": st.column_config.DatetimeColumn("when (UTC)", format="YYYY-MM-DD HH:mm:ss")},
    )
    for event, body in zip(found.to_dict("records"), bodies, strict=True):
        with st.expander(plain(f"{event['ts']:%Y-%m-%d %H:%M} {body.get('revision') or body.get('candidate')}")):
            if rows := body.get("effects"):
                table(pd.DataFrame(rows), f"replay-{event['ts']:%Y%m%d%H%M%S}")
            else:
                st.caption("Nothing would go otherwise.")
            for name, calls, reason in body.get("unknown") or []:
                st.caption(plain(f"Not known for {calls} calls of {name}: {reason}."))


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
    table(
        found[["ts", "snapshot", "commit", "local changes", "actor"]],
        "activations",
        column_config={"ts": st.column_config.DatetimeColumn("when (UTC)", format="YYYY-MM-DD HH:mm:ss")},
    )


def _amount(unit: str, used: float) -> str:
    return money(used / _NANO) if unit == "usd" else f"{int(used):,} {unit}"


def _body(event: dict[Any, Any]) -> dict[str, Any]:
    body = event.get("body")
    if isinstance(body, str):
        body = json.loads(body)
    return body if isinstance(body, dict) else {}
