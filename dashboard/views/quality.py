"""Quality layers: which layer costs the most failures, how each layer scores, and the runs behind it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import charts
from dashboard.data import Data, frame, measured
from dashboard.views.figures import NOBODY
from dashboard.views.parts import csv_download, plain, table, weeks_and_automation
from metrics.health.measures import Span

RUNS_SHOWN = 200
MEASURES: Mapping[str, tuple[str, str | None, str]] = {  # layer: measure, grouping, what its column is called
    "Prompt": ("layer_prompt", "prompt", "prompt version"),
    "Retrieval": ("layer_retrieval", "automation", "automation"),
    "Orchestration": ("layer_orchestration", "automation", "automation"),
}
PARTS: Mapping[str, str] = {
    "valid": "answers that fit their schema", "declined": "answers that the model declined to give",
    "overridden": "outputs that a human changed or rejected", "hit": "searches that found what was wanted",
    "precision": "passages found that were wanted", "empty": "searches that found nothing",
    "failed": "steps that failed", "timeout": "steps that took too long", "again": "steps tried again",
    "dead": "runs that became dead letters", "duplicates": "effects not made a second time",
}  # fmt: skip
_NUMBER = st.column_config.NumberColumn
_LOOKS: Mapping[str, Any] = {
    "figure": st.column_config.TextColumn("figure", width=260),
    "share": _NUMBER("share", format="percent"),
    "from": _NUMBER("95 % from", format="percent"),
    "to": _NUMBER("95 % to", format="percent"),
    "times": _NUMBER("times", format="localized"),
    "of": _NUMBER("of", format="localized"),
}


def show(data: Data, now: datetime) -> None:
    """Draw the page."""
    st.title("Quality layers")
    _, span, automation = weeks_and_automation(data, now)
    failed = failures(measured(data, "failures", span, by="automation", automation=automation))
    for title in MEASURES:
        layer(data, span, automation, title)
    if failed:
        wanted = {"since": span.since_us, "until": span.until_us, "automation": automation, "limit": RUNS_SHOWN}
        newest = data.ask("faults", **{name: value for name, value in wanted.items() if value is not None})
        runs(frame(newest), failed, data.tz)


def failures(found: pd.DataFrame) -> int:
    """Say for each automation which layer costs the most failures; return how many there are."""
    st.subheader("Which layer costs the most failures")
    if found.empty:
        st.info("No failed runs are known in these weeks. Outcomes come from `POST /v1/outcomes` and from reviews.")
        return 0
    counted = pd.DataFrame(
        {"automation": found["group"].fillna(NOBODY), "layer": found["part"], "runs": found["value"].astype(int)}
    )
    said = []
    for name, rows in counted.groupby("automation"):
        worst = rows.sort_values("runs", ascending=False).iloc[0]
        total = int(rows["runs"].sum())
        said.append(f"- **{plain(str(name))}**: {worst['layer']}, {worst['runs']:,} of {total:,} failed runs")
    st.markdown("\n".join(said))
    scale = alt.Scale(domain=list(charts.LAYERS), range=list(charts.LAYERS.values()))
    st.altair_chart(charts.stacked(counted, "runs", "failed runs", "automation", "layer", scale))
    csv_download(counted, "failures-by-layer")
    st.caption("Each failed run counts once, for the first layer that explains it: orchestration, retrieval, prompt.")
    return int(counted["runs"].sum())


def layer(data: Data, span: Span, automation: str | None, title: str) -> None:
    """Show how one layer scores."""
    measure, by, called = MEASURES[title]
    st.subheader(title)
    found = measured(data, measure, span, by=by, automation=automation)
    found = found[found["n"].fillna(0) > 0]
    if found.empty:
        st.caption("Nothing of this layer was recorded in these weeks.")
        return
    shown = pd.DataFrame(
        {
            called: found["group"].fillna(NOBODY), "figure": found["part"].map(PARTS), "share": found["value"],
            "from": found["low"], "to": found["high"], "times": found["k"], "of": found["n"],
        }
    )  # fmt: skip
    table(shown.sort_values(called, kind="stable"), measure, column_config=_LOOKS)
    if title == "Retrieval":
        mean = measured(data, "groundedness", span, automation=automation)
        if mean["n"].sum():
            st.caption(f"Groundedness: {mean['value'].iloc[0]:.2f} on average, of {int(mean['n'].iloc[0]):,} answers.")


def runs(newest: pd.DataFrame, failed: int, tz: str) -> None:
    """List the newest of the failed runs, each with the way to its calls."""
    st.subheader("Failed runs, newest first")
    newest = newest.assign(
        calls=[f"/calls?{urlencode({'range': week, 'run': run})}" for week, run in _where(newest, tz)]
    )
    table(
        newest[["ts", "automation", "layer", "reason", "run_id", "calls"]],
        "failed-runs",
        column_config={
            "ts": st.column_config.DatetimeColumn("began (UTC)", format="YYYY-MM-DD HH:mm"),
            "run_id": "run",
            "calls": st.column_config.LinkColumn("calls", display_text="open"),
        },
    )
    if failed > len(newest):
        st.caption(f"{failed:,} runs failed; the newest {len(newest):,} are listed.")


def _where(found: pd.DataFrame, tz: str) -> list[tuple[str, str]]:
    """Return the week and the id of each run."""
    return [(f"{at:%G-W%V}", run) for at, run in zip(found["ts"].dt.tz_convert(tz), found["run_id"], strict=True)]
