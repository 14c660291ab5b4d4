"""Runs: the queue of automations, dead letters, actions that wait for a person, and one run from beginning to end."""

import json
from datetime import datetime
from typing import Any

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data, span_of
from dashboard.gateway import GatewayUnreachable, Refused
from dashboard.pages.parts import milliseconds, money, remember
from dashboard.queue import Json, Queue

STATES = {
    "Dead letters": "dead",
    "Waiting for a person": "held",
    "All": "",
    "Queued": "queued",
    "Running": "running",
    "Done": "done",
    "Cancelled": "cancelled",
    "Discarded": "discarded",
    "Erased": "erased",
}
_COLUMNS = ("automation", "state", "step_name", "attempts", "cause", "layer", "created", "run_id")
LATENCY_HOURS = 24


def show(queue: Queue, data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Runs")
    try:
        numbers = queue.now()
    except GatewayUnreachable as error:
        st.info(f"{error} Without a worker no automation runs.", icon=":material/cloud_off:")
        return
    figures(numbers)
    found = listed(queue, numbers)
    chosen = st.query_params.get("run") or (found[0]["run_id"] if found else None)
    if chosen:
        one(queue, data, str(chosen))
    steps(data, now)


def figures(numbers: Json) -> None:
    """Show how the queue stands."""
    ended = sum(each["runs"] for each in numbers["ended"])
    shown = {
        "Open": numbers["open"],
        "Under way here": numbers["busy"],
        "Oldest waits": _span(numbers["oldest_s"]),
        "Wait for a person": numbers["held"],
        "Dead letters": numbers["dead"],
        "Ended within 1 h": ended,
    }
    for column, (name, value) in zip(st.columns(len(shown)), shown.items(), strict=True):
        column.metric(name, value)
    if numbers["events_waiting"]:
        st.caption(f"{numbers['events_waiting']:,} events are not in the ledger yet.")
    if numbers["events_refused"]:
        st.error(f"The gateway refused {numbers['events_refused']:,} events; they are missing in the ledger.")
    if numbers["ended"]:
        data = pd.DataFrame(numbers["ended"])
        data["slice_ts"] = pd.to_datetime(data["minute_us"], unit="us", utc=True)
        st.altair_chart(charts.over_time(data, "runs", "runs ended in a minute"))


def listed(queue: Queue, numbers: Json) -> list[Json]:
    """Show the list that is asked for, and what can be done with all of it; return it."""
    left, middle, right = st.columns(3)
    names = list(STATES)
    asked = st.query_params.get("state", names[0])
    state = left.selectbox("State", names, index=names.index(asked) if asked in names else 0)
    remember("state", state, names[0])
    every = "All automations"
    automation = middle.selectbox("Automation", [every, *sorted(numbers["automations"])])
    given = {"state": STATES[state], "automation": "" if automation == every else automation}
    found = queue.runs(**{name: value for name, value in given.items() if value})
    if not found:
        st.success("There is nothing here.", icon=":material/done_all:")
        return []
    if given["state"] == "dead" and given["automation"] and right.button(f"Replay all of {automation}"):
        told = queue.replay_all(automation, None)
        st.toast(f"{len(told['replayed'])} run again, {len(told['refused'])} do not.")
    rows = pd.DataFrame([{name: _cell(run, name) for name in _COLUMNS} for run in found])
    event: Any = st.dataframe(
        rows, hide_index=True, on_select="rerun", selection_mode="single-row", height=min(38 * (len(found) + 1), 300)
    )
    if selected := event.selection.rows:
        remember("run", str(found[selected[0]]["run_id"]))
    return found


def one(queue: Queue, data: Data, run_id: str) -> None:
    """Show a run, what can be done with it, and its story."""
    try:
        run = queue.one(run_id)
    except Refused as error:
        st.warning(f"{error}")
        remember("run", None)
        return
    st.subheader(f"{run['automation']}: {run['state']}")
    why = f", because of {run['cause']} ({run['layer']}) in {run['step_name']}" if run["state"] == "dead" else ""
    st.caption(f"`{run_id}`{why}; {run['retries']} retries")
    acting(queue, run)
    story(queue, data, run_id)
    if st.button("Show its texts", key=f"texts-{run_id}", help="It is recorded that you read them."):
        texts(queue.content(run_id))


def acting(queue: Queue, run: Json) -> None:
    """Offer what the state of the run allows."""
    name, state = str(run["run_id"]), run["state"]
    unknown = any(action["state"] == "unknown" for action in run.get("actions", ()))
    offered: dict[str, tuple[str, Json]] = {}
    if state == "held":
        offered = {"Allow the action": ("approve", {}), "Refuse it": ("reject", {})}
    elif state == "dead" and unknown:
        offered = {"It happened": ("resolve", {"happened": True}), "Do it again": ("resolve", {"happened": False})}
    elif state == "dead":
        edit = st.text_area("Replay with another input (JSON); empty: the same", key=f"edit-{name}")
        offered = {"Replay": ("replay", {"input": _json(edit)})}
    if state in ("queued", "running", "held"):
        offered["Cancel"] = ("cancel", {})
    columns = st.columns(max(3, len(offered) + 1))
    for column, (label, (what, said)) in zip(columns, offered.items(), strict=False):
        if column.button(label, key=f"{what}-{label}-{name}"):
            _do(queue, name, what, said)
    if state == "dead":
        reason = st.text_input("Reason to put it away", key=f"reason-{name}")
        if st.button("Put it away", key=f"discard-{name}", disabled=not reason):
            _do(queue, name, "discard", {"reason": reason})


def story(queue: Queue, data: Data, run_id: str) -> None:
    """Show what happened in a run: as bars over time, and as a list."""
    found = data.query("story", run=run_id)
    if found.empty:
        st.caption("The ledger tells nothing of this run yet.")
        return
    timed = found[found["duration_ms"].notna() & found["kind"].isin(["step.end", "call.end"])]
    if not timed.empty:
        st.altair_chart(charts.run_waterfall(bars(timed)))
    shown = found.assign(took=found["duration_ms"].map(milliseconds), cost=found["cost_usd"].map(money))
    columns = ["ts", "kind", "step", "status", "cause", "took", "model_answered", "prompt", "policy", "cost", "call_id"]
    st.dataframe(shown[columns], hide_index=True)
    searches = found[found["kind"] == "retrieval"]
    if not searches.empty:
        wanted(queue, run_id, str(searches["ids"].iloc[-1] or ""))


def wanted(queue: Queue, run_id: str, ids: str) -> None:
    """Show what the search of a run found, and take down what it should have found."""
    st.caption(f"The search found {ids or 'nothing'}.")
    given = st.text_input("It should have found (ids, with spaces between)", key=f"gold-{run_id}").split()
    if st.button("Take this down", key=f"take-gold-{run_id}", disabled=not given):
        _do(queue, run_id, "gold", {"ids": given})


def bars(timed: pd.DataFrame) -> pd.DataFrame:
    """Return one bar for each step and call of a run: `what`, `kind`, `start_ms`, `end_ms` since the first began."""
    end_ms = timed["ts_us"] / 1000
    start_ms = end_ms - timed["duration_ms"]
    model = timed["model_answered"].fillna("model")
    what = timed["step"].fillna("").where(timed["kind"] == "step.end", model)
    first = start_ms.min()
    numbered = [f"{n + 1}. {name}" for n, name in enumerate(what)]
    made = {"what": numbered, "kind": timed["kind"], "start_ms": start_ms - first, "end_ms": end_ms - first}
    return pd.DataFrame(made).assign(took_ms=timed["duration_ms"], status=timed["status"])


def steps(data: Data, now: datetime) -> None:
    """Show how long each step takes, and how often it fails."""
    found = data.query("steps", since=span_of(LATENCY_HOURS, now, data.tz).since_us)
    if found.empty:
        return
    st.subheader(f"Steps in the last {LATENCY_HOURS} hours")
    shown = found.assign(**{name: found[name].map(milliseconds) for name in ("p50_ms", "p95_ms", "p99_ms")})
    st.dataframe(shown.rename(columns={"p50_ms": "p50", "p95_ms": "p95", "p99_ms": "p99"}), hide_index=True)


def texts(content: Json) -> None:
    """Show what a run was given and what its steps gave."""
    for name in ("detail", "input", "outputs"):
        if content.get(name) is not None:
            st.caption(name)
            st.code(json.dumps(content[name], indent=2, ensure_ascii=False), language="json", wrap_lines=True)


def _do(queue: Queue, run_id: str, what: str, said: Json) -> None:
    try:
        queue.act(run_id, what, **said)
    except Refused as error:
        st.warning(f"{error}")
        return
    st.rerun()


def _json(text: str) -> Any:
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except ValueError:
        st.warning("This is not JSON; the input stays as it was.")
        return None


def _cell(run: Json, name: str) -> Any:
    if name == "created":
        return pd.Timestamp(run["created_us"], unit="us", tz="UTC").strftime("%Y-%m-%d %H:%M:%S UTC")
    return run.get(name)


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
