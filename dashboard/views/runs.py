"""Runs: the queue of automations, dead letters, actions that wait for a person, and one run from beginning to end."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data, span_of
from dashboard.gateway import GatewayUnreachable, Refused
from dashboard.queue import Json, Queue
from dashboard.views.parts import ALL, NOTHING, choice, milliseconds, money, plain, remember, table

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
_COLUMNS = {
    "automation": "automation", "state": "state", "step_name": "at step", "attempts": "tries", "cause": "cause",
    "layer": "layer", "created": "taken in", "run_id": "run",
}  # fmt: skip
_STORY = {
    "ts": "time (UTC)", "kind": "what happened", "step": "step", "status": "status", "cause": "cause", "took": "took",
    "model_answered": "model", "prompt": "prompt", "policy": "policy", "cost": "cost", "call_id": "call",
}  # fmt: skip
_SPARSE = ("status", "cause", "model", "prompt", "policy", "cost")
ADVICE = {
    "content_blocked": "The policy blocks a value in what was to be sent to the model. Replay it without that value.",
    "invalid_output": "The model's answers did not have the shape that the step asks for. Mend the prompt and replay.",
    "timeout": "A step took longer than it may, each time. See what it waited for, then replay.",
    "asked_to_wait": "What the step needs was away or busy, each time. See whether it is back, then replay.",
    "deadline": "The run was not done in time. A replay gets the same time again.",
    "denied_by_policy": "The policy's tool rules deny this action. Change the policy and replay, or put it away.",
    "effect_unknown": "An action was begun, and nobody knows whether it happened. Look at its target, then say so.",
    "worker_lost": "Eight workers ended during this step: something in it kills them. Mend that, then replay.",
    "unreadable": "The automation changed and takes other inputs now. Replay it with another input.",
    "restored": "It was open when a backup was made that was restored, and may have gone on since. Look, then replay.",
}
LATENCY_HOURS, FEW = 24, 7  # runs that are listed whole
HELD_CODE = "held_for_review"  # a call that waits for a reviewer is refused for now


def show(queue: Queue, data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Runs")
    found = queued(queue, now)
    chosen = st.query_params.get("run") or (found[0]["run_id"] if found else None)
    if chosen:
        one(queue, data, str(chosen))
    steps(data, now)


def queued(queue: Queue, now: datetime) -> list[Json]:
    """Show how the queue stands and what is in it; return the runs listed."""
    try:
        numbers = queue.now()
    except GatewayUnreachable as error:
        st.info(f"{plain(str(error))} Without a worker no automation runs.", icon=":material/cloud_off:")
        return []
    figures(numbers, now)
    return listed(queue, numbers)


def figures(numbers: Json, now: datetime) -> None:
    """Show how the queue stands."""
    ended = sum(each["runs"] for each in numbers["ended"])
    shown = {
        "Open": numbers["open"],
        "Under way here": numbers["busy"],
        "Oldest waits": _span(numbers["oldest_s"]) if numbers["open"] else NOTHING,
        "Wait for a person": numbers["held"],
        "Dead letters": numbers["dead"],
        "Ended within 1 h": ended,
    }
    for column, (name, value) in zip(st.columns(len(shown)), shown.items(), strict=True):
        column.metric(name, value)
    for each in numbers["sources"]:
        st.warning(plain(f"{each['automation']} takes nothing from its {each['source']}: {each['why']}."))
    if numbers["events_waiting"]:
        st.caption(f"{numbers['events_waiting']:,} events are not in the ledger yet.")
    if numbers["events_refused"]:
        st.error(f"The gateway refused {numbers['events_refused']:,} events; they are missing in the ledger.")
    if numbers["ended"]:
        data = pd.DataFrame(numbers["ended"])
        data["slice_ts"] = pd.to_datetime(data["minute_us"], unit="us", utc=True)
        st.altair_chart(charts.over_time(data, "runs", "runs ended in a minute (UTC)", 60, span=span_of(1, now, "UTC")))


def listed(queue: Queue, numbers: Json) -> list[Json]:
    """Show the list that is asked for, and what can be done with all of it; return it."""
    left, middle, right = st.columns(3)
    state = choice(left, "State", list(STATES), "state")
    automation = choice(middle, "Automation", [ALL, *sorted(numbers["automations"])], "automation")
    given = {"state": STATES[state], "automation": "" if automation == ALL else automation}
    found = queue.runs(**{name: value for name, value in given.items() if value})
    if not found:
        nobody = "Nothing waits for anybody" if given["state"] in ("dead", "held") else "No run fits this choice"
        st.success(f"{nobody}. All runs that the worker knows: state All.", icon=":material/done_all:")
        return []
    if given["state"] == "dead" and given["automation"] and right.button(f"Replay all of {automation}"):
        told = queue.replay_all(automation, None)
        st.toast(f"{len(told['replayed'])} run again, {len(told['refused'])} do not.")
    rows = pd.DataFrame([{shown: _cell(run, name) for name, shown in _COLUMNS.items()} for run in found]).fillna("")
    event = table(
        rows, "runs", on_select="rerun", selection_mode="single-row", height="content" if len(found) <= FEW else 300
    )
    if selected := event.selection.rows:
        remember("run", str(found[selected[0]]["run_id"]))
    return found


def one(queue: Queue, data: Data, run_id: str) -> None:
    """Show a run, what can be done with it, and its story."""
    found = data.query("story", run=run_id)
    try:
        run = queue.one(run_id)
    except (Refused, GatewayUnreachable) as error:
        recorded(run_id, found, str(error))
        return
    st.subheader(plain(f"{run['automation']}: {run['state']}"))
    why = f", because of {run['cause']} ({run['layer']}) in {run['step_name']}" if run["state"] == "dead" else ""
    st.caption(plain(f"{run_id}{why}; {run['retries']} retries"))
    if run["state"] == "dead" and (advice := ADVICE.get(run["cause"])) is not None:
        st.info(advice)
    story(found)
    if st.button("Show its texts", key=f"texts-{run_id}", help="It is recorded that you read them."):
        texts(queue.content(run_id))
    acting(queue, run)
    searches = found[found["kind"] == "retrieval"]
    if not searches.empty:
        wanted(queue, run_id, str(searches["ids"].iloc[-1] or ""))


def recorded(run_id: str, found: pd.DataFrame, why: str) -> None:
    """Show a run that only the ledger knows: its caller is no automation of the worker, or the queue forgot it."""
    if found.empty:
        st.warning(plain(why))
        remember("run", None)
        return
    st.subheader(plain(f"Run {run_id}"))
    calls = urlencode({"range": f"{pd.Timestamp(found['ts_us'].iloc[0], unit='us', tz='UTC'):%G-W%V}", "run": run_id})
    st.caption(f"From the record; the queue of automations does not have it. [Its calls](/calls?{calls})")
    story(found)


def acting(queue: Queue, run: Json) -> None:
    """Offer what the state of the run allows."""
    name, state = str(run["run_id"]), run["state"]
    unknown = any(action["state"] == "unknown" for action in run.get("actions", ()))
    offered: dict[str, tuple[str, Json]] = {}
    asked = any(action["state"] == "held" for action in run.get("actions", ()))
    if state == "held" and not asked:
        st.info("A reviewer decides about the model's answer, on the page Reviews; then the run goes on by itself.")
    elif state == "held":
        st.info("It wants to act on the outside, and the policy asks for a person's yes. Its texts say what it is.")
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


def story(found: pd.DataFrame) -> None:
    """Show what happened in a run: as bars over time, and as a list."""
    if found.empty:
        st.caption("The ledger tells nothing of this run yet.")
        return
    timed = found[found["duration_ms"].notna() & found["kind"].isin(["step.end", "call.end"])]
    if not timed.empty:
        st.altair_chart(charts.run_waterfall(bars(timed)))
    times = pd.to_datetime(found["ts_us"], unit="us", utc=True)
    days = times.dt.strftime("%Y-%m-%d").unique()
    clock = times.dt.strftime("%H:%M:%S.%f" if len(days) == 1 else "%m-%d %H:%M:%S.%f").str[:-3]
    shown = found.assign(ts=clock, took=found["duration_ms"].map(_took), cost=_costs(found))
    links = [f"/calls?{urlencode({'call': name})}" if name else "" for name in found["call_id"].fillna("")]
    shown = shown[list(_STORY)].rename(columns=_STORY).fillna("").assign(call=links)
    shown = shown.loc[:, (shown != "").any()].rename(columns={_STORY["ts"]: f"{days[0]} UTC"} if len(days) == 1 else {})
    looks = {name: st.column_config.TextColumn(name, width=_width(shown[name])) for name in shown if name in _SPARSE}
    looks["call"] = st.column_config.LinkColumn("call", display_text="open")
    table(shown, "run", column_config=looks)


def _width(texts: "pd.Series[Any]") -> int:
    """Return the pixels of a column of short texts; where most are empty, Streamlit would cut the others."""
    return 18 + 7 * int(texts.astype(str).str.len().max())


def _took(ms: float | None) -> str:
    return "" if ms is None or pd.isna(ms) else milliseconds(ms)


def _costs(found: pd.DataFrame) -> "pd.Series[Any]":
    """Return what calls cost; a step has no price of its own."""
    return found["cost_usd"].map(money).where(found["kind"] == "call.end", "")


def wanted(queue: Queue, run_id: str, ids: str) -> None:
    """Show what the search of a run found, and take down what it should have found."""
    st.caption(plain(f"The search found {ids or 'nothing'}."))
    given = st.text_input("It should have found (ids, with spaces between)", key=f"gold-{run_id}").split()
    if st.button("Take this down", key=f"take-gold-{run_id}", disabled=not given):
        _do(queue, run_id, "gold", {"ids": given})


def bars(timed: pd.DataFrame) -> pd.DataFrame:
    """Return one bar for each step and call of a run, by when they began: `what`, `kind`, `start_ms`, `end_ms`, ..."""
    began = timed.assign(start_ms=timed["ts_us"] / 1000 - timed["duration_ms"]).sort_values("start_ms", kind="stable")
    start_ms, took_ms = began["start_ms"] - began["start_ms"].min(), began["duration_ms"]
    model = began["model_answered"].fillna("model")
    what = began["step"].fillna("").where(began["kind"] == "step.end", model)
    took = took_ms.map(milliseconds)
    status = began["status"].astype(str).where(began["cause"] != HELD_CODE, "held")
    label = took.where(status == "ok", took + ", " + status)
    made = {"what": [f"{n + 1}. {name}" for n, name in enumerate(what)], "kind": began["kind"], "label": label}
    return pd.DataFrame(
        {**made, "start_ms": start_ms, "end_ms": start_ms + took_ms, "took_ms": took_ms, "status": began["status"]}
    )


def steps(data: Data, now: datetime) -> None:
    """Show how long each step takes, and how often it fails."""
    found = data.query("steps", since=span_of(LATENCY_HOURS, now, data.tz).since_us)
    if found.empty:
        return
    st.subheader(f"Steps in the last {LATENCY_HOURS} hours")
    shown = found.assign(**{name: found[name].map(milliseconds) for name in ("p50_ms", "p95_ms", "p99_ms")})
    table(shown.rename(columns={"p50_ms": "p50", "p95_ms": "p95", "p99_ms": "p99"}), "steps")


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
        st.warning(plain(str(error)))
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
